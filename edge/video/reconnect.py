"""Video capture that reopens live sources after a failure."""

from __future__ import annotations

import logging
import threading
import time
from queue import Empty, SimpleQueue
from typing import Any, Callable, Iterator, Optional

import cv2
import numpy as np

from edge.core.errors import InputError
from edge.core.native_calls import native_call
from edge.core.redaction import redact
from edge.core.timing import pauses
from edge.video.capture import Capture
from edge.video.frames import FPS, HANG_SECONDS, Frame

log = logging.getLogger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 10.0  # seconds before reopening
OPEN_SECONDS = 20.0  # limit of opening; that of streams is shorter


def call_in_thread(work: Callable[[], Any], name: str) -> Any:
    """Run work() in its own thread, because OpenCV does not react to Ctrl-C.

    Raises InputError if it hangs, as GStreamer does with an incomplete pipeline.
    """
    done: SimpleQueue = SimpleQueue()

    def call() -> None:
        try:
            with native_call():
                result = work()
            done.put((result, None))
        except BaseException as error:
            done.put((None, error))

    threading.Thread(target=call, daemon=True).start()
    try:
        result, error = done.get(timeout=OPEN_SECONDS)
    except Empty:
        raise InputError(
            f"source {name}: does not open within {OPEN_SECONDS:.0f} s"
        ) from None
    if error is not None:
        raise error
    return result


def open_or_explain(kind: Capture) -> Any:
    """Open a capture; if a server refuses, the InputError has its answer."""
    try:
        return kind.open()
    except InputError as error:
        if not kind.address:
            raise
        # Here, because it imports HTTP and TLS, which takes long on a board.
        from edge.video.server_answer import server_answer

        answer = server_answer(kind.address)
        if not answer:
            raise
        raise InputError(f"source {kind.name}: {answer}") from error


class Video:
    """An open capture; a live source that fails is reopened until it is closed.

    Without `at_once` a live source is opened when its frames are asked for, as often as
    that fails. `given` is its name among several sources: their addresses without
    secrets may be the same.
    """

    def __init__(
        self, source: str, kind: Capture, at_once: bool = True, given: str = ""
    ):
        self.source, self.kind = source, kind
        self._shown = f"{given}: source {kind.name}" if given else f"source {kind.name}"
        self._capture: Any = None
        self._closing = threading.Event()
        self._reading = threading.Lock()  # do not release during a read
        self.fps, self.live = FPS, kind.live
        if at_once:
            self._capture = call_in_thread(lambda: open_or_explain(kind), kind.name)
            self._look_at_capture()

    def _look_at_capture(self) -> None:
        """Find out what is known of the source once it is open."""
        kind, fps = self.kind, self._capture.get(cv2.CAP_PROP_FPS)
        self.fps = fps if 1 <= fps <= 240 else FPS
        # A file at a URL has a frame count, a stream has none.
        is_url = kind.address is not None and kind.address.scheme.startswith("http")
        counted = is_url and self._capture.get(cv2.CAP_PROP_FRAME_COUNT) > 0
        self.live = kind.live and not counted

    def close(self) -> None:
        """Release the device; a read that hangs ends with the process."""
        self._closing.set()
        if self._reading.acquire(timeout=HANG_SECONDS):
            self._release()
            self._reading.release()

    def _release(self) -> None:
        if self._capture is not None:
            self._capture.release()

    def frames(self) -> Iterator[Frame]:
        return self._live_frames() if self.live else self._file_frames()

    def _read(self) -> Optional[np.ndarray]:
        """The next frame; None if there is none."""
        with self._reading:
            away = self._closing.is_set() or self._capture is None
            with native_call():
                ok, frame = (False, None) if away else self._capture.read()
        if not ok:
            return None
        return frame if frame.ndim == 3 else cv2.cvtColor(frame, cv2.COLOR_GRAY2BGR)

    def _file_frames(self) -> Iterator[Frame]:
        seconds = -1 / self.fps
        while (frame := self._read()) is not None:
            position = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1e3
            # Formats without timestamps give 0.
            seconds = position if position > seconds else seconds + 1 / self.fps
            yield Frame(frame, seconds)
        if seconds < 0 and not self._closing.is_set():
            shown = redact(self.source)
            raise InputError(f"source {shown}: no frame of it can be decoded")

    def _live_frames(self) -> Iterator[Frame]:
        while not self._closing.is_set():
            frame = self._read()
            if frame is None:
                frame = self._reconnect()
            if frame is not None:
                yield Frame(frame, time.monotonic())

    def _reconnect(self) -> Optional[np.ndarray]:
        """Reopen a failed source until it gives a frame; None if closed."""
        if self._closing.is_set():
            return None
        failed = time.monotonic()
        if self._capture is not None:
            log.warning(f"{self._shown}: no more frames; reopening it")
        for pause in pauses(FIRST_PAUSE, LONGEST_PAUSE):
            with self._reading:
                self._release()
            if self._closing.wait(pause):
                return None
            try:
                self._reopen()
            except InputError:
                continue
            frame = self._read()
            if frame is not None:
                away = time.monotonic() - failed
                log.info(f"{self._shown}: reopened after {away:.1f} s")
                return frame
        return None

    def _reopen(self) -> None:
        with native_call():
            capture = self.kind.open()
        with self._reading:
            self._capture = capture
            if self._closing.is_set():
                capture.release()
