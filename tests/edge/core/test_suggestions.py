"""What was probably meant by a name that is not known."""

import subprocess
import sys
from pathlib import Path

import pytest

from edge.core.suggestions import LISTED, suggestion

ROOT = Path(__file__).resolve().parents[3]


def test_of_many_names_none_is_listed():
    names = [f"name{number}" for number in range(LISTED + 1)]
    assert suggestion("x", names) == "; --help-all lists the options"


@pytest.mark.parametrize(
    ("command", "meant"),
    [
        (["-m", "kseg", "train", "--epohcs", "3"], "--epochs"),
        (["-m", "kseg", "export", "RUN", "--qantize=int8"], "--quantize"),
        (["-m", "kseg", "exprot"], "export"),
        (["edge/camera_demo.py", "m.tflite", "--sorce", "0"], "--source"),
    ],
)
def test_a_mistyped_word_of_a_command(command, meant):
    done = subprocess.run(
        [sys.executable, *command], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert f"; did you mean {meant}?" in done.stderr and done.stderr.count("\n") == 1
