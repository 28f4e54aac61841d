"""Polygons around the pixels of a mask.

A polygon follows the edges of the pixels, as COCO's and CVAT's do, or their centres, as
labelme draws them. No format of polygons has holes: a hole is joined to the outline by
a cut of no width, there and back between two points that are near. Programs that fill
polygons, by either rule of filling, leave the hole empty.
"""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple, Sequence

import cv2
import numpy as np

Ring = np.ndarray  # (n, 2) x, y; closed: the last point is joined to the first


class Hole(NamedTuple):
    """The ring around a hole, and its pixels."""

    ring: Ring
    area: float


class Region(NamedTuple):
    """The outline of a connected region, of 8 neighbours, its holes and its pixels."""

    outline: Ring
    holes: tuple[Hole, ...]
    area: float


def regions_of(mask: np.ndarray, centres: bool = False) -> list[Region]:
    """The regions of a mask (H, W) bool, the largest first; all points of their rings.

    >>> (one,) = regions_of(np.ones((2, 3), bool))
    >>> one.area, one.outline.max(0).tolist()
    (6.0, [3, 2])
    """
    # Where each pixel is four, the contour of a side has even numbers on the left and
    # top, odd ones on the right and bottom: both are edges of pixels, doubled.
    four = mask.astype(np.uint8).repeat(2, 0).repeat(2, 1)
    found, tree = cv2.findContours(four, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    contours = [points.reshape(-1, 2) for points in found]
    edges = [(points + 1) // 2 for points in contours]
    rings = [points // 2 for points in contours] if centres else edges
    parents = [] if tree is None else tree[0][:, 3].tolist()
    holes: dict[int, list[int]] = defaultdict(list)
    for index, parent in enumerate(parents):
        holes[parent].append(index)
    result = []
    for index in holes[-1]:  # those without a parent are outlines
        areas = [ring_area(edges[hole]) for hole in holes[index]]
        inner = tuple(map(Hole, (rings[hole] for hole in holes[index]), areas))
        result.append(Region(rings[index], inner, ring_area(edges[index]) - sum(areas)))
    return sorted(result, key=lambda one: -one.area)


def ring_area(ring: Ring) -> float:
    """The area inside a ring."""
    return abs(signed_area(ring))


def signed_area(ring: Ring) -> float:
    """The area inside a ring; negative if it runs against the clock in the image.

    >>> signed_area(np.array([[0, 0], [2, 0], [2, 1], [0, 1]]))
    2.0
    """
    x, y = np.asarray(ring, np.float64).T
    return float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2


def polygon_of(region: Region, tolerance: float, least_area: float) -> Ring:
    """One polygon (n, 2) of a region, whose holes are joined to it by cuts.

    It is nowhere farther than `tolerance` pixels from the edges of the region. Holes
    smaller than `least_area` are filled.
    """
    holes = [hole.ring for hole in region.holes if hole.area >= least_area]
    outline = simplified(region.outline, tolerance)
    return with_holes(outline, [simplified(hole, tolerance) for hole in holes])


def simplified(ring: Ring, tolerance: float) -> Ring:
    """A ring of fewer points, but at least three: those of a line are repeated."""
    whole = ring.reshape(-1, 1, 2).astype(np.int32)
    points = cv2.approxPolyDP(whole, tolerance, True)
    if len(points) < 3:
        points = cv2.approxPolyDP(whole, 0, True)
    points = points.reshape(-1, 2)
    return np.concatenate([points, points[-1:].repeat(max(0, 3 - len(points)), 0)])


def with_holes(outline: Ring, holes: Sequence[Ring]) -> Ring:
    """One ring of an outline and its holes.

    >>> outer, hole = np.array([[0, 0], [9, 0], [9, 9], [0, 9]]), np.array([[2, 1]])
    >>> with_holes(outer, [hole])[:4].tolist()
    [[0, 0], [2, 1], [2, 1], [0, 0]]
    """
    clockwise = signed_area(outline) >= 0
    return joined(
        outline,
        [
            hole if (signed_area(hole) < 0) == clockwise else hole[::-1]
            for hole in holes
        ],
    )


def of_parts(parts: Sequence[Ring]) -> Ring:
    """One ring of the parts of an object, for formats of one polygon an object."""
    alike = [part if signed_area(part) >= 0 else part[::-1] for part in parts]
    return joined(alike[0], alike[1:])


def joined(first: Ring, others: Sequence[Ring]) -> Ring:
    """One ring of several, each joined by a cut at the points that are nearest."""
    result, rest = first, list(others)
    while rest:
        cuts = [nearest(result, ring) for ring in rest]
        chosen = int(np.argmin([distance for distance, _, _ in cuts]))
        _, here, there = cuts[chosen]
        ring = np.roll(rest.pop(chosen), -there, axis=0)
        around = (result[: here + 1], ring, ring[:1], result[here:])
        result = np.concatenate(around)
    return result


def nearest(one: Ring, other: Ring) -> tuple[float, int, int]:
    """The squared distance of the two nearest points of two rings, and their indices.

    >>> nearest(np.array([[0, 0], [9, 0]]), np.array([[9, 2], [9, 5]]))
    (4.0, 1, 0)
    """
    apart = one[:, None].astype(np.float64) - other[None]
    squares = np.square(apart).sum(2)
    here, there = divmod(int(squares.argmin()), len(other))
    return float(squares.min()), here, there
