"""Which library reads a video, and that all of them give the same frames."""

import shutil
import subprocess
import sys
from fractions import Fraction
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.core.errors import InputError
from edge.video.frames import Frame
from edge.video.readers import pyav_runs, reader_name
from edge.video.sources import open_source
from tests.edge.video.conftest import needs_pyav
from tests.support.rtsp_server import rtsp_server

needs_ffmpeg = pytest.mark.skipif(
    not shutil.which("ffmpeg"), reason="ffmpeg is missing: apt-get install ffmpeg"
)


def frames_of(source: str | Path, count: int | None = None) -> list[Frame]:
    with open_source(str(source)) as opened:
        return list(islice(opened.frames, count))


# Choosing


@needs_pyav
def test_pyav_is_the_default(monkeypatch):
    monkeypatch.delenv("KSEG_READER", raising=False)
    assert reader_name() == "pyav"
    monkeypatch.setenv("KSEG_READER", "opencv")
    assert reader_name() == "opencv"


def test_without_pyav_opencv_reads(monkeypatch):
    monkeypatch.setattr("edge.video.readers.find_spec", lambda name: None)
    monkeypatch.setattr("edge.video.readers.pyav_runs", pyav_runs.__wrapped__)
    monkeypatch.delenv("KSEG_READER", raising=False)
    assert reader_name() == "opencv"
    monkeypatch.setenv("KSEG_READER", "pyav")
    with pytest.raises(InputError, match="KSEG_READER=pyav: needs PyAV; pip install"):
        reader_name()


def test_a_pyav_that_cannot_be_imported_is_said(tmp_path, monkeypatch, caplog):
    """As with a missing library of the system."""
    (tmp_path / "av.py").write_text(
        "raise ImportError('libx.so.1: cannot open')", encoding="utf-8"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "av", raising=False)
    assert not pyav_runs.__wrapped__()
    assert caplog.messages == [
        "PyAV cannot be imported (libx.so.1: cannot open); OpenCV takes its place"
    ]


def test_an_unknown_reader_is_an_error(monkeypatch):
    monkeypatch.setenv("KSEG_READER", "vlc")
    with pytest.raises(InputError, match="use one of pyav, opencv, hardware"):
        reader_name()


@needs_pyav
def test_a_hardware_decoder_that_is_missing_is_replaced(tmp_path, monkeypatch, caplog):
    path = clip(tmp_path / "a.mp4", [0, 40, 80])
    monkeypatch.setenv("KSEG_READER", "hardware")
    found = frames_of(path)
    if not caplog.messages:
        pytest.skip("this machine has a decoder of V4L2 M2M")
    assert len(found) == 3
    assert caplog.messages[0].startswith("no hardware decoder for mpeg4 opens (")
    assert caplog.messages[0].endswith("); FFmpeg decodes it")


# The same frames


def clip(path: Path, millis: list[int], codec: str = "mpeg4", **options) -> Path:
    """A video of frames at these times; frame k has the brightness 10 k.

    `options` are attributes of the stream, such as its width and pixel format; its
    display matrix is that of the rotation, counterclockwise.
    """
    import av

    options = {"width": 64, "height": 48, "pix_fmt": "yuv420p", **options}
    rotation = options.pop("rotation", 0)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        for name, value in options.items():
            setattr(stream, name, value)
        stream.codec_context.time_base = Fraction(1, 1000)
        stream.time_base = Fraction(1, 1000)
        if rotation:
            stream.set_display_rotation(rotation)
        for index, moment in enumerate(millis):
            # The left half is darker, to tell a turn.
            image = np.full((options["height"], options["width"], 3), 10 * index)
            image[:, options["width"] // 2 :] += 100
            frame = av.VideoFrame.from_ndarray(image.astype(np.uint8), "bgr24")
            frame.pts, frame.time_base = moment, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@needs_pyav
def test_frames_of_a_variable_rate_have_their_times(tmp_path, reader):
    millis = [0, 40, 80, 500, 540, 1300]
    found = frames_of(clip(tmp_path / "a.mkv", millis))
    assert [f.seconds for f in found] == pytest.approx([m / 1000 for m in millis])


@needs_pyav
def test_the_times_begin_with_the_video(tmp_path, reader):
    """As in a part that was cut out of a transport stream."""
    found = frames_of(clip(tmp_path / "a.ts", [7000, 7040, 7200], "libx264"))
    assert [f.seconds for f in found] == pytest.approx([0, 0.04, 0.2], abs=0.001)


@needs_pyav
@pytest.mark.parametrize(
    ("rotation", "bright"),
    [(90, "top"), (180, "left"), (270, "bottom")],
)
def test_a_video_that_was_filmed_upright_is_upright(tmp_path, reader, rotation, bright):
    """The right half is bright; turned to the left by 90 degrees, the upper half."""
    path = clip(tmp_path / "a.mp4", [0, 40], rotation=rotation)
    image = frames_of(path)[0].image.mean(axis=2)
    half = {
        "top": image[: len(image) // 2],
        "bottom": image[len(image) // 2 :],
        "left": image[:, : image.shape[1] // 2],
    }[bright]
    assert image.shape == ((48, 64) if rotation == 180 else (64, 48))
    assert half.mean() > 90 and image.mean() == pytest.approx(50, abs=5)


@needs_pyav
def test_a_mirrored_video_is_turned_by_its_matrix():
    from edge.video.pyav_reader import upright

    image = np.arange(2 * 3 * 3).reshape(2, 3, 3)
    for matrix, expected in {
        (1, 0, 0, 1): image,
        (-1, 0, 0, 1): image[:, ::-1],
        (1, 0, 0, -1): image[::-1],
        # Clockwise: the left column becomes the upper row, from right to left.
        (0, 1, -1, 0): np.rot90(image, -1),
        (0, -1, 1, 0): np.rot90(image),
        (0, 1, 1, 0): image.swapaxes(0, 1),
    }.items():
        np.testing.assert_array_equal(upright(image, matrix), expected)


@needs_pyav
@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("odd.mkv", "libx264", {"width": 61, "height": 47, "pix_fmt": "yuv444p"}),
        ("deep.mkv", "libx264", {"pix_fmt": "yuv420p10le"}),
        ("grey.mkv", "ffv1", {"pix_fmt": "gray"}),
        ("full.avi", "mjpeg", {"pix_fmt": "yuvj420p"}),
        ("hd.mp4", "libx264", {"colorspace": 1, "color_range": 1}),
    ],
)
def test_the_readers_agree_in_every_pixel(tmp_path, monkeypatch, name, codec, options):
    path = clip(tmp_path / name, [0, 40, 80, 120], codec, **options)
    size = options.get("height", 48), options.get("width", 64)
    found = {}
    for reader in ("pyav", "opencv"):
        monkeypatch.setenv("KSEG_READER", reader)
        found[reader] = frames_of(path)
        assert [f.image.shape for f in found[reader]] == [(*size, 3)] * 4
        assert all(f.image.flags.c_contiguous for f in found[reader])
        assert [f.image[:, :20].mean() for f in found[reader]] == pytest.approx(
            [0, 10, 20, 30], abs=4
        )
    for ours, theirs in zip(found["pyav"], found["opencv"], strict=True):
        assert ours.seconds == pytest.approx(theirs.seconds)
        np.testing.assert_array_equal(ours.image, theirs.image)


def test_a_name_with_a_colon_is_a_file(tmp_path, reader):
    path = tmp_path / "rtsp:cam 1%d.avi"
    writer = cv2.VideoWriter(
        str(tmp_path / "a.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 10, (64, 48)
    )
    writer.write(np.zeros((48, 64, 3), np.uint8))
    writer.release()
    (tmp_path / "a.avi").rename(path)
    assert len(frames_of(path)) == 1


# RTSP


@needs_ffmpeg
def test_rtsp_comes_over_tcp_with_a_password_that_nobody_sees(tmp_path, reader, capfd):
    path, login = tmp_path / "a.ts", "me:se cret"
    command = ["ffmpeg", "-loglevel", "quiet", "-f", "lavfi", "-i"]
    command += ["testsrc=size=160x120:rate=25:duration=4", "-c:v", "mpeg2video"]
    subprocess.run([*command, "-g", "5", str(path)], check=True)
    with rtsp_server(path, login, seconds=1.0) as (port, requests):
        source = f"rtsp://me:se%20cret@127.0.0.1:{port}/door"
        with open_source(source) as opened:
            assert (opened.live, opened.name) == (
                True,
                f"rtsp://***@127.0.0.1:{port}/door",
            )
            images = [next(opened.frames).image for _ in range(20)]
    assert {image.shape for image in images} == {(120, 160, 3)}
    setups = [text for text in requests if text.startswith("SETUP")]
    assert setups and all("RTP/AVP/TCP" in text for text in setups)
    assert "cret" not in capfd.readouterr().err
