"""MediaPipe's side; tests/kseg/test_runtimes.py has it beside ours, where it is."""

import os
import sys

import pytest
from edge.rival import Rival

from edge import rival
from edge.core.errors import InputError


def test_a_python_that_is_not_there(tmp_path):
    python = str(tmp_path / "python")
    with pytest.raises(InputError) as refusal:
        Rival(python, tmp_path / "x.tflite", "x.mp4")
    assert str(refusal.value).startswith(f"--mediapipe {python}: cannot be started")


def test_a_python_without_mediapipe_says_so(tmp_path):
    with pytest.raises(InputError, match="No module named 'mediapipe'") as refusal:
        Rival(sys.executable, tmp_path / "x.tflite", "x.mp4")
    assert len(str(refusal.value).splitlines()) == 1


@pytest.mark.skipif(os.name != "posix", reason="a script as a program")
def test_one_that_hangs_is_given_up(tmp_path, monkeypatch):
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho loading >&2\nexec sleep 600\n")
    python.chmod(0o755)
    monkeypatch.setattr(rival, "SECONDS", 1.0)
    with pytest.raises(InputError, match="gives no answer within 1 seconds"):
        Rival(str(python), tmp_path / "x.tflite", "x.mp4")
