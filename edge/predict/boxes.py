"""Arithmetic of boxes: anchors, coding, intersection over union, suppression.

Boxes are x0, y0, x1, y1 in pixels, right and bottom edges exclusive.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Optional, Sequence, Tuple

import numpy as np

from edge.core.constants import MAX_EXPONENT, VARIANCES

ANCHOR_SCALE = 4.0  # side of an anchor, in strides
MULTIPLES = (1, 2, 4, 8, 16, 32, 64, 128)  # networks pad their input to one of these

Size = Tuple[int, int]


def grid_sizes(size: Size, strides: Sequence[int]) -> list[Size]:
    """The (rows, columns) of cells of each level.

    >>> grid_sizes((64, 96), (8, 16, 32))
    [(8, 12), (4, 6), (2, 3)]
    """
    return [(-(-size[0] // s), -(-size[1] // s)) for s in strides]


def cell_count(size: Size, strides: Sequence[int]) -> int:
    """The number of cells of all levels.

    >>> cell_count((320, 320), (8, 16, 32))
    2100
    """
    return sum(rows * columns for rows, columns in grid_sizes(size, strides))


def padded_to(size: Size, multiple: int) -> Size:
    """A size rounded up to a multiple on both sides.

    >>> padded_to((100, 128), 32)
    (128, 128)
    """
    return -(-size[0] // multiple) * multiple, -(-size[1] // multiple) * multiple


def padded_size(
    size: Size, strides: Sequence[int], count: int, multiple: int = 1
) -> Optional[Size]:
    """The size that a network pads an input to, from its number of cells.

    A network may pad its input to a multiple of a power of two before its first layer;
    the result is in whole cells of the finest level. With a `multiple` over 1 only this
    one is tried. None if no multiple gives `count` cells.

    >>> padded_size((100, 100), (8, 16, 32), 16 * 16 + 8 * 8 + 4 * 4)
    (128, 128)
    """
    for each in (multiple,) if multiple > 1 else MULTIPLES:
        padded = padded_to(size, each)
        if cell_count(padded, strides) == count:
            rows, columns = grid_sizes(padded, (min(strides),))[0]
            return rows * min(strides), columns * min(strides)
    return None


def anchor_grid(
    size: Size, strides: Sequence[int], scale: float = ANCHOR_SCALE
) -> Tuple[np.ndarray, np.ndarray]:
    """The anchors of a network: centres (A, 2) float32 y, x, and sides (A,) float32.

    `size` is the (padded) input size. Levels are in the order of `strides`, cells row
    by row; cell (i, j) of stride s has a square anchor of side `scale` * s around
    ((i + 0.5) s, (j + 0.5) s). The arrays are kept for the next call: they cannot be
    written to.

    >>> centers, sides = anchor_grid((8, 16), (8,))
    >>> centers.tolist(), sides.tolist()
    ([[4.0, 4.0], [4.0, 12.0]], [32.0, 32.0])
    """
    return _anchor_grid((size[0], size[1]), tuple(strides), scale)


@lru_cache(maxsize=16)
def _anchor_grid(
    size: Size, strides: Tuple[int, ...], scale: float
) -> Tuple[np.ndarray, np.ndarray]:
    centers, sides = [], []
    for stride, (rows, columns) in zip(strides, grid_sizes(size, strides)):
        y, x = np.mgrid[:rows, :columns].reshape(2, -1)
        centers.append((np.stack([y, x], axis=1) + 0.5) * stride)
        sides.append(np.full(rows * columns, scale * stride))
    result = np.concatenate(centers).astype(np.float32), np.float32(np.hstack(sides))
    for array in result:
        array.flags.writeable = False
    return result


def decode_boxes(
    deltas: np.ndarray,
    centers: np.ndarray,
    sides: np.ndarray,
    variances: Sequence[float] = VARIANCES,
) -> np.ndarray:
    """The boxes (N, 4) float32 of deltas (N, 4) dy, dx, dh, dw to square anchors.

    `centers` (N, 2) y, x and `sides` (N,) are those of the anchors, in input pixels.

    >>> anchor = np.float32([[20, 30]]), np.float32([32])
    >>> decode_boxes(np.float32([[0, 5, 0, 0]]), *anchor).tolist()
    [[30.0, 4.0, 62.0, 36.0]]
    """
    deltas = deltas * np.float32(variances)
    sides = sides[:, None]
    middle = centers + deltas[:, :2] * sides  # y, x
    half = np.exp(np.clip(deltas[:, 2:], -MAX_EXPONENT, MAX_EXPONENT)) * (sides / 2)
    return np.concatenate([middle - half, middle + half], axis=1)[:, [1, 0, 3, 2]]


def encode_boxes(
    boxes: np.ndarray,
    centers: np.ndarray,
    sides: np.ndarray,
    variances: Sequence[float] = VARIANCES,
) -> np.ndarray:
    """The deltas (N, 4) float32 of boxes (N, 4): the inverse of `decode_boxes`.

    Boxes have sides over 0.
    """
    sides = sides[:, None]
    middle = (boxes[:, [1, 0]] + boxes[:, [3, 2]]) / 2
    lengths = boxes[:, [3, 2]] - boxes[:, [1, 0]]
    moves = [(middle - centers) / sides, np.log(lengths / sides)]
    return np.float32(np.concatenate(moves, axis=1) / np.float32(variances))


def iou_matrix(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The intersection over union of boxes (N, 4) and (M, 4): (N, M) float32 in [0, 1].

    Empty boxes give 0.

    >>> iou_matrix(np.float32([[0, 0, 2, 2]]), np.float32([[1, 0, 3, 2]])).round(3)
    array([[0.333]], dtype=float32)
    """
    a = np.ascontiguousarray(a.T, np.float32)  # sides as rows, for speed
    b = np.ascontiguousarray(b.T, np.float32)
    width = np.minimum(a[2][:, None], b[2]) - np.maximum(a[0][:, None], b[0])
    height = np.minimum(a[3][:, None], b[3]) - np.maximum(a[1][:, None], b[1])
    common = np.maximum(width, 0, out=width)
    common *= np.maximum(height, 0, out=height)
    union = areas(a)[:, None] + areas(b) - common
    return np.divide(common, union, out=np.zeros_like(common), where=common > 0)


def areas(sides: np.ndarray) -> np.ndarray:
    """The areas (N,) of boxes as (4, N); 0 for boxes whose edges are exchanged."""
    return np.maximum(sides[2] - sides[0], 0) * np.maximum(sides[3] - sides[1], 0)


def nms(
    boxes: np.ndarray,
    scores: np.ndarray,
    class_ids: np.ndarray,
    iou: float = 0.6,
    limit: int = 100,
) -> np.ndarray:
    """Non-maximum suppression: the indices (K,) int64 of the boxes kept, best first.

    A box is left out if a box of the same class with a higher score, itself kept, has
    more than `iou` in common with it. Of equal scores the lower index is first. At most
    `limit` are kept.

    >>> boxes = np.float32([[0, 0, 4, 4], [0, 0, 4, 3], [5, 5, 6, 6]])
    >>> nms(boxes, np.float32([0.5, 0.9, 0.9]), np.int32([1, 1, 1])).tolist()
    [1, 2]
    """
    order = np.argsort(-scores, kind="stable")
    boxes, class_ids = boxes[order], class_ids[order]
    overlaps = iou_matrix(boxes, boxes) > iou
    overlaps &= class_ids[:, None] == class_ids
    left = np.ones(len(order), bool)
    kept = []
    for index in range(len(order)):
        if left[index]:
            kept.append(index)
            if len(kept) >= limit:
                break
            left &= ~overlaps[index]
    return order[kept]
