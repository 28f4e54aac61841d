"""Recordings of events that a killed run has left."""

import signal
import subprocess
import sys

import cv2
import pytest

from edge.core.file_lock import FileLock
from edge.events.unfinished import keep_unfinished_of
from tests.edge.video.conftest import needs_pyav
from tests.edge.video.test_pyav_recorder import WRITE_FOR_EVER
from tests.support.posix import needs_posix

pytestmark = [needs_pyav, needs_posix]


@pytest.fixture
def killed(tmp_path):
    """A folder with the unfinished recording of a run that was killed."""
    command = [sys.executable, "-c", WRITE_FOR_EVER, str(tmp_path / "smoke-7.mp4")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if int(line) == 120:
                process.send_signal(signal.SIGKILL)
    assert [p.name for p in tmp_path.iterdir()] == [".smoke-7.part.mp4"]
    return tmp_path


def test_an_unfinished_recording_becomes_visible(killed, capsys):
    (kept,) = keep_unfinished_of(killed)
    assert list(killed.iterdir()) == [kept] == [killed / "smoke-7.mp4"]
    assert cv2.VideoCapture(str(kept)).read()[0]
    line = f"the recording of a run that was stopped is kept as {kept}\n"
    assert capsys.readouterr().err == line
    assert keep_unfinished_of(killed) == []
    assert capsys.readouterr().err == ""


def test_one_that_another_process_writes_stays(killed):
    lock = FileLock(killed / ".smoke-7.part.mp4")
    lock.take()
    assert keep_unfinished_of(killed) == []
    lock.release()
    (killed / "smoke-7.mp4").write_bytes(b"another")
    assert [p.name for p in keep_unfinished_of(killed)] == ["smoke-7-1.mp4"]
    assert (killed / "smoke-7.mp4").read_bytes() == b"another"


def test_what_does_not_play_is_removed_and_other_files_stay(tmp_path, capsys):
    (tmp_path / ".a.part.mp4").write_bytes(b"\0\0\0\x10ftypisom\0\0\0\0")
    for name in (".a.part.jpg", ".hidden.mp4", "a.part.mp4"):
        (tmp_path / name).write_bytes(b"x")
    assert keep_unfinished_of(tmp_path) == []
    assert len(list(tmp_path.iterdir())) == 3
    assert "removed 1 unfinished recordings that do not play" in capsys.readouterr().err
