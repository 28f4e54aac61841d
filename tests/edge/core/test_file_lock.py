"""The lock of recordings: second processes, and what a killed one leaves."""

import signal
import subprocess
import sys

import numpy as np
import pytest

from edge.core.errors import InputError
from edge.core.file_lock import FileLock
from edge.video.recording import open_recorder
from tests.support.posix import needs_posix

pytestmark = needs_posix

HOLD = """
import sys
from pathlib import Path
from edge.video.recording import open_recorder

video = open_recorder(Path(sys.argv[1]), 25.0)
video.claim()
print("claimed", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("suffix", [".mp4", ".avi"])
def test_a_second_process_is_refused_until_the_first_is_dead(tmp_path, suffix):
    path = tmp_path / f"seen{suffix}"
    command = [sys.executable, "-c", HOLD, str(path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    video = open_recorder(path, 25.0)
    with subprocess.Popen(command, **pipes) as first:
        assert first.stdout.readline() == b"claimed\n"
        with pytest.raises(InputError) as error:
            video.claim()
        first.send_signal(signal.SIGKILL)
        first.wait()
    assert str(error.value) == (
        f"--record {path}: another process is recording to this file; give another "
        "name, or end that process"
    )
    video.claim()
    for index in range(3):
        video.write(np.zeros((48, 64, 3), np.uint8), index / 25)
    video.close()
    assert list(tmp_path.iterdir()) == [path]


def test_a_claim_without_frames_leaves_no_file(tmp_path):
    video = open_recorder(tmp_path / "seen.mp4", 25.0)
    video.claim()
    assert [p.name for p in tmp_path.iterdir()] == [".seen.part.mp4"]
    video.close()
    assert list(tmp_path.iterdir()) == []


def test_a_finished_file_is_free_for_the_next_recording(tmp_path):
    part = tmp_path / ".seen.part.mp4"
    first, second = FileLock(part), FileLock(part)
    first.take()
    part.write_bytes(b"video")
    with pytest.raises(BlockingIOError):
        second.take()
    part.rename(tmp_path / "seen.mp4")
    first.release()
    second.take()
    assert part.stat().st_size == 0
    assert (tmp_path / "seen.mp4").read_bytes() == b"video"
    second.release()


def test_a_lock_whose_file_was_removed_leaves_that_of_the_next_process(tmp_path):
    path = tmp_path / "run.lock"
    first, second = FileLock(path), FileLock(path)
    first.take()
    path.unlink()
    second.take()
    first.release()
    with pytest.raises(BlockingIOError):
        first.take()
    second.release()
    assert list(tmp_path.iterdir()) == []
