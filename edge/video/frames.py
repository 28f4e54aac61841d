"""Frames and their sources."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterator, NamedTuple

import numpy as np

FPS = 25.0  # of sources without a known frame rate
HANG_SECONDS = 2.0  # after which a read is assumed to hang
STALL_SECONDS = 2.0  # without a frame, after which viewers are notified


class Limits(NamedTuple):
    """The longest times to open a stream and to read a frame of it, in milliseconds."""

    open_millis: int
    read_millis: int


class Frame(NamedTuple):
    """An image (H, W, 3) uint8 BGR and its time in seconds.

    `seconds` is the position in a file, or the capture time of a live source.
    """

    image: np.ndarray
    seconds: float


@dataclass
class Source:
    """An open source: iterate over `frames`, in one thread.

    A `live` source does not wait: only its newest frame is used. An `endless` source
    does not end by itself. A `still` source consists of single images, not of video.
    `name` is its address or file, without secrets; `given` the name that a user has
    given it, or "".
    """

    frames: Iterator[Frame]
    name: str
    fps: float = FPS
    live: bool = False
    endless: bool = False
    still: bool = False
    given: str = ""

    @property
    def label(self) -> str:
        """What the source is called."""
        return self.given or self.name
