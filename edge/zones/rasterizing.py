"""Polygons to pixels: a pixel is in a zone if its centre is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Sequence, Tuple

import numpy as np

from edge.zones.zone import Point


@dataclass(frozen=True)
class ZonePixels:
    """The pixels of a zone: `inside` (h, w) uint8, 1 or 0, at `rows` and `columns`.

    They are the smallest window around the zone; `area` is the number of ones.
    """

    rows: slice
    columns: slice
    inside: np.ndarray
    area: int

    def holds(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """(N,) bool: which of the pixels at columns x and rows y, (N,), are in it."""
        left, top = self.columns.start, self.rows.start
        near = (x >= left) & (x < self.columns.stop) & (y >= top) & (y < self.rows.stop)
        result = np.zeros(len(x), bool)
        result[near] = self.inside[y[near] - top, x[near] - left] > 0
        return result


def zone_pixels(points: Sequence[Point], size: Tuple[int, int]) -> ZonePixels:
    """The pixels of a polygon, in shares of the frame, in a frame (height, width)."""
    inside = rasterized(points, size)
    rows, columns = window_of(inside, axis=1), window_of(inside, axis=0)
    part = np.ascontiguousarray(inside[rows, columns]).astype(np.uint8)
    return ZonePixels(rows, columns, part, int(np.count_nonzero(part)))


def window_of(inside: np.ndarray, axis: int) -> slice:
    """The rows of (H, W) bool with true values, axis 1, or the columns, axis 0."""
    places = np.flatnonzero(inside.any(axis=axis))
    return slice(int(places[0]), int(places[-1]) + 1) if len(places) else slice(0, 0)


def rasterized(points: Sequence[Point], size: Tuple[int, int]) -> np.ndarray:
    """(H, W) bool: the pixels whose centre is inside a polygon, by the even-odd rule.

    A centre on a left or upper edge is inside, on a right or lower one outside, so that
    zones side by side share no pixel.

    >>> rasterized([(0, 0), (0.5, 0), (0.5, 1), (0, 1)], (1, 4)).astype(int).tolist()
    [[1, 1, 0, 0]]
    """
    height, width = size
    across, down = np.arange(width) + 0.5, np.arange(height) + 0.5
    inside = np.zeros(size, bool)
    scaled = [(x * width, y * height) for x, y in points]
    for start, end in zip(scaled, scaled[1:] + scaled[:1]):
        # From above, so that an edge gives the same numbers for both of its zones.
        (x0, y0), (x1, y1) = sorted((start, end), key=lambda point: (point[1], point))
        rows = np.flatnonzero((down >= y0) & (down < y1))
        if len(rows):
            crossed = x0 + (down[rows] - y0) * ((x1 - x0) / (y1 - y0))
            inside[rows] ^= across >= crossed[:, None]
    return inside
