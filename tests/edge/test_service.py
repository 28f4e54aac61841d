"""The systemd unit: systemd and the command accept it."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edge.app.camera_options import parse

UNIT = Path(__file__).resolve().parents[2] / "edge" / "board" / "kseg.service"


def value_of(name: str) -> str:
    return re.search(f"^{name}=(.*)$", UNIT.read_text(encoding="utf-8"), re.MULTILINE)[
        1
    ]


def test_the_command_accepts_its_options():
    python, script, *options = shlex.split(value_of("ExecStart"))
    assert python.startswith(value_of("WorkingDirectory"))
    assert Path(script) == Path("edge/camera_demo.py")
    assert options.pop() == "$KSEG_OPTIONS"
    arguments = parse(options, script, None)
    assert (arguments.source, arguments.serve) == ("0", "0.0.0.0:8080")


def test_systemd_accepts_the_unit(tmp_path):
    if not shutil.which("systemd-analyze"):
        pytest.skip("no systemd-analyze: apt install systemd")
    unit = tmp_path / UNIT.name
    python = shlex.split(value_of("ExecStart"))[0]
    unit.write_text(
        UNIT.read_text(encoding="utf-8").replace(python, sys.executable),
        encoding="utf-8",
    )
    command = ["systemd-analyze", "verify", "--man=no", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    complaints = [x for x in done.stderr.splitlines() if UNIT.name in x]
    assert complaints == []
    unit.write_text(
        unit.read_text(encoding="utf-8").replace(
            "Restart=on-failure", "Restart=perhaps"
        ),
        encoding="utf-8",
    )
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert UNIT.name in done.stderr  # shows that the check above can fail
