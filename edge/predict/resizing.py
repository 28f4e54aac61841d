"""Resizing: images to a network's input, scores and labels back to an image."""

from __future__ import annotations

from typing import Iterator

import cv2
import numpy as np


def resize(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(H, W[, C]) uint8 -> the same at `size`; areas are averaged when it shrinks."""
    if image.shape[:2] == tuple(size):
        return image
    shrinks = size[0] <= image.shape[0] and size[1] <= image.shape[1]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    resized = cv2.resize(image, (size[1], size[0]), interpolation=how)
    return resized if resized.ndim == image.ndim else resized[..., None]


def fit_within(size: tuple[int, int], box: tuple[int, int]) -> tuple[int, int]:
    """The largest size of the same aspect as `size` that goes into `box`.

    >>> fit_within((540, 960), (360, 480))
    (270, 480)
    """
    return scaled(size, min(box[0] / size[0], box[1] / size[1]))


def limit_side(size: tuple[int, int], max_side: int) -> tuple[int, int]:
    """`size`, shrunk where its longer side is over `max_side`.

    >>> limit_side((3000, 4000), 1024), limit_side((360, 480), 1024)
    ((768, 1024), (360, 480))
    """
    if max(size) <= max_side:
        return tuple(size)
    return fit_within(size, (max_side, max_side))


def scaled(size: tuple[int, int], scale: float) -> tuple[int, int]:
    """`size` times `scale`, in whole pixels.

    >>> scaled((360, 481), 0.75)
    (270, 361)
    """
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def valid_cells(count: int, given: int, used: int, size: int) -> tuple[int, int]:
    """How many of `count` cells see picture, and how many pixels of it they span.

    The last may see padding too: it is enlarged as a whole and cut afterwards. Here two
    cells see 8 rows of which 6 are picture, enlarged twice.

    >>> valid_cells(2, given=8, used=6, size=12)
    (2, 16)
    """
    kept = -(-count * used // given)
    return kept, max(size, round(kept * given * size / (count * used)))


def plane_of(scores: np.ndarray, index: int, size: tuple[int, int]) -> np.ndarray:
    """(h, w, C) scores -> those of one class, (H, W), bilinear to `size`."""
    plane = np.ascontiguousarray(scores[..., index])
    if plane.shape == tuple(size):
        return plane
    return cv2.resize(plane, size[::-1], interpolation=cv2.INTER_LINEAR)


def enlarged_planes(scores: np.ndarray, size: tuple[int, int]) -> Iterator[np.ndarray]:
    """(h, w, C) scores -> each class at `size`, bilinear: C times (H, W).

    One class at a time, so that memory stays that of a few pictures.
    """
    for index in range(scores.shape[2]):
        yield plane_of(scores, index, size)


def resize_labels(labels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(h, w) ids of any integer type -> (H, W) uint8, each from the nearest cell."""
    labels = labels.astype(np.uint8, copy=False)
    if labels.shape == tuple(size):
        return labels
    # INTER_NEAREST_EXACT takes the pixel at the centre; INTER_NEAREST its corner.
    labels = np.ascontiguousarray(labels)
    return cv2.resize(labels, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT)


def crop_padding(
    output: np.ndarray,
    given: tuple[int, int],
    used: tuple[int, int],
    size: tuple[int, int],
) -> tuple[np.ndarray, tuple[int, int]]:
    """The cells of an output that see picture, and the size to enlarge them to.

    `given` is the size of the network's input, `used` the part that was picture, `size`
    what the picture is to have; it is cut out of the enlarged cells, top left.
    """
    rows, height = valid_cells(output.shape[0], given[0], used[0], size[0])
    columns, width = valid_cells(output.shape[1], given[1], used[1], size[1])
    return output[:rows, :columns], (height, width)
