"""A zone: a named part of the frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Tuple

FRAME = "frame"  # the name of the whole frame, which is always a zone

Point = Tuple[float, float]


@dataclass(frozen=True)
class Zone:
    """A polygon: at least three points x, y in shares of the frame, in [0, 1].

    x runs to the right and y down. The last point is joined with the first.
    """

    name: str
    points: Tuple[Point, ...]


WHOLE = Zone(FRAME, ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)))
