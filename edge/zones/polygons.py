"""Checks of the points of a polygon."""

from __future__ import annotations

from typing import Iterator, Optional, Sequence, Tuple

import numpy as np

from edge.zones.zone import Point


def cross(origin: Point, a: Point, b: Point) -> float:
    """Twice the area of a triangle, negative if its points run the other way round."""
    return (a[0] - origin[0]) * (b[1] - origin[1]) - (a[1] - origin[1]) * (
        b[0] - origin[0]
    )


def between(point: Point, start: Point, end: Point) -> bool:
    """Whether a point on the line through start and end is between them."""
    return all(
        min(a, b) <= value <= max(a, b) for value, a, b in zip(point, start, end)
    )


def meet(a: Point, b: Point, c: Point, d: Point) -> bool:
    """Whether the edges a-b and c-d have a point in common.

    >>> meet((0, 0), (1, 1), (0, 1), (1, 0)), meet((0, 0), (1, 0), (0, 1), (1, 1))
    (True, False)
    """
    sides = cross(a, b, c), cross(a, b, d), cross(c, d, a), cross(c, d, b)
    if sides[0] * sides[1] < 0 and sides[2] * sides[3] < 0:
        return True
    ends = ((c, a, b), (d, a, b), (a, c, d), (b, c, d))
    return any(not side and between(*end) for side, end in zip(sides, ends))


def folds(a: Point, b: Point, c: Point) -> bool:
    """Whether the edge b-c runs back on the edge a-b."""
    ahead = (a[0] - b[0]) * (c[0] - b[0]) + (a[1] - b[1]) * (c[1] - b[1])
    return not cross(a, b, c) and ahead > 0


def crossing_edges(points: Sequence[Point]) -> Optional[Tuple[int, int]]:
    """The first pair of edges that cross or touch, by number from 1.

    Edge n runs from point n to the next one. Edges that follow each other meet in a
    point, but may not run back on each other.

    >>> crossing_edges([(0, 0), (1, 1), (1, 0), (0, 1)])
    (1, 3)
    >>> crossing_edges([(0, 0), (1, 0), (0, 1)]) is None
    True
    """
    edges = list(zip(points, [*points[1:], points[0]]))
    for m, n in close_pairs(points):
        (a, b), (c, d) = edges[m - 1], edges[n - 1]
        if n == m + 1:
            wrong = folds(a, b, d)
        elif (m, n) == (1, len(edges)):
            wrong = folds(c, d, b)
        else:
            wrong = meet(a, b, c, d)
        if wrong:
            return m, n
    return None


def close_pairs(points: Sequence[Point]) -> Iterator[Tuple[int, int]]:
    """Pairs of edges m < n, by number from 1, whose boxes have a point in common.

    Only these can meet: of a thousand points they are few.
    """
    starts = np.array(points, np.float64)
    ends = np.roll(starts, -1, axis=0)
    low, high = np.minimum(starts, ends), np.maximum(starts, ends)
    for m in range(len(points)):
        others = slice(m + 1, None)
        near = (low[others] <= high[m]).all(1) & (high[others] >= low[m]).all(1)
        for offset in np.flatnonzero(near):
            yield m + 1, m + 2 + int(offset)
