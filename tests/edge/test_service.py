"""The systemd units: systemd and the command accept them."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edge.app.camera_options import parse
from edge.app.mqtt_options import check_mqtt

BOARD = Path(__file__).resolve().parents[2] / "edge" / "board"
UNIT, WITH_MQTT = BOARD / "kseg.service", BOARD / "kseg-mqtt.service"


def value_of(name: str, unit: Path = UNIT) -> str:
    text = unit.read_text(encoding="utf-8")
    return re.search(f"^{name}=(.*)$", text, re.MULTILINE)[1]


def test_the_command_accepts_its_options():
    python, script, *options = shlex.split(value_of("ExecStart"))
    assert python.startswith(value_of("WorkingDirectory"))
    assert Path(script) == Path("edge/camera_demo.py")
    assert options.pop() == "$KSEG_OPTIONS"
    arguments = parse(options, script, None)
    assert (arguments.sources, arguments.serve) == ([("", "0")], "0.0.0.0:8080")


def test_the_command_accepts_the_options_of_mqtt(monkeypatch):
    monkeypatch.delenv("KSEG_MQTT_PASSWORD", raising=False)
    python, script, *options = shlex.split(value_of("ExecStart", WITH_MQTT))
    assert options.pop() == "$KSEG_OPTIONS"
    text = WITH_MQTT.read_text(encoding="utf-8")
    for broker in re.findall(r"KSEG_BROKER=(.*)", text):
        given = [x.replace("${KSEG_BROKER}", broker) for x in options]
        arguments = parse(given, script, None)
        check_mqtt(arguments)
        assert arguments.headless and arguments.broker.port == 1883
    assert arguments.broker.host == "127.0.0.1"  # by default


def test_the_units_differ_in_what_they_run_only():
    def settings(unit):
        lines = unit.read_text(encoding="utf-8").splitlines()
        return [x for x in lines if not x.startswith("#")]

    same = set(settings(UNIT)) & set(settings(WITH_MQTT))
    assert {x.partition("=")[0] for x in set(settings(WITH_MQTT)) - same} == {
        *("Description", "After", "Environment", "ExecStart")
    }


@pytest.mark.parametrize("source", [UNIT, WITH_MQTT], ids=lambda path: path.name)
def test_systemd_accepts_the_unit(source, tmp_path):
    if not shutil.which("systemd-analyze"):
        pytest.skip("no systemd-analyze: apt install systemd")
    unit = tmp_path / source.name
    python = shlex.split(value_of("ExecStart"))[0]
    unit.write_text(
        source.read_text(encoding="utf-8").replace(python, sys.executable),
        encoding="utf-8",
    )
    command = ["systemd-analyze", "verify", "--man=no", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    complaints = [x for x in done.stderr.splitlines() if source.name in x]
    assert complaints == []
    unit.write_text(
        unit.read_text(encoding="utf-8").replace(
            "Restart=on-failure", "Restart=perhaps"
        ),
        encoding="utf-8",
    )
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert source.name in done.stderr  # shows that the check above can fail
