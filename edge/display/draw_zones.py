"""Drawing the outlines and names of zones."""

from __future__ import annotations

from itertools import chain
from typing import Iterator, List, Sequence, Tuple

import cv2
import numpy as np

from edge.display.panels import darken, text_scale
from edge.display.text import text_size, write
from edge.zones.zone import Zone

Box = Tuple[int, int, int, int]  # x0, y0, x1, y1; right and bottom edges exclusive
MARGIN = 3  # pixels around a name


def put_outlines(image: np.ndarray, zones: Sequence[Zone]) -> None:
    """Draw the outlines of zones into `image` (H, W, 3): white lines on black."""
    for zone in zones:
        corners = corners_of(zone, image)
        cv2.polylines(image, [corners], True, (0, 0, 0), 3)
        cv2.polylines(image, [corners], True, (255, 255, 255), 1)


def corners_of(zone: Zone, image: np.ndarray) -> np.ndarray:
    """(N, 2) int32: the pixels x, y of the points of a zone."""
    height, width = image.shape[:2]
    points = np.rint(np.array(zone.points) * (width, height))
    return np.clip(points, 0, (width - 1, height - 1)).astype(np.int32)


def put_names(
    image: np.ndarray, zones: Sequence[Zone], taken: Sequence[Box] = ()
) -> List[Box]:
    """Draw the names of zones into `image`, and return where they are.

    A name is below the highest corner of its zone where it covers no box of `taken` and
    no other name, else elsewhere in the zone's bounding box, else beside what is there;
    at the highest corner if nothing is free.
    """
    placed: List[Box] = []
    scale = text_scale(image)
    for zone in zones:
        (wide, high), low = text_size(zone.name, scale)
        size = wide + 2 * MARGIN, high + low + 2 * MARGIN
        corners = sorted(corners_of(zone, image).tolist(), key=lambda xy: xy[::-1])
        middle = sum(x for x, _ in corners) / len(corners)
        boxes = [box_at(x - size[0] * (x > middle), y, size, image) for x, y in corners]
        there = (*taken, *placed)
        places = chain(boxes, inner_boxes(corners, size, image))
        places = chain(places, boxes_beside(there, corners[0], size, image))
        free = (box for box in places if not any(meet(box, b) for b in there))
        x0, y0, x1, y1 = box = next(free, boxes[0])
        darken(image[y0:y1, x0:x1])
        write(image, zone.name, (x0 + MARGIN, y0 + MARGIN + high), scale)
        placed.append(box)
    return placed


def inner_boxes(
    corners: Sequence[Sequence[int]], size: Tuple[int, int], image: np.ndarray
) -> Iterator[Box]:
    """Boxes of a size within the bounding box of a zone, from the top down."""
    (left, top), (right, bottom) = np.min(corners, axis=0), np.max(corners, axis=0)
    for y in range(int(top), int(bottom) - size[1] + 1, size[1]):
        for x in range(int(left), int(right) - size[0] + 1, max(1, size[0] // 2)):
            yield box_at(x, y, size, image)


def boxes_beside(
    there: Sequence[Box],
    corner: Sequence[int],
    size: Tuple[int, int],
    image: np.ndarray,
) -> Iterator[Box]:
    """Boxes of a size to the right of others, at the height of a corner, and below."""
    for _, _, right, bottom in there:
        yield box_at(right, corner[1], size, image)
        yield box_at(corner[0], bottom, size, image)


def box_at(x: int, y: int, size: Tuple[int, int], image: np.ndarray) -> Box:
    """A box of a size (width, height) below a point, inside of the image."""
    left = max(0, min(x, image.shape[1] - size[0]))
    top = max(0, min(y, image.shape[0] - size[1]))
    return left, top, left + size[0], top + size[1]


def meet(a: Box, b: Box) -> bool:
    """Whether two boxes have a pixel in common.

    >>> meet((0, 0, 5, 5), (4, 4, 9, 9)), meet((0, 0, 5, 5), (5, 0, 9, 5))
    (True, False)
    """
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
