"""The last seconds of the view, as JPEG in memory."""

from __future__ import annotations

from collections import deque
from typing import Deque, List, NamedTuple

import cv2
import numpy as np

from edge.core.jpeg import encode_jpeg

QUALITY = 90
MOST_BYTES = 64 * 2**20  # of the images in a ring


class Picture(NamedTuple):
    """A view as JPEG, and the time of its frame in seconds."""

    seconds: float
    jpeg: bytes


def encoded(view: np.ndarray, seconds: float) -> Picture:
    """Encode a view (H, W, 3) uint8 BGR."""
    return Picture(seconds, encode_jpeg(view, QUALITY, longest=float("inf")))


def decoded(picture: Picture) -> np.ndarray:
    """The view (H, W, 3) uint8 BGR of a picture."""
    data = np.frombuffer(picture.jpeg, np.uint8)
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))


class Ring:
    """Keeps the pictures of the last `seconds`, but never more than `most_bytes`."""

    def __init__(self, seconds: float, most_bytes: int = MOST_BYTES):
        self.seconds, self.most_bytes, self.bytes = seconds, most_bytes, 0
        self._pictures: Deque[Picture] = deque()

    def __len__(self) -> int:
        return len(self._pictures)

    def add(self, picture: Picture) -> None:
        """Add the newest picture, and drop those that are too old or too much."""
        if self._pictures and picture.seconds < self._pictures[-1].seconds:
            self._pictures.clear()  # the source has started again
            self.bytes = 0
        self._pictures.append(picture)
        self.bytes += len(picture.jpeg)
        oldest = picture.seconds - self.seconds
        while len(self._pictures) > 1 and (
            self._pictures[0].seconds < oldest or self.bytes > self.most_bytes
        ):
            self.bytes -= len(self._pictures.popleft().jpeg)

    def since(self, seconds: float) -> List[Picture]:
        """The pictures from a time on, oldest first."""
        return [picture for picture in self._pictures if picture.seconds >= seconds]
