"""A video file of what was seen, with the times at which it was seen.

OpenCV writes files of a constant rate. A frame is put where its time says: the one
before it is repeated until then, so that a slow or uneven source plays as it happened.
"""

from __future__ import annotations

from pathlib import Path
from typing import Optional

import cv2
import numpy as np

from edge.core.errors import InputError

CODECS = {".mp4": "mp4v", ".avi": "MJPG", ".mkv": "mp4v"}
LONGEST_GAP = 10.0  # seconds that a picture is repeated for; what is longer is cut


class Recorder:
    """Writes frames to a video file, whole or not at all: it is renamed at the end."""

    def __init__(self, path: Path, fps: float):
        if path.suffix.lower() not in CODECS:
            raise InputError(f"--record {path}: use one of {', '.join(CODECS)}")
        self.path, self.fps = path, fps
        self.part = path.with_name(f".{path.stem}.part{path.suffix}")
        self.written = 0
        self._writer: Optional[cv2.VideoWriter] = None

    def write(self, frame: np.ndarray, seconds: float) -> None:
        """The first frame decides the size; later ones are fitted to it.

        One that comes in the place of the last goes behind it; one that is later still,
        so that the source is faster than it said, is left out.
        """
        if self._writer is None:
            self._open(frame.shape[1::-1])
            self._start, self._last = seconds, frame
        if frame.shape[1::-1] != self.size_wh:
            frame = cv2.resize(frame, self.size_wh)
        place = round((seconds - self._start) * self.fps)
        late = place - (self.written - 1) - round(LONGEST_GAP * self.fps)
        if late > 0:
            self._start += late / self.fps
            place -= late
        if place < self.written - 1:
            return
        while self.written < place:
            self._put(self._last)
        self._put(frame)
        self._last = frame

    def _open(self, size_wh: tuple[int, int]) -> None:
        code = cv2.VideoWriter_fourcc(*CODECS[self.path.suffix.lower()])
        writer = cv2.VideoWriter(str(self.part), code, self.fps, size_wh)
        if not writer.isOpened():
            raise InputError(f"--record {self.path}: OpenCV cannot write this video")
        self._writer, self.size_wh = writer, size_wh

    def _put(self, frame: np.ndarray) -> None:
        self._writer.write(frame)
        self.written += 1

    def close(self) -> None:
        """Finishes the file and gives it its name."""
        if self._writer is None:
            return
        self._writer.release()
        self._writer = None
        self.part.replace(self.path)
