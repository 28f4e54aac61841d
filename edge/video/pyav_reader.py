"""Video files and network streams read by PyAV, used like cv2.VideoCapture.

PyAV gives FFmpeg's functions to Python. The pixels are those that OpenCV reads; tests
compare them.
"""

from __future__ import annotations

import os
import struct
from collections import deque
from typing import Any, Optional, Tuple

import av
import cv2
import numpy as np
from av.video.reformatter import VideoReformatter

from edge.core.system import usable_cores
from edge.video.frames import Limits
from edge.video.hardware import hardware_context

LARGE = 1280 * 720  # pixels; larger frames of files are decoded in several threads
FULL_RANGE = 2  # of bytes: 0 to 255; FFmpeg's AVCOL_RANGE_JPEG
# Options of FFmpeg that people have set for OpenCV: "rtsp_transport;udp|..."
OPENCV_OPTIONS = "OPENCV_FFMPEG_CAPTURE_OPTIONS"
Matrix = Tuple[int, int, int, int]
RTSP_OPTIONS = {
    "rtsp_flags": "prefer_tcp"
}  # UDP loses packets; some servers have no TCP


class PyAVReader:
    """A video file, or a network stream if `limits` are given.

    `hardware` uses a hardware decoder if there is one. Raises av.FFmpegError or
    ValueError if the video cannot be opened. Their texts may have the password of an
    address: they are not to be shown.
    """

    def __init__(
        self, address: str, limits: Optional[Limits] = None, hardware: bool = False
    ):
        self._container = av.open(
            address,
            options=options_of(address),
            timeout=tuple(millis / 1e3 for millis in limits) if limits else None,
            metadata_errors="replace",
        )
        try:
            self._stream = self._container.streams.best("video")
            if self._stream is None or self._stream.codec_context is None:
                raise ValueError("no video that can be decoded")
            self._open_decoder(bool(limits), hardware)
        except BaseException:
            self._container.close()
            raise
        self._packets = self._container.demux(self._stream)
        self._decoded: deque[Any] = deque()
        self._reformatter = VideoReformatter()
        self._first_seconds = seconds_of(self._stream.start_time, self._stream) or 0.0
        self._seconds = 0.0
        self._matrix: Optional[Matrix] = None

    def _open_decoder(self, is_stream: bool, hardware: bool) -> None:
        context = hardware_context(self._stream) if hardware else None
        self.decoder = context.name if context else self._stream.codec_context.name
        self._context = context or self._stream.codec_context
        if context is None:
            # Threads for several frames delay a stream by a frame each, and cost the
            # network time; a file of large frames needs them to keep up with it.
            size = self._context.width * self._context.height
            several = size > LARGE and not is_stream
            self._context.thread_type = "FRAME" if several else "SLICE"
            self._context.thread_count = usable_cores() if several else 1

    def read(self) -> tuple[bool, Optional[np.ndarray]]:
        """(True, frame (H, W, 3) uint8 BGR), upright.

        (False, None) at the end, and once for each frame that cannot be decoded.
        """
        try:
            while not self._decoded:
                packet = self._next_packet()
                if packet is None:
                    return False, None
                self._decoded.extend(self._context.decode(packet))
            return True, self._image(self._decoded.popleft())
        except (av.FFmpegError, ValueError):
            return False, None

    def _next_packet(self) -> Any:
        """The next encoded frame; an empty one after the last; then None."""
        try:
            return next(self._packets, None)
        except av.FFmpegError:
            # An error ends the generator, but after it there may be more to read.
            self._packets = self._container.demux(self._stream)
            raise

    def _image(self, frame: Any) -> np.ndarray:
        moment = frame.pts if frame.pts is not None else frame.dts
        seconds = seconds_of(moment, self._stream)
        # Without a time 0, as from OpenCV: who reads the frames continues the count.
        self._seconds = 0.0 if seconds is None else seconds - self._first_seconds
        converted = self._reformatter.reformat(
            frame,
            format="bgr24",
            src_color_range=frame.color_range,
            dst_color_range=FULL_RANGE,
            interpolation="BICUBIC",  # of colours at half size, as in OpenCV
            threads=1,  # more would compete with the network
        )
        # The copy costs less than what FFmpeg pays for memory that is held longer.
        return upright(converted.to_ndarray(), self._matrix_of(frame)).copy()

    def _matrix_of(self, frame: Any) -> Matrix:
        """The display matrix of a frame: that of the video, unless it says another.

        PyAV's side data refers to its frame and the frame to it: reading it for each
        frame would keep memory until Python looks for such circles.
        """
        if self._matrix is None or frame.rotation != self._rotation:
            self._rotation, self._matrix = frame.rotation, display_matrix(frame)
        return self._matrix

    def get(self, name: int) -> float:
        """A property that is known by the number of OpenCV; 0.0 for all others."""
        if name == cv2.CAP_PROP_POS_MSEC:
            return 1e3 * self._seconds
        if name == cv2.CAP_PROP_FPS:
            return float(self._stream.average_rate or self._stream.guessed_rate or 0)
        if name == cv2.CAP_PROP_FRAME_COUNT:
            return float(self._frame_count())
        return 0.0

    def _frame_count(self) -> int:
        """The number of frames; an estimate from the duration where a file has none."""
        if self._stream.frames:
            return self._stream.frames
        seconds = seconds_of(self._stream.duration, self._stream)
        if seconds is None and self._container.duration is not None:
            seconds = self._container.duration / av.time_base
        return round((seconds or 0.0) * self.get(cv2.CAP_PROP_FPS))

    def release(self) -> None:
        self._container.close()


def options_of(address: str) -> dict[str, str]:
    """FFmpeg's options for an address, with those that people set for OpenCV."""
    options = dict(RTSP_OPTIONS) if address.startswith("rtsp") else {}
    for part in os.environ.get(OPENCV_OPTIONS, "").split("|"):
        name, separator, value = part.partition(";")
        if separator:
            options[name.strip()] = value.strip()
    return options


def seconds_of(moment: Optional[int], stream: Any) -> Optional[float]:
    """A time in units of a stream -> seconds; None stays None."""
    if moment is None or stream.time_base is None:
        return None
    return float(moment * stream.time_base)


def display_matrix(frame: Any) -> Matrix:
    """The part (a, b, c, d) of a frame's display matrix that turns it.

    A point (x, y) of the decoded image is shown at (a x + c y, b x + d y).
    """
    data = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return 1, 0, 0, 1
    values = struct.unpack("=9i", bytes(data)[:36])
    return values[0], values[1], values[3], values[4]


def upright(image: np.ndarray, matrix: Matrix) -> np.ndarray:
    """(H, W, 3) -> a view of the image, as a display matrix shows it.

    >>> wide = np.arange(6).reshape(1, 2, 3)
    >>> upright(wide, (0, 1, -1, 0)).shape  # a quarter turn clockwise
    (2, 1, 3)
    """
    a, b, c, d = matrix
    if abs(b) > abs(a):  # x becomes y
        image, a, d = image.swapaxes(0, 1), c, b
    if a < 0:
        image = image[:, ::-1]
    if d < 0:
        image = image[::-1]
    return image
