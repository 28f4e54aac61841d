"""A video that is opened again where it fails."""

from __future__ import annotations

import logging
import threading
import time
from queue import Empty, SimpleQueue
from typing import Any, Callable, Iterator, Optional

import cv2
import numpy as np

from edge.core.errors import InputError
from edge.video.capture import Capture
from edge.video.frames import FPS, HANGS, Frame

log = logging.getLogger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 10.0  # seconds before a source is opened again
OPENS = 20.0  # seconds; streams have a shorter limit of their own


def apart(work: Callable[[], Any], name: str) -> Any:
    """work() in a thread of its own, for OpenCV hears no Ctrl-C.

    Raises InputError where it hangs, as GStreamer does over a pipeline that lacks
    parts.
    """
    done: SimpleQueue = SimpleQueue()

    def call() -> None:
        try:
            done.put((work(), None))
        except BaseException as error:
            done.put((None, error))

    threading.Thread(target=call, daemon=True).start()
    try:
        result, error = done.get(timeout=OPENS)
    except Empty:
        raise InputError(f"source {name}: does not open within {OPENS:.0f} s") from None
    if error is not None:
        raise error
    return result


def pauses() -> Iterator[float]:
    """How long to wait before each attempt to open a source again, in seconds.

    >>> from itertools import islice
    >>> list(islice(pauses(), 7))
    [0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0]
    """
    pause = FIRST_PAUSE
    while True:
        yield pause
        pause = min(2 * pause, LONGEST_PAUSE)


class Video:
    """An open capture; a live one that goes away is opened again, for ever."""

    def __init__(self, source: str, kind: Capture):
        self.source, self.kind = source, kind
        self._capture = apart(kind.open, kind.name)
        self._closing = threading.Event()
        self._reading = threading.Lock()  # nothing is released under a reader
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps = fps if 1 <= fps <= 240 else FPS
        # A file behind a web address counts its frames, a stream cannot.
        on_the_web = source.startswith("http")
        counted = on_the_web and self._capture.get(cv2.CAP_PROP_FRAME_COUNT) > 0
        self.live = kind.live and not counted

    def close(self) -> None:
        """Lets go of the device, unless a read hangs: that ends with the process."""
        self._closing.set()
        if self._reading.acquire(timeout=HANGS):
            self._capture.release()
            self._reading.release()

    def shots(self) -> Iterator[Frame]:
        return self._live_shots() if self.live else self._file_shots()

    def _read(self) -> Optional[np.ndarray]:
        """The next frame; None where there is none, or no more."""
        with self._reading:
            ok, frame = (
                (False, None) if self._closing.is_set() else self._capture.read()
            )
        if not ok:
            return None
        return frame if frame.ndim == 3 else cv2.cvtColor(frame, cv2.COLOR_GRAY2BGR)

    def _file_shots(self) -> Iterator[Frame]:
        seconds = -1 / self.fps
        while (frame := self._read()) is not None:
            place = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1e3
            # Formats that know no times give 0.
            seconds = place if place > seconds else seconds + 1 / self.fps
            yield Frame(frame, seconds)
        if seconds < 0 and not self._closing.is_set():
            raise InputError(
                f"source {self.source}: holds no frame that can be decoded"
            )

    def _live_shots(self) -> Iterator[Frame]:
        while not self._closing.is_set():
            frame = self._read()
            if frame is None:
                frame = self._returned()
            if frame is not None:
                yield Frame(frame, time.monotonic())

    def _returned(self) -> Optional[np.ndarray]:
        """Opens a source that went away until it gives a frame; None when closed."""
        if self._closing.is_set():
            return None
        gone = time.monotonic()
        log.warning(f"source {self.kind.name}: gives no more frames; opening it again")
        for pause in pauses():
            with self._reading:
                self._capture.release()
            if self._closing.wait(pause):
                return None
            try:
                self._reopen()
            except InputError:
                continue
            frame = self._read()
            if frame is not None:
                away = time.monotonic() - gone
                log.info(f"source {self.kind.name}: is back after {away:.1f} s")
                return frame
        return None

    def _reopen(self) -> None:
        capture = self.kind.open()
        with self._reading:
            self._capture = capture
            if self._closing.is_set():
                capture.release()
