"""Opening cameras, video files, network streams and GStreamer pipelines.

`capture_of(source)` interprets a source string; `Capture.open()` returns an object with
`read`, `get` and `release` as cv2.VideoCapture has.
"""

from __future__ import annotations

import logging
import os
import re
import stat
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Callable, Optional

import cv2
import numpy as np

from edge.core.addresses import is_address
from edge.core.errors import InputError
from edge.core.redaction import redact
from edge.core.system import LINUX
from edge.video.frames import Limits
from edge.video.readers import open_capture, open_video
from edge.video.stream_address import Address, no_such_file, parse_address
from edge.video.video_file import VideoFile, start_of

log = logging.getLogger(__name__)

# OpenCV reads this once, at the first video. FFmpeg's log would show the address.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")

OPEN_MILLIS, READ_MILLIS = 10_000, 5_000  # time limits of network streams

APPSINK = "videoconvert ! video/x-raw,format=BGR ! {sink}"
SINK = "appsink drop=true max-buffers=1 sync=false"
PIPELINES = {
    "csi": "nvarguscamerasrc sensor-id={number} ! video/x-raw(memory:NVMM),"
    "width={width},height={height},framerate={rate}/1 ! nvvidconv ! "
    "video/x-raw,format=BGRx ! " + APPSINK,
    "picamera": "libcamerasrc ! video/x-raw,width={width},height={height},"
    "framerate={rate}/1 ! " + APPSINK,
}
BOARD_CAMERA = re.compile(r"(csi|picamera)(?::(\d+))?")
PIPELINE_SIZE, PIPELINE_FPS = (720, 1280), 30  # defaults of the options


class NotInstalled(InputError):
    """A source needs software that is missing, so trying again does not help."""


@dataclass(frozen=True)
class CameraOptions:
    """Requested camera settings: (height, width), frames per second, FOURCC."""

    size: Optional[tuple[int, int]] = None
    fps: Optional[int] = None
    format: Optional[str] = None


DEFAULT_OPTIONS = CameraOptions()


@dataclass(frozen=True)
class Capture:
    """A video source that can be opened, and reopened after a failure."""

    name: str
    open: Callable[[], Any]
    live: bool = True
    address: Optional[Address] = None  # of a network stream


def capture_of(source: str, options: CameraOptions = DEFAULT_OPTIONS) -> Capture:
    """Interpret a source: camera, `csi[:N]`, `picamera`, pipeline, URL or video file.

    Raises InputError for a malformed address, and for camera options with a source that
    is not a camera.
    """
    board_camera = BOARD_CAMERA.fullmatch(source)
    if is_camera(source):
        return Capture(f"camera {source}", lambda: open_camera(source, options))
    if source == "picamera" and find_spec("picamera2"):
        return Capture(source, lambda: PiCamera(options))
    if board_camera:
        pipeline = pipeline_of(*board_camera.groups(), options)
        return Capture(source, lambda: open_pipeline(source, pipeline))
    refuse_camera_options(source, options)
    if is_address(source):
        address = parse_address(source)
        return Capture(
            address.shown,
            lambda: open_stream(address.url, address.shown),
            address=address,
        )
    if is_pipeline(source):
        return Capture("pipeline", lambda: open_pipeline(source, source))
    return Capture(Path(source).name, lambda: open_file(source), live=False)


def has_settings(source: str) -> bool:
    """Whether a source is a camera, which has the options of cameras."""
    return is_camera(source) or bool(BOARD_CAMERA.fullmatch(source))


def is_pipeline(source: str) -> bool:
    """Whether a source is a GStreamer pipeline: elements with ! between them.

    >>> is_pipeline("videotestsrc!appsink"), is_pipeline("wow!.mp4")
    (True, False)
    """
    return " ! " in source or bool(re.search(r"!\s*appsink\b", source))


def refuse_camera_options(source: str, options: CameraOptions) -> None:
    """Raises InputError if options of a camera are given for another source."""
    if options != DEFAULT_OPTIONS:
        shown = redact(source)
        raise InputError(f"source {shown}: not a camera; leave --camera-... out")


def is_camera(source: str) -> bool:
    """Whether a source is a camera's number or device, such as /dev/v4l/by-id/NAME.

    /dev/shm holds files in memory, also such as are missing.
    """
    if source.isdecimal():
        return True
    if source.startswith("/dev/") and not source.startswith("/dev/shm/"):
        return not os.path.isfile(source)
    try:
        return stat.S_ISCHR(os.stat(source).st_mode)
    except (OSError, ValueError):
        return False


def why_no_camera(source: str) -> str:
    """Why a camera cannot be opened, and what to do."""
    device = f"/dev/video{source}" if source.isdecimal() else source
    if LINUX and not os.path.exists(device):
        return f"cannot be opened, {device} does not exist; check that it is connected"
    if LINUX and not os.access(device, os.R_OK | os.W_OK):
        return f"cannot be opened without rights for {device}; join its group, video"
    return "cannot be opened; check that it is connected and not in use"


def open_camera(source: str, options: CameraOptions) -> cv2.VideoCapture:
    """Open a camera by number or device file with the requested options."""
    # OpenCV knows /dev/video0, not the links to it in /dev/v4l/by-id.
    device = int(source) if source.isdecimal() else os.path.realpath(source)
    name = f"camera {source}"
    capture = open_capture(name, why_no_camera(source), device)
    if options.format:  # first: size and rate depend on it
        capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter_fourcc(*options.format))
    if options.size:
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, options.size[0])
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, options.size[1])
    if options.fps:
        capture.set(cv2.CAP_PROP_FPS, options.fps)
    actual = actual_settings(capture)
    wanted = [options.size, options.fps, options.format]
    if any(want and want != have for want, have in zip(wanted, actual)):
        size, fps, form = actual
        log.info(f"{name} uses {size[0]}x{size[1]} at {fps} frames per second, {form}")
    return capture


def actual_settings(capture: cv2.VideoCapture) -> tuple[tuple[int, int], int, str]:
    """The size, frame rate and format that a camera uses."""
    height = int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
    width = int(capture.get(cv2.CAP_PROP_FRAME_WIDTH))
    code = int(capture.get(cv2.CAP_PROP_FOURCC)) & 0xFFFFFFFF
    form = code.to_bytes(4, "little").decode("latin-1").strip("\0 ")
    return (height, width), round(capture.get(cv2.CAP_PROP_FPS)), form


def open_file(source: str) -> VideoFile:
    """Open a video file."""
    if not os.path.isfile(source):
        raise InputError(no_such_file(source))
    start = start_of(Path(source))
    capture = open_video(source, f"source {source}")
    return VideoFile(capture, source, counted=start.startswith(b"RIFF"))


def open_stream(url: str, name: str) -> Any:
    """Open a network stream, or a file at an address, with time limits."""
    limits = Limits(OPEN_MILLIS, READ_MILLIS)
    capture = open_video(url, f"source {name}", limits)
    has_end = url.startswith("http") and capture.get(cv2.CAP_PROP_FRAME_COUNT) > 0
    return VideoFile(capture, name) if has_end else capture


def pipeline_of(kind: str, number: Optional[str], options: CameraOptions) -> str:
    """The GStreamer pipeline of a Jetson's CSI camera or a Raspberry Pi's camera.

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
        remedy = "use the system's OpenCV: apt install python3-opencv, and a virtual "
        remedy += "environment created with --system-site-packages"
        if source == "picamera":
            remedy = "apt install python3-picamera2, or for OpenCV " + remedy
        raise NotInstalled(
            f"source {redact(source)}: this OpenCV has no GStreamer support; {remedy}"
        )
    remedy = "GStreamer cannot start the pipeline; test it with gst-launch-1.0"
    return open_capture(f"source {redact(source)}", remedy, pipeline, cv2.CAP_GSTREAMER)


class PiCamera:
    """The Raspberry Pi's camera module with Picamera2, used like cv2.VideoCapture."""

    def __init__(self, options: CameraOptions):
        try:
            from picamera2 import Picamera2
        except (
            ImportError,
            ValueError,
        ) as error:  # ValueError: other NumPy
            raise NotInstalled(
                f"picamera: Picamera2 cannot be imported ({error}); use a virtual "
                "environment created with --system-site-packages and the system's "
                "NumPy version, 1 or 2; see docs/boards.md"
            ) from None
        height, width = options.size or PIPELINE_SIZE
        self.fps = options.fps or PIPELINE_FPS
        try:
            self._camera = Picamera2()
        except (IndexError, RuntimeError) as error:
            raise InputError(f"picamera: cannot be opened ({error})") from None
        self._camera.configure(
            self._camera.create_video_configuration(
                # Picamera2's RGB888 is BGR in memory.
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
