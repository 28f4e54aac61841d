"""What holds for every command."""

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


@pytest.mark.parametrize("command", COMMANDS)
def test_help_waits_for_no_heavy_import(command):
    """`--help` within a second or two: so nothing that takes longer may be imported."""
    code = (
        "import sys, runpy\n"
        f"sys.argv = ['kseg.{command}', '--help']\n"
        "try:\n"
        f"    runpy.run_module('kseg.{command}', run_name='__main__')\n"
        "except SystemExit as end:\n"
        "    assert end.code == 0, end.code\n"
        "heavy = {'tensorflow', 'keras', 'matplotlib', 'skimage'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert f"python -m kseg.{command}" in done.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_bad_use_is_one_line_and_status_2(command):
    done = subprocess.run(
        [sys.executable, "-m", f"kseg.{command}", "--no-such-option"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stderr.startswith(f"kseg.{command}: ")
