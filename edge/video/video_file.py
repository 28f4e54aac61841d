"""Video files that are damaged or cut off: the frames that can be read, and a line."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import cv2

from edge.core.errors import InputError, cannot_be

log = logging.getLogger(__name__)

MOST_FAILURES = 1000  # reads in a row that may fail before a file is taken to end
FAILING_SECONDS = 5.0  # for which reads in a row may fail
SHARE_LEFT_OUT = 0.02  # of the frames of a file that may be missing unsaid
LEAST_SECONDS = 1.0  # that must be missing where the number of frames is an estimate


class Readable(Protocol):
    """What is used of cv2.VideoCapture."""

    def read(self) -> tuple[bool, Any]: ...

    def get(self, name: int) -> float: ...

    def release(self) -> None: ...


class VideoFile:
    """A video that has an end, read like cv2.VideoCapture.

    A frame that cannot be decoded is left out: OpenCV fails once for it, and the next
    read gives the next frame. At the end one line tells how many frames are missing.
    """

    def __init__(self, capture: Readable, name: str, counted: bool = False):
        """`counted` tells that the number of frames in the file is not an estimate."""
        self._capture, self.name, self.counted = capture, name, counted
        self.count = max(0, round(capture.get(cv2.CAP_PROP_FRAME_COUNT)))
        self.frames = self.damaged = 0
        self._ended = False
        self._seconds = 0.0  # the position of the last frame

    def read(self) -> tuple[bool, Any]:
        """(True, frame), or (False, None) at the end."""
        failures, start = 0, time.monotonic()
        while not self._ended:
            done, frame = self._capture.read()
            if done:
                self.frames += 1
                self.damaged += failures
                self._seconds = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1e3
                return True, frame
            failures += 1
            left = self.count - self.frames - self.damaged
            waited = time.monotonic() - start
            if failures > min(left, MOST_FAILURES) or waited > FAILING_SECONDS:
                self._end()
        return False, None

    def get(self, name: int) -> float:
        """A property of the video, as of cv2.VideoCapture."""
        return self._capture.get(name)

    def release(self) -> None:
        self._capture.release()

    def _end(self) -> None:
        """Tell once what is missing."""
        self._ended = True
        if not self.frames:  # which is an error of its own
            return
        missing = self._missing()
        parts = [f"{self.damaged} cannot be decoded"] if self.damaged else []
        parts += [f"the last {missing} are missing"] if missing else []
        if parts:
            log.warning(
                f"source {self.name}: of {self.count} frames {' and '.join(parts)}; "
                "the file is damaged or cut off"
            )

    def _missing(self) -> int:
        """How many frames are missing at the end.

        AVI files have their number. In others it may be an estimate from the time that
        the file gives, with sound that lasts longer than the pictures, or an edit list
        may leave frames out: there seconds must be missing.
        """
        missing = self.count - self.frames - self.damaged
        if missing <= max(2, SHARE_LEFT_OUT * self.count):
            return 0
        fps = self.get(cv2.CAP_PROP_FPS)
        if self.counted or fps <= 0 or not self._seconds:
            return missing
        return missing if self.count / fps - self._seconds > LEAST_SECONDS else 0


def start_of(path: Path) -> bytes:
    """The first bytes of a video file.

    Raises InputError for a file that is empty, that cannot be read, or that lost its
    end in a format that cannot be played without it.
    """
    try:
        with path.open("rb") as file:
            start = file.read(12)
            cut_off = start[4:8] == b"ftyp" and not has_index(file)
    except OSError as error:
        raise cannot_be("read", f"source {path}", error) from None
    if not start:
        raise InputError(f"source {path}: the file is empty; copy it again")
    if cut_off:
        raise InputError(
            f"source {path}: the file is cut off, and the list of its frames with it; "
            "copy it again"
        )
    return start


def has_index(file: BinaryIO) -> bool:
    """Whether an MP4 or MOV file has the list of its frames, the box "moov"."""
    at, end = 0, file.seek(0, 2)
    while at + 8 <= end:
        file.seek(at)
        header = file.read(16)
        size, kind = int.from_bytes(header[:4], "big"), header[4:8]
        if kind == b"moov":
            return True
        if size == 1:  # the size follows, of 64 bits
            size = int.from_bytes(header[8:16], "big")
        if size < 8:  # 0: up to the end of the file
            return False
        at += size
    return False
