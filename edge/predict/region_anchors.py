"""Anchors and deltas of networks of regions (the R-CNN family), in NumPy.

The same arithmetic as kseg.models.boxes, which needs Keras.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Sequence, Tuple

import numpy as np

from edge.predict.boxes import Size

ANCHOR_SCALE = 8.0  # side of an anchor in strides of its level
RATIOS = (0.5, 1.0, 2.0)  # height over width, of equal area
LEAST_SIDE = 1e-3  # pixels, of boxes that are encoded


@lru_cache(maxsize=8)
def region_anchors(
    size: Size,
    strides: Tuple[int, ...],
    scale: float = ANCHOR_SCALE,
    ratios: Tuple[float, ...] = RATIOS,
) -> np.ndarray:
    """The anchors (A, 4) float32 x0, y0, x1, y1 of all levels of an input of `size`.

    The order is that of the levels, then row by row, then `ratios`. Anchors are in
    whole pixels, around the upper left corners of the cells.

    >>> region_anchors((4, 8), (4,), 2.0, (1.0,)).tolist()
    [[-4.0, -4.0, 4.0, 4.0], [0.0, -4.0, 8.0, 4.0]]
    """
    levels = []
    for stride in strides:
        heights = scale * stride * np.sqrt(np.float32(ratios))
        widths = scale * stride / np.sqrt(np.float32(ratios))
        shapes = np.stack([-widths, -heights, widths, heights], axis=1) / 2
        y, x = np.mgrid[0 : size[0] : stride, 0 : size[1] : stride]
        corners = np.stack([x, y, x, y], axis=-1).reshape(-1, 1, 4)
        levels.append((corners + np.round(shapes)).reshape(-1, 4))
    result = np.concatenate(levels).astype(np.float32)
    result.flags.writeable = False
    return result


def region_deltas(
    truth: np.ndarray, boxes: np.ndarray, weights: Sequence[float] = (1, 1, 1, 1)
) -> np.ndarray:
    """The deltas (N, 4) float32 dx, dy, dw, dh that move boxes (N, 4) to `truth`.

    >>> box, truth = np.float32([[0, 0, 4, 8]]), np.float32([[1, 4, 5, 12]])
    >>> region_deltas(truth, box).tolist()
    [[0.25, 0.5, 0.0, 0.0]]
    """
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], LEAST_SIDE)
    wanted = np.maximum(truth[:, 2:] - truth[:, :2], LEAST_SIDE)
    centers = (truth[:, :2] + truth[:, 2:] - boxes[:, :2] - boxes[:, 2:]) / 2
    deltas = np.hstack([centers / sides, np.log(wanted / sides)])
    return np.float32(deltas * np.float32(weights))
