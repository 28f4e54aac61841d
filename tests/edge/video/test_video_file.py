"""Damaged videos: what can be read is read, and what is missing is said."""

import logging
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.core.errors import InputError
from edge.video.sources import open_source

pytestmark = pytest.mark.usefixtures("reader")


def clip(path: Path, frames: int = 20) -> Path:
    """A motion JPEG of 10 frames a second; frame k has the brightness 10 k."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (64, 48))
    for index in range(frames):
        writer.write(np.full((48, 64, 3), 10 * index, np.uint8))
    writer.release()
    return path


def chunks(data: bytes) -> list[tuple[int, int]]:
    """Where the content of each frame begins and ends in an AVI."""
    found, at = [], data.index(b"movi")
    while data.find(b"00dc", at) > 0 and len(found) < 20:
        at = data.index(b"00dc", at)
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        found.append((at + 8, at + 8 + size))
        at += 8 + size
    return found


def damage(path: Path, *numbers: int) -> Path:
    """Overwrites the content of frames."""
    data = bytearray(path.read_bytes())
    places = chunks(bytes(data))
    for number in numbers:
        begin, end = places[number]
        data[begin:end] = b"\x55" * (end - begin)
    path.write_bytes(data)
    return path


def read(path: Path) -> list[tuple[int, float]]:
    """The number of each frame by its brightness, and its time."""
    with open_source(str(path)) as source:
        return [(round(f.image.mean() / 10), f.seconds) for f in source.frames]


@pytest.mark.parametrize("numbers", [(7,), (7, 8, 9, 10), (0,), (3, 12)])
def test_a_damaged_frame_costs_that_frame_alone(tmp_path, caplog, numbers):
    path = damage(clip(tmp_path / "a.avi"), *numbers)
    rest = [k for k in range(20) if k not in numbers]
    found = read(path)
    assert [number for number, _ in found] == rest
    assert [seconds for _, seconds in found] == pytest.approx([k / 10 for k in rest])
    said = f"source {path}: of 20 frames {len(numbers)} cannot be decoded; the file is"
    assert [record.getMessage().startswith(said) for record in caplog.records] == [True]


def test_the_frames_that_a_file_lacks_at_its_end_are_counted(tmp_path, caplog):
    path = clip(tmp_path / "a.avi")
    data = path.read_bytes()
    path.write_bytes(data[: chunks(data)[15][0] - 8])
    assert [number for number, _ in read(path)] == list(range(15))
    (record,) = caplog.records
    assert "of 20 frames the last 5 are missing" in record.getMessage()


@pytest.mark.parametrize("name", ["a.avi", "a.mkv", "a.mp4"])
def test_nothing_is_said_of_a_whole_file(tmp_path, caplog, name):
    path = tmp_path / name
    code = "MJPG" if name == "a.avi" else "mp4v"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*code), 10, (64, 48))
    for _ in range(12):
        writer.write(np.zeros((48, 64, 3), np.uint8))
    writer.release()
    caplog.set_level(logging.INFO)
    assert len(read(path)) == 12
    assert caplog.records == []


def test_leaving_early_says_nothing(tmp_path, caplog):
    path = damage(clip(tmp_path / "a.avi"), 7)
    with open_source(str(path)) as source:
        next(source.frames)
    assert caplog.records == []


def test_a_video_of_damaged_frames_alone_is_an_error(tmp_path, caplog):
    path = damage(clip(tmp_path / "a.avi"), *range(20))
    with pytest.raises(InputError, match="no frame of it can be decoded"):
        read(path)
    assert caplog.records == []


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b"\0\0\0\x10ftypisom\0\0\0\0\0\0\0\x40mdat" + b"\1" * 20, "is cut off"),
        (b"text" * 100, "not a video that (OpenCV|PyAV) can read"),
    ],
)
def test_the_reason_of_a_file_that_does_not_open(tmp_path, content, reason):
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"^source {path}: .*{reason}"):
        read(path)
