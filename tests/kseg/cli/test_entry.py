"""What holds for every command."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
COMMANDS = (
    "train",
    "evaluate",
    "predict",
    "prepare",
    "export",
    "benchmark",
    "summary",
    "doctor",
    "report",
)
# Starts each command as `python -m` does, one after the other in one process. Each
# entry: the exit status, both outputs, and what heavy modules were imported by then.
START_ALL = """
import contextlib, io, json, runpy, sys

option, *commands = sys.argv[1:]
found = {}
for command in commands:
    sys.argv = ["a name that says nothing", option]
    out, error, status = io.StringIO(), io.StringIO(), None
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
        try:
            runpy.run_module(f"kseg.{command}", run_name="__main__")
        except SystemExit as end:
            status = end.code
    heavy = {"tensorflow", "keras", "matplotlib", "skimage"} & set(sys.modules)
    found[command] = [status, out.getvalue(), error.getvalue(), sorted(heavy)]
print(json.dumps(found))
"""


def start_all(option: str) -> dict[str, list]:
    done = subprocess.run(
        [sys.executable, "-c", START_ALL, option, *COMMANDS],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_help_waits_for_no_heavy_import():
    """`--help` within a second or two: so nothing that takes longer may be imported."""
    for command, (status, out, error, heavy) in start_all("--help").items():
        assert (status, error, heavy) == (0, "", []), command
        assert f"python -m kseg.{command}" in out


def test_bad_use_is_one_line_and_status_2():
    for command, (status, out, error, _) in start_all("--no-such-option").items():
        assert (status, out) == (2, ""), command
        assert len(error.strip().splitlines()) == 1
        assert error.startswith(f"kseg.{command}: ")


@pytest.mark.parametrize(
    "start", [["-m", "kseg.train"], ["kseg/export.py"], ["-m", "kseg", "doctor"]]
)
def test_a_process_of_its_own(start):
    """By module, by path and by verb: the message names the command all the same."""
    done = subprocess.run(
        [sys.executable, *start, "--no-such-option"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    name = Path(start[-1]).stem.removeprefix("kseg.")
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stderr.startswith(f"kseg.{name}: "), done.stderr
