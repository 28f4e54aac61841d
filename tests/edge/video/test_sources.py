"""Opening and reading sources."""

import threading
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from edge.core.errors import InputError
from edge.core.images import write_image
from edge.video.capture import CameraOptions, Capture
from edge.video.reconnect import Video
from edge.video.scenes import scene
from edge.video.sources import SHAPES_SEED, SHAPES_SIZE, open_source
from tests.support.posix import needs_posix

BLUE = (255, 0, 0)  # in BGR


def frame(brightness: int, size=(48, 64)) -> np.ndarray:
    return np.full((*size, 3), brightness, np.uint8)


def write_video(path: Path, count: int = 12, fps: float = 12.0) -> None:
    """`count` frames, each brighter than the last by ten."""
    code = cv2.VideoWriter_fourcc(*("MJPG" if path.suffix == ".avi" else "mp4v"))
    writer = cv2.VideoWriter(str(path), code, fps, (64, 48))
    assert writer.isOpened()
    for index in range(count):
        writer.write(frame(10 * index))
    writer.release()


def read_video(path: Path) -> list[np.ndarray]:
    with open_source(str(path)) as source:
        return [frame.image for frame in source.frames]


# Sources


@pytest.mark.parametrize("suffix", [".mp4", ".avi"])
def test_a_video_file(reader, tmp_path, suffix):
    path = tmp_path / f"street{suffix}"
    write_video(path)
    with open_source(str(path)) as source:
        assert (source.name, source.live, source.still) == (path.name, False, False)
        assert source.fps == pytest.approx(12)
        frames = list(source.frames)
    images = [frame.image for frame in frames]
    assert len(images) == 12
    assert {(f.shape, f.dtype) for f in images} == {((48, 64, 3), np.dtype(np.uint8))}
    assert [f.seconds for f in frames] == pytest.approx(np.arange(12) / 12, abs=0.002)
    # In order: lossy, but not by half a step.
    assert [f.mean() for f in images] == pytest.approx(range(0, 120, 10), abs=5)


def test_a_folder_of_images_in_order_of_name(tmp_path):
    for name, brightness in (("b.png", 20), ("a.bmp", 10), ("c.png", 30)):
        write_image(tmp_path / name, frame(brightness, (5, brightness)))
    (tmp_path / "notes.txt").touch()
    with open_source(str(tmp_path)) as source:
        assert (source.name, source.live, source.still) == (tmp_path.name, False, True)
        assert [frame.image.shape for frame in source.frames] == [
            (5, 10, 3),
            (5, 20, 3),
            (5, 30, 3),
        ]


def test_a_single_image_is_a_frame_in_bgr(tmp_path):
    path = tmp_path / "blue.png"
    write_image(path, np.full((4, 5, 3), BLUE[::-1], np.uint8))
    with open_source(str(path)) as source:
        assert (source.name, source.still) == ("blue.png", True)
        ((only, seconds),) = source.frames
    assert seconds == 0
    assert only.shape == (4, 5, 3)
    assert (only == BLUE).all()


def test_a_grey_image_is_a_frame_of_three_channels(tmp_path):
    write_image(tmp_path / "grey.png", np.full((4, 5), 7, np.uint8))
    with open_source(str(tmp_path / "grey.png")) as source:
        ((only, seconds),) = source.frames
    assert seconds == 0
    assert (only == frame(7, (4, 5))).all()


def test_a_gif_that_plays_is_a_video_and_another_an_image(reader, tmp_path):
    frames = [Image.fromarray(frame(40 * index)) for index in range(4)]
    frames[0].save(tmp_path / "still.gif")
    frames[0].save(tmp_path / "film.gif", save_all=True, append_images=frames[1:])
    assert len(read_video(tmp_path / "still.gif")) == 1
    assert len(read_video(tmp_path / "film.gif")) == 4


def test_what_a_folder_of_images_leaves_out_is_logged(tmp_path, caplog):
    write_image(tmp_path / "a.png", frame(7))
    (tmp_path / "b.heic").touch()
    (tmp_path / "c.png").symlink_to(tmp_path / "gone.png")
    with caplog.at_level("INFO"), open_source(str(tmp_path)) as source:
        assert len(list(source.frames)) == 1
    expected = "left out: 1 .heic files (b.heic), 1 links to missing files (c.png)"
    assert caplog.messages == [f"{tmp_path}: {expected}"]


def test_shapes_are_the_moving_scenes():
    with open_source("shapes") as source:
        assert (source.name, source.live, source.endless) == ("shapes", False, True)
        for time, (given, seconds) in enumerate(islice(source.frames, 3)):
            assert seconds == time / 25
            image, _ = scene(SHAPES_SEED, 0, SHAPES_SIZE, time)
            np.testing.assert_array_equal(given[..., ::-1], image)


def bad_source(source: str) -> str:
    """The message for a source that cannot be read."""
    with pytest.raises(InputError) as error, open_source(source) as opened:
        list(opened.frames)
    message = str(error.value)
    assert "\n" not in message
    return message


def test_a_missing_file(tmp_path):
    path = str(tmp_path / "gone.mp4")
    assert bad_source(path).startswith(f"source {path}: no such file")


def test_an_empty_folder(tmp_path):
    assert bad_source(str(tmp_path)) == f"source {tmp_path}: the folder has no images"


@pytest.mark.parametrize("number", ["99", "99999999999"])
def test_a_missing_camera(number):
    assert bad_source(number).startswith(f"camera {number}: cannot be opened")


def test_a_digit_that_is_not_decimal(tmp_path):
    """'²'.isdigit() holds, int('²') does not."""
    assert "²" in bad_source("²")


@pytest.mark.parametrize("data", [b"\n", b"no video"])
def test_a_file_that_is_not_a_video(reader, tmp_path, data):
    path = tmp_path / "a.mp4"
    path.write_bytes(data)
    assert bad_source(str(path)).startswith(f"source {path}: not a video")


def test_a_damaged_image_in_a_folder_is_named(tmp_path):
    write_image(tmp_path / "a.png", frame(1))
    (tmp_path / "b.png").write_bytes(b"no image")
    assert bad_source(str(tmp_path)).startswith(f"{tmp_path / 'b.png'}: ")


def test_a_driver_that_hangs_is_an_error(monkeypatch):
    monkeypatch.setattr("edge.video.reconnect.OPEN_SECONDS", 0.1)
    with pytest.raises(InputError, match="source csi: does not open"):
        Video("csi", Capture("csi", threading.Event().wait))


# Spellings of cameras and files


@pytest.mark.parametrize(
    "source", ["/dev/v4l/by-id/usb-C920-index0", "/dev/video77", "v4l2:///dev/video77"]
)
@needs_posix
def test_a_device_is_a_camera_with_its_options(source):
    with pytest.raises(InputError, match="^camera /dev/.* does not exist") as error:
        with open_source(source, CameraOptions(fps=5)):
            pass
    assert source.rpartition("/")[2] in str(error.value)


@needs_posix
def test_a_link_to_a_device_is_a_camera(tmp_path):
    (tmp_path / "front").symlink_to("/dev/null")
    assert bad_source(str(tmp_path / "front")).startswith("camera ")


def test_a_file_may_be_given_as_an_address(reader, tmp_path):
    write_video(tmp_path / "my clip.avi", count=2)
    address = (tmp_path / "my clip.avi").as_uri()
    assert address.endswith("my%20clip.avi")
    assert len(read_video(address)) == 2


def test_a_source_of_any_length_is_refused_without_its_password():
    for source in (f"rtsp://me:8810@127.0.0.1:1/{'x' * 5000}", "8810 ! " + "x" * 5000):
        message = bad_source(source)
        assert "127.0.0.1:1/***: " in message or "GStreamer" in message
