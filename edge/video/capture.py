"""What video comes from: cameras, files, network streams and GStreamer pipelines.

`capture_of(source)` finds what a source string means; `Capture.open()` gives
something with the `read`, `get` and `release` of cv2.VideoCapture.
"""

from __future__ import annotations

import logging
import os
import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Callable, Optional
from urllib.parse import urlsplit

import cv2
import numpy as np

from edge.core.errors import InputError

log = logging.getLogger(__name__)

# Read once, at the first video. FFmpeg's own complaints would show passwords of URLs.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")

SCHEMES = ("rtsp", "rtsps", "rtmp", "http", "https", "tcp", "udp", "srt")
OPEN_MILLIS, READ_MILLIS = 10_000, 5_000  # how long a stream may keep us waiting

APPSINK = "videoconvert ! video/x-raw,format=BGR ! {sink}"
SINK = "appsink drop=true max-buffers=1 sync=false"
PIPELINES = {
    "csi": "nvarguscamerasrc sensor-id={number} ! video/x-raw(memory:NVMM),"
    "width={width},height={height},framerate={rate}/1 ! nvvidconv ! "
    "video/x-raw,format=BGRx ! " + APPSINK,
    "picamera": "libcamerasrc ! video/x-raw,width={width},height={height},"
    "framerate={rate}/1 ! " + APPSINK,
}
PIPELINE_SIZE, PIPELINE_FPS = (720, 1280), 30  # unless the options say otherwise


@dataclass(frozen=True)
class CameraOptions:
    """What is asked of a camera: (height, width), frames per second, FOURCC."""

    size: Optional[tuple[int, int]] = None
    fps: Optional[int] = None
    format: Optional[str] = None


AS_IT_IS = CameraOptions()


@dataclass(frozen=True)
class Capture:
    """A source of video that can be opened, and again when it went away."""

    name: str
    open: Callable[[], Any]
    live: bool = True


def capture_of(source: str, options: CameraOptions = AS_IT_IS) -> Capture:
    """A camera number or device, `csi[:N]`, `picamera`, pipeline, URL or video file.

    Raises InputError for what can be none of these, and for options of a camera that go
    to something else.
    """
    ready = re.fullmatch(r"(csi|picamera)(?::(\d+))?", source)
    if source.isdecimal() or source.startswith("/dev/video"):
        return Capture(f"camera {source}", lambda: open_camera(source, options))
    if source == "picamera" and find_spec("picamera2"):
        return Capture(source, lambda: PiCamera(options))
    if ready:
        pipeline = pipeline_of(*ready.groups(), options)
        return Capture(source, lambda: open_pipeline(source, pipeline))
    for_cameras_alone(source, options)
    if " ! " in source:
        return Capture("pipeline", lambda: open_pipeline(source, source))
    if source.partition("://")[0] in SCHEMES and "://" in source:
        name = without_password(source)
        return Capture(name, lambda: open_stream(source, name))
    return Capture(Path(source).name, lambda: open_file(source), live=False)


def for_cameras_alone(source: str, options: CameraOptions) -> None:
    """Raises InputError for options of a camera that go to something else."""
    if options != AS_IT_IS:
        raise InputError(f"source {source}: is no camera; leave --camera-... out")


def opened(name: str, remedy: str, *arguments: Any) -> cv2.VideoCapture:
    """cv2.VideoCapture(*arguments). Raises InputError with the remedy."""
    try:
        capture = cv2.VideoCapture(*arguments)
        if capture.isOpened():
            return capture
        capture.release()
    except (cv2.error, OverflowError):  # a number beyond all cameras
        pass
    raise InputError(f"{name}: {remedy}")


def open_camera(source: str, options: CameraOptions) -> cv2.VideoCapture:
    """A camera by number or device file, asked for what the options say."""
    device = int(source) if source.isdecimal() else source
    name = f"camera {source}"
    capture = opened(name, "cannot be opened; is it plugged in and free?", device)
    if options.format:  # first: sizes and rates depend on it
        capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter_fourcc(*options.format))
    if options.size:
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, options.size[0])
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, options.size[1])
    if options.fps:
        capture.set(cv2.CAP_PROP_FPS, options.fps)
    given = given_by(capture)
    wanted = [options.size, options.fps, options.format]
    if any(want and want != give for want, give in zip(wanted, given)):
        size, fps, form = given
        log.info(f"{name} gives {size[0]}x{size[1]} at {fps} per second, {form}")
    return capture


def given_by(capture: cv2.VideoCapture) -> tuple[tuple[int, int], int, str]:
    """The size, rate and format that a camera really uses."""
    height = int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
    width = int(capture.get(cv2.CAP_PROP_FRAME_WIDTH))
    code = int(capture.get(cv2.CAP_PROP_FOURCC)) & 0xFFFFFFFF
    form = code.to_bytes(4, "little").decode("latin-1").strip("\0 ")
    return (height, width), round(capture.get(cv2.CAP_PROP_FPS)), form


def open_file(source: str) -> cv2.VideoCapture:
    if not Path(source).is_file():
        raise InputError(
            f"source {source}: no such file or folder; a camera is a number, such as 0"
        )
    return opened(f"source {source}", "is no video that OpenCV can read", source)


def open_stream(url: str, name: str) -> cv2.VideoCapture:
    """A network stream, with limits on how long it may keep us waiting."""
    limits = [
        *(cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, OPEN_MILLIS),
        *(cv2.CAP_PROP_READ_TIMEOUT_MSEC, READ_MILLIS),
        *(cv2.CAP_PROP_N_THREADS, 1),  # each more holds one frame back
    ]
    remedy = f"gives no video (limit {OPEN_MILLIS // 1000} s); is it being sent?"
    return opened(f"source {name}", remedy, url, cv2.CAP_FFMPEG, limits)


def without_password(url: str) -> str:
    """The URL as it may be shown.

    >>> without_password("rtsp://me:secret@door/stream")
    'rtsp://me:***@door/stream'
    """
    password = urlsplit(url).password
    return url.replace(f":{password}@", ":***@", 1) if password else url


def pipeline_of(kind: str, number: Optional[str], options: CameraOptions) -> str:
    """The GStreamer pipeline of Jetson's CSI camera or the Pi's.

    >>> pipeline_of("csi", "1", CameraOptions())[:32]
    'nvarguscamerasrc sensor-id=1 ! v'
    """
    height, width = options.size or PIPELINE_SIZE
    return PIPELINES[kind].format(
        number=number or 0,
        width=width,
        height=height,
        rate=options.fps or PIPELINE_FPS,
        sink=SINK,
    )


def open_pipeline(source: str, pipeline: str) -> cv2.VideoCapture:
    if not cv2.videoio_registry.hasBackend(cv2.CAP_GSTREAMER):
        remedy = "use the system's: apt install python3-opencv, and a virtual "
        remedy += "environment made with --system-site-packages"
        if source == "picamera":
            remedy = "apt install python3-picamera2, or for OpenCV " + remedy
        raise InputError(f"source {source}: this OpenCV lacks GStreamer; {remedy}")
    remedy = "GStreamer cannot start it; try it with gst-launch-1.0"
    return opened(f"source {source}", remedy, pipeline, cv2.CAP_GSTREAMER)


class PiCamera:
    """The Raspberry Pi's camera module through Picamera2, as a cv2.VideoCapture."""

    def __init__(self, options: CameraOptions):
        try:
            from picamera2 import Picamera2
        except (ImportError, ValueError) as error:  # ValueError: another NumPy's
            raise InputError(
                f"picamera: Picamera2 does not load ({error}); it needs a virtual "
                "environment made with --system-site-packages and the system's NumPy, "
                "1 or 2: docs/boards.md"
            ) from None
        height, width = options.size or PIPELINE_SIZE
        self.fps = options.fps or PIPELINE_FPS
        try:
            self._camera = Picamera2()
        except (IndexError, RuntimeError) as error:
            raise InputError(f"picamera: cannot be opened ({error})") from None
        self._camera.configure(
            self._camera.create_video_configuration(
                # What Picamera2 calls RGB888 lies in memory as BGR.
                main={"size": (width, height), "format": "RGB888"},
                controls={"FrameRate": self.fps},
            )
        )
        self._camera.start()

    def read(self) -> tuple[bool, np.ndarray]:
        return True, self._camera.capture_array("main")

    def get(self, name: int) -> float:
        return self.fps if name == cv2.CAP_PROP_FPS else 0.0

    def release(self) -> None:
        self._camera.close()
