"""Sources of frames and the recorder: context managers around iterators.

A frame is (H, W, 3) uint8 in OpenCV's order, BGR.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, Optional

import cv2
import numpy as np

from edge.command import BadInput
from edge.images import is_image, list_images, read_image
from edge.shapes import scene

SHAPES_SIZE = (480, 640)
SHAPES_SEED = 31


@dataclass
class Source:
    """An open source: iterate `frames`. `live` ones have no end of their own."""

    frames: Iterator[np.ndarray]
    name: str
    fps: float = 25.0
    live: bool = False
    still: bool = False  # pictures: worth a look each


def shapes_frames() -> Iterator[np.ndarray]:
    """The procedural world moving, a new scene every ten seconds."""
    time = 0
    while True:
        image, _ = scene(SHAPES_SEED, time // 250, SHAPES_SIZE, time % 250)
        yield cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
        time += 1


def picture_frames(paths: list[Path]) -> Iterator[np.ndarray]:
    for path in paths:
        yield cv2.cvtColor(read_image(path), cv2.COLOR_RGB2BGR)


def video_frames(capture: cv2.VideoCapture, source: str, live: bool):
    """Frames until the end. A live source that stops giving is an error."""
    count = 0
    while True:
        ok, frame = capture.read()
        if not ok:
            break
        count += 1
        yield frame if frame.ndim == 3 else cv2.cvtColor(frame, cv2.COLOR_GRAY2BGR)
    if live or not count:
        raise BadInput(f"source {source}: gave {count} frames and then no more")


def open_capture(source: str) -> cv2.VideoCapture:
    """A camera by number or a video file. Raises BadInput where neither opens."""
    camera = source.isdecimal()
    if not camera and not Path(source).is_file():
        raise BadInput(
            f"source {source}: no such file or folder; a camera is a number, such as 0"
        )
    try:
        capture = cv2.VideoCapture(int(source) if camera else source)
        if capture.isOpened():
            return capture
        capture.release()
    except cv2.error:  # a number beyond all cameras
        pass
    if camera:
        raise BadInput(f"camera {source}: cannot be opened; is it plugged in and free?")
    raise BadInput(f"source {source}: is no video that OpenCV can read")


@contextmanager
def open_source(source: str) -> Iterator[Source]:
    """A camera number, video file, picture, folder of pictures or "shapes"."""
    path = Path(source)
    if source == "shapes":
        yield Source(shapes_frames(), "shapes", live=True)
    elif path.is_dir() or (path.is_file() and is_image(path)):
        paths = list_images(path) if path.is_dir() else [path]
        if not paths:
            raise BadInput(f"source {source}: the folder has no pictures")
        yield Source(picture_frames(paths), path.name, fps=1.0, still=True)
    else:
        capture = open_capture(source)
        try:
            fps = capture.get(cv2.CAP_PROP_FPS)
            live = source.isdecimal()
            name = f"camera {source}" if live else path.name
            frames = video_frames(capture, source, live)
            yield Source(frames, name, fps=fps if 1 <= fps <= 240 else 25.0, live=live)
        finally:
            capture.release()


CODECS = {".mp4": "mp4v", ".avi": "MJPG", ".mkv": "mp4v"}


class Recorder:
    """Writes frames to a video file, whole or not at all: it is renamed at the end."""

    def __init__(self, path: Path, fps: float):
        if path.suffix.lower() not in CODECS:
            raise BadInput(f"--record {path}: use one of {', '.join(CODECS)}")
        self.path, self.fps = path, fps
        self.part = path.with_name(f".{path.stem}.part{path.suffix}")
        self._writer: Optional[cv2.VideoWriter] = None

    def write(self, frame: np.ndarray) -> None:
        """The first frame decides the size; later ones are fitted to it."""
        if self._writer is None:
            self.size_wh = frame.shape[1::-1]
            code = cv2.VideoWriter_fourcc(*CODECS[self.path.suffix.lower()])
            self._writer = cv2.VideoWriter(str(self.part), code, self.fps, self.size_wh)
            if not self._writer.isOpened():
                self._writer = None
                raise BadInput(f"--record {self.path}: OpenCV cannot write this video")
        if frame.shape[1::-1] != self.size_wh:
            frame = cv2.resize(frame, self.size_wh)
        self._writer.write(frame)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.release()
            self.part.replace(self.path)


@contextmanager
def recorder(path: Optional[Path], fps: float) -> Iterator[Optional[Recorder]]:
    """A Recorder that is closed however the block ends; None where `path` is None."""
    if path is None:
        yield None
        return
    writer = Recorder(path, fps)
    try:
        yield writer
    finally:
        writer.close()
