"""Recording frames to a video file with their timing, by OpenCV.

OpenCV writes files of a constant frame rate. Frames are repeated until the time of the
next one, so that a slow or irregular source plays at its original speed.

OpenCV does not say when the disk is full, and a file without its end does not play.
The recorder therefore finishes the file while there is still room for it.
"""

from __future__ import annotations

import logging
from itertools import count
from pathlib import Path
from typing import Optional, Tuple

import cv2
import numpy as np

from edge.core.errors import GateFailed, InputError, cannot_be
from edge.core.file_lock import FileLock
from edge.core.files import part_of, real_path, remove_part
from edge.core.system import replace_file, room_for

log = logging.getLogger(__name__)

CODECS = {".mp4": "mp4v", ".avi": "MJPG", ".mkv": "mp4v"}
LONGEST_GAP = 10.0  # seconds that a frame is repeated; longer gaps are shortened
BUFFER = 2**18  # bytes that FFmpeg holds back before it writes them
MAKE_ROOM = "free some space on its disk, or raise ulimit -f"
PER_FRAME = 64  # bytes of the tables at the end of a file, for each of its frames


class Recorder:
    """Writes frames to a video file, which gets its name when it is closed.

    Messages begin with `shown`, by default the option --record and the path.
    """

    def __init__(self, path: Path, fps: float, quiet: bool = False, shown: str = ""):
        self.path, self.fps, self.shown = path, fps, shown or f"--record {path}"
        if path.suffix.lower() not in CODECS:
            raise InputError(f"{self.shown}: use one of {', '.join(CODECS)}")
        self._level = logging.DEBUG if quiet else logging.INFO
        self._target = real_path(path)
        self.part = part_of(self._target)
        self._lock = FileLock(self.part)
        self.written = 0
        self.held = 0  # bytes that are encoded and not yet in the file
        self._writer: Optional[cv2.VideoWriter] = None

    def write(self, frame: np.ndarray, seconds: float) -> None:
        """Write a frame; the first one sets the size, later ones are fitted into it.

        Frames that are late by more than one position, because the source is faster
        than its frame rate, are dropped. Raises GateFailed when there is no room left:
        the file then has the frames before this one.
        """
        if self._writer is None:
            self._begin(frame)
            self._start, self._last = seconds, frame
        if frame.shape[1::-1] != self.size_wh:
            frame = with_bars(frame, self.size_wh)
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

    def claim(self) -> None:
        """Reserve the file for this process, before there is a frame.

        What a run that was stopped has left is kept under another name. Raises
        InputError if another process records to this file, or it cannot be created.
        """
        try:
            self._lock.take()
            while keep_unfinished(self.part, self._target):
                self._lock.release()
                self._lock.take()
        except BlockingIOError:
            raise InputError(
                f"{self.shown}: another process is recording to this file; "
                "give another name, or end that process"
            ) from None
        except OSError as error:
            raise cannot_be("written", self.path, error) from None

    def _begin(self, frame: np.ndarray) -> None:
        """Open the file for a first frame, unless another process has it."""
        try:
            self._check_first(frame)
            self.claim()
            self._open(frame)
        except BaseException:
            self._lock.release()
            raise

    def _check_first(self, frame: np.ndarray) -> None:
        """Take the size of the first frame. Raises InputError if there is no room."""
        self.size_wh = frame.shape[1::-1]
        if not self._has_room(frame):
            raise InputError(f"{self.shown}: there is no room for a video; {MAKE_ROOM}")

    def _open(self, frame: np.ndarray) -> None:
        code = cv2.VideoWriter_fourcc(*CODECS[self.path.suffix.lower()])
        writer = cv2.VideoWriter(str(self.part), code, self.fps, self.size_wh)
        if not writer.isOpened():
            raise InputError(f"{self.shown}: OpenCV cannot write this video")
        self._writer = writer

    def _has_room(self, frame: np.ndarray) -> bool:
        """Whether a further frame, what is held back and the file's end fit."""
        needed = BUFFER + frame.nbytes // 2 + PER_FRAME * (self.written + 1)
        needed += self.held
        return room_for(self.part) > needed

    def _put(self, frame: np.ndarray) -> None:
        self._check_room(frame)
        self._writer.write(frame)
        self.written += 1

    def _check_room(self, frame: np.ndarray) -> None:
        """Finish the file and raise GateFailed if there is no room for a frame."""
        if not self._has_room(frame):
            self.close()
            raise GateFailed(
                f"{self.shown}: there is no room for more than the "
                f"{self.written} frames that the video has; {MAKE_ROOM}"
            )

    def _keep(self) -> None:
        """Rename the file. Raises GateFailed and removes it if it does not play."""
        try:
            if not plays(self.part):
                remove_part(self.part)
                raise GateFailed(
                    f"{self.shown}: the disk is full, and without its end the "
                    f"video does not play: it is removed; {MAKE_ROOM}"
                )
            replace_file(self.part, self._target)
        finally:
            self._lock.release()

    def _say(self, seconds: float) -> None:
        """Tell what was recorded; `seconds` is the time of the last frame in it."""
        text = f"recorded {self.written} frames, {seconds:.1f} s, in {self.path}"
        log.log(self._level, text)

    def close(self) -> None:
        """Finish the file and rename it.

        Raises GateFailed if it does not play, because others have filled the disk.
        """
        if self._writer is None:
            self._lock.release()
            return
        writer, self._writer = self._writer, None
        writer.release()
        self._keep()
        self._say(max(0, self.written - 1) / self.fps)


def keep_unfinished(part: Path, target: Path) -> Optional[Path]:
    """Rename a recording that a power failure has ended, so that it is not replaced.

    Returns its new name; None if there is no such recording that plays.
    """
    if not part.exists() or not part.stat().st_size or not plays(part):
        return None
    names = (f"{target.stem}-{number}{target.suffix}" for number in count(1))
    kept = next(path for path in map(target.with_name, names) if not path.exists())
    replace_file(part, kept)
    log.warning(f"the recording of a run that was stopped is kept as {kept}")
    return kept


def with_bars(frame: np.ndarray, size_wh: Tuple[int, int]) -> np.ndarray:
    """(h, w, 3) uint8 -> (H, W, 3): as large as fits, in the middle, on black."""
    width, height = size_wh
    scale = min(height / frame.shape[0], width / frame.shape[1])
    rows = max(1, round(frame.shape[0] * scale))
    columns = max(1, round(frame.shape[1] * scale))
    top, left = (height - rows) // 2, (width - columns) // 2
    result = np.zeros((height, width, 3), np.uint8)
    part = cv2.resize(frame, (columns, rows), interpolation=cv2.INTER_AREA)
    result[top : top + rows, left : left + columns] = part
    return result


def plays(path: Path) -> bool:
    """Whether a video can be played, at least its first frame."""
    capture = cv2.VideoCapture(str(path))
    try:
        return capture.read()[0]
    finally:
        capture.release()
