"""Snapshots and recordings of events, read back."""

import threading
import time
from dataclasses import replace
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from edge.core.errors import InputError
from edge.core.images import read_image
from edge.events import file_writer, folder
from edge.events.event import ENDED, OVER, STARTED, STOPPED, EventChange
from edge.events.folder import EventFolder
from edge.events.ring import encoded
from edge.events.rule import Rule
from edge.video.frames import Source
from tests.support.events import EVENT, shown
from tests.support.posix import needs_linux

FPS = 10.0
RECORDING = Rule("smoke", "", None, before_seconds=1.0, after_seconds=0.5)


def event(number, start, recording=True, snapshot=True):
    return replace(
        EVENT,
        id=number,
        start=start,
        snapshot=f"{number}.jpg" if snapshot else "",
        recording=f"{number}.mp4" if recording else "",
    )


def started(*given, **options):
    return EventChange(STARTED, event(*given, **options))


def ended(number, start, end, reason=OVER):
    return EventChange(ENDED, replace(event(number, start), end=end, reason=reason))


def run(tmp_path, changes, seconds=6.0, rules=(RECORDING,), live=False, close=True):
    """A sink that has taken frames, ten a second; frame n has the grey level 4 n."""
    watch = SimpleNamespace(engine=SimpleNamespace(rules=list(rules)), changes=())
    sink = EventFolder(tmp_path, watch, Source(iter(()), "", fps=FPS, live=live))
    for index in range(round(seconds * FPS)):
        watch.changes = tuple(changes.get(index, ()))
        frame = shown(*watch.changes, seconds=index / FPS, level=4 * index)
        sink.take(frame if sink.wants_view else replace(frame, view=None))
    if close:
        sink.close()
    return sink


def levels(path):
    """The grey level of each frame of a video, divided by four: its index."""
    capture, found = cv2.VideoCapture(str(path)), []
    while True:
        done, frame = capture.read()
        if not done:
            return found
        found.append(round(float(frame.mean()) / 4))


def test_a_recording_has_the_time_before_and_after(tmp_path):
    changes = {20: [started("a", 2.0)], 30: [ended("a", 2.0, 3.0)]}
    run(tmp_path, changes)
    assert {path.name for path in tmp_path.iterdir()} == {"a.jpg", "a.mp4"}
    # From 1 s before the start at 2 s to 0.5 s after the end at 3 s.
    assert levels(tmp_path / "a.mp4") == pytest.approx(list(range(10, 36)), abs=1)
    assert read_image(tmp_path / "a.jpg").mean() == pytest.approx(80, abs=1)


def test_events_at_the_same_time_have_recordings_of_their_own(tmp_path):
    changes = {
        20: [started("a", 2.0)],
        25: [started("b", 2.5)],
        30: [ended("a", 2.0, 3.0)],
        40: [ended("b", 2.5, 4.0)],
    }
    run(tmp_path, changes)
    assert levels(tmp_path / "a.mp4") == pytest.approx(list(range(10, 36)), abs=1)
    assert levels(tmp_path / "b.mp4") == pytest.approx(list(range(15, 46)), abs=1)


def test_an_event_that_ends_with_the_program(tmp_path):
    sink = run(tmp_path, {55: [started("a", 5.5)]}, close=False)
    last = shown(ended("a", 5.5, 5.9, STOPPED), seconds=5.9, redrawn=True)
    sink.take(last)
    sink.close()
    assert levels(tmp_path / "a.mp4") == pytest.approx(list(range(45, 60)), abs=1)


def test_an_event_at_the_first_frame(tmp_path):
    run(tmp_path, {0: [started("a", 0.0)], 5: [ended("a", 0.0, 0.5)]})
    assert len(levels(tmp_path / "a.mp4")) == 11


def test_a_recording_is_not_endless(tmp_path, monkeypatch):
    monkeypatch.setattr(folder, "LONGEST_SECONDS", 2.0)
    run(tmp_path, {20: [started("a", 2.0)]})
    assert len(levels(tmp_path / "a.mp4")) == 10 + 21


def test_snapshots_alone_draw_only_the_frames_of_events(tmp_path):
    rule = replace(RECORDING, before_seconds=None)
    changes = {
        20: [started("a", 2.0, recording=False)],
        40: [started("b", 4.0, recording=False, snapshot=False)],
    }
    sink = run(tmp_path, changes, rules=[rule])
    assert not sink.wants_view
    assert {path.name for path in tmp_path.iterdir()} == {"a.jpg"}


def test_a_folder_that_is_gone_is_one_line_and_the_camera_goes_on(tmp_path, capsys):
    gone = tmp_path / "gone"
    changes = {20: [started("a", 2.0)], 30: [ended("a", 2.0, 3.0), started("b", 3.0)]}
    run(gone, changes)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("--event-folder: ") and "gone" in line
    assert line.endswith("; the camera goes on")


def test_a_reader_that_there_is_not_is_refused_at_the_start(tmp_path, monkeypatch):
    monkeypatch.setenv("KSEG_READER", "vlc")
    with pytest.raises(InputError, match="KSEG_READER='vlc'"):
        run(tmp_path, {})


@needs_linux
def test_a_full_disk_keeps_what_was_recorded(tmp_path, capsys, monkeypatch):
    """The limit of a file's size stands for the end of the disk."""
    from edge.video import recorder

    left = iter([10**9] * 13)
    monkeypatch.setattr(recorder, "room_for", lambda path: next(left, 0))
    run(tmp_path, {20: [started("a", 2.0)], 40: [ended("a", 2.0, 4.0)]})
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"--event-folder: {tmp_path}/a.mp4: there is no room for")
    assert levels(tmp_path / "a.mp4") == pytest.approx(list(range(10, 22)), abs=1)


def test_a_slow_disk_costs_frames_of_a_live_camera_and_no_time(
    tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(file_writer, "MOST_BYTES", 5000)
    real = file_writer.decoded

    def slow(picture):
        time.sleep(0.05)
        return real(picture)

    monkeypatch.setattr(file_writer, "decoded", slow)
    begin = time.monotonic()
    run(tmp_path, {20: [started("a", 2.0)]}, live=True, close=False).close()
    assert time.monotonic() - begin < 2
    assert "frames are missing; the disk is slow" in capsys.readouterr().err


def test_a_picture_of_two_recordings_takes_its_memory_once(tmp_path, monkeypatch):
    goes_on, real = threading.Event(), file_writer.decoded
    monkeypatch.setattr(
        file_writer, "decoded", lambda picture: goes_on.wait() and real(picture)
    )
    pictures = [
        encoded(np.full((48, 64, 3), 4 * index, np.uint8), index / FPS)
        for index in range(10)
    ]
    most = sum(len(picture.jpeg) for picture in pictures)
    monkeypatch.setattr(file_writer, "MOST_BYTES", most)
    writer = file_writer.FileWriter(FPS, waits=False)
    for number in "ab":
        writer.open(number, tmp_path / f"{number}.mp4")
        for picture in pictures:
            writer.add(number, picture)
        writer.close_video(number)
    goes_on.set()
    writer.close()
    for number in "ab":
        found = levels(tmp_path / f"{number}.mp4")
        assert found == pytest.approx(list(range(10)), abs=1)
    assert writer._bytes == 0 and not writer._waiting


def test_a_file_as_source_waits_for_a_slow_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(file_writer, "MOST_BYTES", 5000)
    run(tmp_path, {20: [started("a", 2.0)]}, live=False)
    assert levels(tmp_path / "a.mp4") == pytest.approx(list(range(10, 60)), abs=1)
