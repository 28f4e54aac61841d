"""A frame and its time, and the source that gives them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterator, NamedTuple

import numpy as np

FPS = 25.0  # of what does not say


HANGS = 2.0  # seconds after which a read is taken to hang


class Frame(NamedTuple):
    """A frame and its time: its place in a file, or when a camera gave it."""

    frame: np.ndarray
    seconds: float


@dataclass
class Source:
    """An open source: iterate `shots`, in one thread.

    `live` ones do not wait: of their frames only the newest counts. `endless` ones
    have no end of their own. `still` ones are pictures, worth a look each.
    """

    shots: Iterator[Frame]
    name: str
    fps: float = FPS
    live: bool = False
    endless: bool = False
    still: bool = False


PATIENCE = 2.0  # seconds without a frame after which viewers are told
