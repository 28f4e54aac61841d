"""MediaPipe's side; tests/kseg/test_runtimes.py has it beside ours, where it is."""

import sys

import pytest

from edge.command import BadInput
from edge.rival import Rival


def test_a_python_that_is_not_there(tmp_path):
    python = str(tmp_path / "python")
    with pytest.raises(BadInput) as refusal:
        Rival(python, tmp_path / "x.tflite", "x.mp4")
    assert str(refusal.value).startswith(f"--mediapipe {python}: cannot be started")


def test_a_python_without_mediapipe_says_so(tmp_path):
    with pytest.raises(BadInput, match="No module named 'mediapipe'") as refusal:
        Rival(sys.executable, tmp_path / "x.tflite", "x.mp4")
    assert len(str(refusal.value).splitlines()) == 1
