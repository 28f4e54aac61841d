"""The libraries that read video files and network streams: PyAV, or OpenCV.

PyAV is the default where it is installed; KSEG_READER names another one of READERS.
"""

from __future__ import annotations

import logging
import os
from functools import cache
from importlib.util import find_spec
from typing import Any, Callable, Optional

import cv2

from edge.core.errors import InputError, quoted
from edge.video.frames import Limits

log = logging.getLogger(__name__)

VARIABLE = "KSEG_READER"
ONLY_OPENCV = ("rtmpe:", "rtmpte:")  # which PyAV's FFmpeg lacks


def open_video(address: str, name: str, limits: Optional[Limits] = None) -> Any:
    """Open a video file, or with `limits` a network stream.

    Returns an object with `read`, `get` and `release` as cv2.VideoCapture has. `name`
    is that of messages. Raises InputError if the video cannot be opened.
    """
    opens = READERS[reader_name()]
    return (with_opencv if address.startswith(ONLY_OPENCV) else opens)(
        address, name, limits
    )


def reader_name() -> str:
    """The reader to use: that of KSEG_READER, else PyAV, else OpenCV.

    Raises InputError for an unknown name, and for PyAV where it is not installed.
    """
    wanted = os.environ.get(VARIABLE, "")
    if not wanted:
        return "pyav" if pyav_runs() else "opencv"
    if wanted not in READERS:
        raise InputError(
            f"{VARIABLE}={quoted(wanted)}: use one of {', '.join(READERS)}"
        )
    if wanted != "opencv" and not find_spec("av"):
        raise InputError(f"{VARIABLE}={wanted}: needs PyAV; pip install av")
    return wanted


@cache
def pyav_runs() -> bool:
    """Whether PyAV is installed and can be imported; if it cannot, a line says why."""
    if not find_spec("av"):
        return False
    try:
        import av  # noqa: F401
    except ImportError as error:
        log.warning(f"PyAV cannot be imported ({error}); OpenCV takes its place")
        return False
    return True


def open_capture(name: str, remedy: str, *arguments: Any) -> cv2.VideoCapture:
    """Open cv2.VideoCapture(*arguments). Raises InputError with `remedy` on failure."""
    try:
        capture = cv2.VideoCapture(*arguments)
        if capture.isOpened():
            return capture
        capture.release()
    except (cv2.error, OverflowError):  # OverflowError: a camera number out of range
        pass
    raise InputError(f"{name}: {remedy}")


def remedy(library: str, limits: Optional[Limits]) -> str:
    """What to say of a video that does not open."""
    if limits is None:
        return f"not a video that {library} can read"
    return f"no video within {limits.open_millis // 1000} s; is the stream running?"


def with_opencv(address: str, name: str, limits: Optional[Limits]) -> Any:
    if limits is None:
        return open_capture(name, remedy("OpenCV", None), address)
    options = [
        *(cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, limits.open_millis),
        *(cv2.CAP_PROP_READ_TIMEOUT_MSEC, limits.read_millis),
        *(cv2.CAP_PROP_N_THREADS, 1),  # every further thread delays by one frame
    ]
    return open_capture(
        name, remedy("OpenCV", limits), address, cv2.CAP_FFMPEG, options
    )


def with_pyav(
    address: str, name: str, limits: Optional[Limits], hardware: bool = False
) -> Any:
    # Here, because PyAV may be missing.
    import av

    from edge.video.pyav_reader import PyAVReader

    if limits is None:
        address = f"file:{address}"  # a name such as a:b.mp4 is not an address
    try:
        return PyAVReader(address, limits, hardware)
    except (av.FFmpegError, ValueError):  # their texts have the address
        raise InputError(f"{name}: {remedy('PyAV', limits)}") from None


def with_hardware(address: str, name: str, limits: Optional[Limits]) -> Any:
    return with_pyav(address, name, limits, hardware=True)


READERS: dict[str, Callable[[str, str, Optional[Limits]], Any]] = {
    "pyav": with_pyav,
    "opencv": with_opencv,
    "hardware": with_hardware,
}
