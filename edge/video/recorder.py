"""Recording frames to a video file with their timing.

OpenCV writes files of a constant frame rate. Frames are repeated until the time of the
next one, so that a slow or irregular source plays at its original speed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Optional

import cv2
import numpy as np

from edge.core.errors import InputError
from edge.core.system import replace_file

CODECS = {".mp4": "mp4v", ".avi": "MJPG", ".mkv": "mp4v"}
LONGEST_GAP = 10.0  # seconds that a frame is repeated; longer gaps are shortened


class Recorder:
    """Writes frames to a video file, which gets its name when it is closed."""

    def __init__(self, path: Path, fps: float):
        if path.suffix.lower() not in CODECS:
            raise InputError(f"--record {path}: use one of {', '.join(CODECS)}")
        self.path, self.fps = path, fps
        self.part = path.with_name(f".{path.stem}.part{path.suffix}")
        self.written = 0
        self._writer: Optional[cv2.VideoWriter] = None

    def write(self, frame: np.ndarray, seconds: float) -> None:
        """Write a frame; the first one sets the size, later ones are resized to it.

        Frames that are late by more than one position, because the source is faster
        than its frame rate, are dropped.
        """
        if self._writer is None:
            self._open(frame.shape[1::-1])
            self._start, self._last = seconds, frame
        if frame.shape[1::-1] != self.size_wh:
            frame = cv2.resize(frame, self.size_wh)
        position = round((seconds - self._start) * self.fps)
        gap = position - (self.written - 1) - round(LONGEST_GAP * self.fps)
        if gap > 0:
            self._start += gap / self.fps
            position -= gap
        if position < self.written - 1:
            return
        while self.written < position:
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
        """Finish the file and rename it."""
        if self._writer is None:
            return
        self._writer.release()
        self._writer = None
        replace_file(self.part, self.path)
