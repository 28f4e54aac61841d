"""A thread that writes images and videos."""

from __future__ import annotations

import threading
from collections import Counter, deque
from contextlib import suppress
from pathlib import Path
from typing import Callable, Deque, Dict, Optional, Tuple

import cv2

from edge.core.errors import GateFailed, InputError, reason_of, remedy_of
from edge.core.files import atomic_write
from edge.core.log import say
from edge.events.ring import Picture, decoded
from edge.video.recorder import Recorder
from edge.video.recording import open_recorder

MOST_BYTES = 64 * 2**20  # of the pictures that wait to be written
WAIT_SECONDS = 10.0  # for which a file as source waits for a slow disk
CLOSE_SECONDS = 30.0  # for what waits at the end of the program

FAILURES = (InputError, GateFailed, OSError, cv2.error)

Work = Callable[[], None]


class FileWriter:
    """Writes snapshots and videos in a thread, in the order in which they are given.

    Pictures that wait take at most MOST_BYTES, those of several videos once. What comes
    on top of that is left out, if it does not fit after WAIT_SECONDS with `waits`; it
    is counted when the video is closed. A disk that fails costs one line of the log,
    until it works again.
    """

    def __init__(self, fps: float, waits: bool):
        self.fps, self.waits = fps, waits
        self._work: Deque[Tuple[Optional[Picture], Work]] = deque()
        self._waiting: Counter = Counter()  # id of a picture -> how often it waits
        self._bytes = 0  # of the pictures in `_waiting`
        self._changed = threading.Condition()
        self._closing = False
        self._left_out: Dict[str, int] = {}
        self._videos: Dict[str, Optional[Recorder]] = {}  # None after a failure
        self._failing = False
        self._thread = threading.Thread(target=self._run, name="events", daemon=True)
        self._thread.start()

    def save(self, path: Path, picture: Picture) -> None:
        """Write a JPEG."""
        if not self._put(lambda: self._save(path, picture), picture):
            say(f"--event-folder: {path} is left out; the disk is slow")

    def open(self, number: str, path: Path) -> None:
        """Begin the video `number`."""
        self._left_out[number] = 0
        self._put(lambda: self._open(number, path))

    def add(self, number: str, picture: Picture) -> None:
        """Add a picture to a video."""
        if not self._put(lambda: self._add(number, picture), picture):
            self._left_out[number] += 1

    def close_video(self, number: str) -> None:
        """Finish a video."""
        left_out = self._left_out.pop(number)
        self._put(lambda: self._close_video(number, left_out))

    def close(self) -> None:
        """Write what waits, for at most CLOSE_SECONDS."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(CLOSE_SECONDS)
        if self._thread.is_alive():
            say("--event-folder: the disk is too slow; the last files are incomplete")

    def _put(self, work: Work, picture: Optional[Picture] = None) -> bool:
        """Add work; False if its picture does not fit."""

        def fits() -> bool:
            needed = self._needed(picture)
            return not needed or self._bytes + needed <= MOST_BYTES

        wait = WAIT_SECONDS if self.waits and self._thread.is_alive() else 0
        with self._changed:
            if not self._changed.wait_for(fits, wait):
                return False
            self._bytes += self._needed(picture)
            self._waiting[id(picture)] += 1
            self._work.append((picture, work))
            self._changed.notify_all()
            return True

    def _needed(self, picture: Optional[Picture]) -> int:
        """The bytes that a picture takes if it waits; 0 if it waits already."""
        if picture is None or self._waiting[id(picture)]:
            return 0
        return len(picture.jpeg)

    # The methods below run in the thread.

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._work or self._closing)
                if not self._work:
                    return
                picture, work = self._work.popleft()
            work()
            with self._changed:
                self._waiting[id(picture)] -= 1
                if not self._waiting[id(picture)]:
                    del self._waiting[id(picture)]
                    self._bytes -= self._needed(picture)
                self._changed.notify_all()

    def _tried(self, path: Path, work: Work) -> bool:
        """Do work that may fail; the first failure is one line of the log."""
        try:
            work()
        except (InputError, GateFailed) as error:
            why = str(error)
        except OSError as error:
            why = f"{path}: cannot be written ({reason_of(error)}); {remedy_of(error)}"
        except cv2.error as error:
            why = f"{path}: cannot be written ({error.err})"
        else:
            self._failing = False
            return True
        if not self._failing:
            say(f"--event-folder: {why}; the camera goes on")
        self._failing = True
        return False

    def _save(self, path: Path, picture: Picture) -> None:
        def write() -> None:
            with atomic_write(path) as part:
                part.write_bytes(picture.jpeg)

        self._tried(path, write)

    def _open(self, number: str, path: Path) -> None:
        self._videos[number] = open_recorder(path, self.fps, True, shown=str(path))

    def _add(self, number: str, picture: Picture) -> None:
        video = self._videos[number]
        if video and not self._tried(
            video.path, lambda: video.write(decoded(picture), picture.seconds)
        ):
            self._videos[number] = None
            with suppress(*FAILURES):  # which was told
                video.close()  # with the frames before this one

    def _close_video(self, number: str, left_out: int) -> None:
        video = self._videos.pop(number)
        if video:
            self._tried(video.path, video.close)
            if left_out:
                say(f"{video.path}: {left_out} frames are missing; the disk is slow")
