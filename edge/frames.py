"""Sources of frames: a context manager around an iterator.

A frame is (H, W, 3) uint8 in OpenCV's order, BGR.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Callable, Iterator, NamedTuple, Optional

import cv2
import numpy as np

from edge.captures import (
    AS_IT_IS,
    CameraOptions,
    Capture,
    capture_of,
    for_cameras_alone,
)
from edge.command import BadInput, say
from edge.images import is_image, list_images, read_image
from edge.shapes import scene

SHAPES_SIZE = (480, 640)
SHAPES_SEED = 31
FPS = 25.0  # of what does not say
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 10.0  # seconds before a source is opened again
OPENS = 20.0  # seconds; streams have a shorter limit of their own
HANGS = 2.0  # seconds after which a read is taken to hang


class Shot(NamedTuple):
    """A frame and its time: its place in a file, or when a camera gave it."""

    frame: np.ndarray
    seconds: float


@dataclass
class Source:
    """An open source: iterate `shots`, in one thread.

    `live` ones do not wait: of their frames only the newest counts. `endless` ones
    have no end of their own. `still` ones are pictures, worth a look each.
    """

    shots: Iterator[Shot]
    name: str
    fps: float = FPS
    live: bool = False
    endless: bool = False
    still: bool = False


def shapes_shots() -> Iterator[Shot]:
    """The procedural world moving, a new scene every ten seconds."""
    time = 0
    while True:
        image, _ = scene(SHAPES_SEED, time // 250, SHAPES_SIZE, time % 250)
        yield Shot(cv2.cvtColor(image, cv2.COLOR_RGB2BGR), time / FPS)
        time += 1


def picture_shots(paths: list[Path]) -> Iterator[Shot]:
    """Pictures, a second apart."""
    for index, path in enumerate(paths):
        yield Shot(cv2.cvtColor(read_image(path), cv2.COLOR_RGB2BGR), float(index))


def apart(work: Callable[[], Any], name: str) -> Any:
    """work() in a thread of its own, for OpenCV hears no Ctrl-C.

    Raises BadInput where it hangs, as GStreamer does over a pipeline that lacks parts.
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
        raise BadInput(f"source {name}: does not open within {OPENS:.0f} s") from None
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

    def shots(self) -> Iterator[Shot]:
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

    def _file_shots(self) -> Iterator[Shot]:
        seconds = -1 / self.fps
        while (frame := self._read()) is not None:
            place = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1e3
            # Formats that know no times give 0.
            seconds = place if place > seconds else seconds + 1 / self.fps
            yield Shot(frame, seconds)
        if seconds < 0 and not self._closing.is_set():
            raise BadInput(f"source {self.source}: holds no frame that can be decoded")

    def _live_shots(self) -> Iterator[Shot]:
        while not self._closing.is_set():
            frame = self._read()
            if frame is None:
                frame = self._returned()
            if frame is not None:
                yield Shot(frame, time.monotonic())

    def _returned(self) -> Optional[np.ndarray]:
        """Opens a source that went away until it gives a frame; None when closed."""
        if self._closing.is_set():
            return None
        gone = time.monotonic()
        say(f"source {self.kind.name}: gives no more frames; opening it again")
        for pause in pauses():
            with self._reading:
                self._capture.release()
            if self._closing.wait(pause):
                return None
            try:
                self._reopen()
            except BadInput:
                continue
            frame = self._read()
            if frame is not None:
                away = time.monotonic() - gone
                say(f"source {self.kind.name}: is back after {away:.1f} s")
                return frame
        return None

    def _reopen(self) -> None:
        capture = self.kind.open()
        with self._reading:
            self._capture = capture
            if self._closing.is_set():
                capture.release()


@contextmanager
def open_source(source: str, options: CameraOptions = AS_IT_IS) -> Iterator[Source]:
    """A camera, video file, stream, pipeline, picture, folder of them or "shapes"."""
    path = Path(source)
    pictures = path.is_dir() or (path.is_file() and is_image(path))
    if source == "shapes" or pictures:
        for_cameras_alone(source, options)
    if source == "shapes":
        yield Source(shapes_shots(), "shapes", endless=True)
    elif pictures:
        paths = list_images(path) if path.is_dir() else [path]
        if not paths:
            raise BadInput(f"source {source}: the folder has no pictures")
        yield Source(picture_shots(paths), path.name, fps=1.0, still=True)
    else:
        video = Video(source, capture_of(source, options))
        try:
            yield Source(
                *(video.shots(), video.kind.name, video.fps),
                live=video.live,
                endless=video.live,
            )
        finally:
            video.close()
