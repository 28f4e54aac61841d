"""Recordings, read back: every frame is at its time."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from edge.core.errors import GateFailed, InputError
from edge.video.recorder import LONGEST_GAP, Recorder, with_bars
from edge.video.recording import open_recorder
from edge.video.sources import open_source
from tests.support.posix import needs_linux

RATE = 10.0


def frame(brightness: int, size=(48, 64)) -> np.ndarray:
    return np.full((*size, 3), brightness, np.uint8)


def recorded(path: Path, times: list[float]) -> list[int]:
    """The frame at each position of a recording of frames at `times`."""
    video = Recorder(path, RATE)
    for index, seconds in enumerate(times):
        video.write(frame(20 * index), 1000 + seconds)
    video.close()
    with open_source(str(path)) as source:
        assert source.fps == RATE
        return [round(frame.image.mean() / 20) for frame in source.frames]


@pytest.mark.parametrize("suffix", [".mp4", ".avi", ".mkv", ".MP4"])
def test_a_recording_is_renamed_when_closed(reader, tmp_path, suffix):
    path = tmp_path / f"seen{suffix}"
    video = open_recorder(path, RATE)
    for index in range(5):
        video.write(frame(10 * index), index / RATE)
    assert not path.exists()
    assert video.part.exists()
    video.close()
    assert list(tmp_path.iterdir()) == [path]
    with open_source(str(path)) as source:
        means = [frame.image.mean() for frame in source.frames]
    assert means == pytest.approx(range(0, 50, 10), abs=5)


@pytest.mark.parametrize(
    ("times", "places"),
    [
        # As fast as the file: one position each, despite small variations of the times.
        ([0.0, 0.1, 0.2, 0.3], [0, 1, 2, 3]),
        ([0.0, 0.14, 0.16, 0.3], [0, 1, 2, 3]),
        # A slow source: each frame is repeated until the next one.
        ([0.0, 0.3, 0.4], [0, 0, 0, 1, 2]),
        # Two frames at one position: the second moves on, and the delay is made up.
        ([0.0, 0.1, 0.11, 0.3], [0, 1, 2, 3]),
        # Faster than its frame rate: frames that are too late are dropped.
        ([0.0, 0.01, 0.02, 0.03, 0.1, 0.2], [0, 1, 4, 5]),
    ],
)
def test_frames_are_recorded_at_their_time(tmp_path, times, places):
    assert recorded(tmp_path / "seen.avi", times) == places


def test_a_long_gap_is_shortened(tmp_path):
    """A source that stalls for an hour does not add an hour of the same image."""
    seen = recorded(tmp_path / "seen.avi", [0.0, 3600.0, 3600.1])
    assert seen == [0] * round(LONGEST_GAP * RATE) + [1, 2]


def test_frames_of_another_size_are_resized_to_the_first(tmp_path):
    path = tmp_path / "seen.avi"
    video = Recorder(path, RATE)
    video.write(frame(0), 0.0)
    video.write(frame(100, (20, 30)), 0.1)
    video.close()
    with open_source(str(path)) as source:
        assert [frame.image.shape for frame in source.frames] == [(48, 64, 3)] * 2


def test_what_was_recorded_is_said(tmp_path, reader, caplog):
    caplog.set_level("INFO")
    video = open_recorder(tmp_path / "seen.mp4", RATE)
    for index in range(5):
        video.write(frame(0), 7 + index / RATE)
    video.close()
    video.close()  # which says nothing
    assert caplog.messages[-1] == f"recorded 5 frames, 0.4 s, in {video.path}"
    assert len(caplog.messages) == (2 if reader == "pyav" else 1)


def test_a_quiet_recorder_says_nothing(tmp_path, reader, caplog):
    caplog.set_level("INFO")
    video = open_recorder(tmp_path / "seen.mp4", RATE, quiet=True)
    video.write(frame(0), 0.0)
    video.close()
    assert caplog.messages == []


def test_frames_of_another_shape_get_bars():
    tall = np.full((8, 4, 3), 200, np.uint8)
    found = with_bars(tall, (8, 4))
    assert found.shape == (4, 8, 3)
    assert (found[:, 3:5] == 200).all() and not found[:, [0, 1, 2, 5, 6, 7]].any()
    same_shape = with_bars(np.full((8, 16, 3), 200, np.uint8), (8, 4))
    assert (same_shape == 200).all()


def test_a_recorder_without_frames_writes_no_file(reader, tmp_path):
    open_recorder(tmp_path / "seen.mp4", RATE).close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["seen.gif", "seen"])
def test_an_unknown_suffix_is_an_error(reader, tmp_path, name):
    with pytest.raises(InputError, match="--record") as error:
        open_recorder(tmp_path / name, RATE)
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_a_name_of_the_maximum_length_is_recorded(reader, tmp_path):
    path = tmp_path / ("x" * 251 + ".mp4")
    video = open_recorder(path, RATE)
    video.write(frame(0), 0.0)
    video.close()
    assert list(tmp_path.iterdir()) == [path]


def test_a_video_that_cannot_be_written_is_an_error(reader, tmp_path):
    video = open_recorder(tmp_path / "gone" / "seen.mp4", RATE)
    with pytest.raises((InputError, OSError), match="gone"):
        video.write(frame(0), 0.0)
    video.close()


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """A file of this process cannot have more than `size` bytes."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def noise(index: int) -> np.ndarray:
    """A frame that does not compress well."""
    return np.random.RandomState(index).randint(0, 256, (96, 128, 3), np.uint8)


@needs_linux
@pytest.mark.parametrize("suffix", [".mp4", ".avi", ".mkv"])
def test_a_recording_that_finds_no_more_room_is_finished_before(
    reader, tmp_path, suffix
):
    path, written = tmp_path / f"seen{suffix}", 0
    video = open_recorder(path, RATE)
    with largest_file(600_000), pytest.raises(GateFailed, match="no room") as error:
        for written in range(200):
            video.write(noise(written), written / RATE)
    video.close()
    assert f"than the {written} frames" in str(error.value) and written > 5
    assert list(tmp_path.iterdir()) == [path]
    with open_source(str(path)) as source:
        assert len(list(source.frames)) == written


@needs_linux
def test_without_any_room_there_is_no_file(reader, tmp_path):
    video = open_recorder(tmp_path / "seen.mp4", RATE)
    with largest_file(60_000), pytest.raises(InputError, match="no room for a video"):
        video.write(noise(0), 0.0)
    video.close()
    assert list(tmp_path.iterdir()) == []


@needs_linux
def test_a_video_that_lost_its_end_is_not_passed_off_as_one(tmp_path, monkeypatch):
    """Other programs filled the disk between two frames."""
    monkeypatch.setattr("edge.video.recorder.room_for", lambda path: 10**9)
    video = Recorder(tmp_path / "seen.mp4", RATE)
    with largest_file(60_000), pytest.raises(GateFailed, match="does not play"):
        for index in range(30):
            video.write(noise(index), index / RATE)
        video.close()
    assert list(tmp_path.iterdir()) == []
