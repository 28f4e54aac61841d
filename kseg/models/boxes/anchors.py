"""Anchors of region proposal networks: several boxes around each cell of a level."""

from __future__ import annotations

from typing import Any, Sequence

import numpy as np
from keras import ops

ANCHOR_SCALE = 8.0  # side of an anchor in strides of its level
RATIOS = (0.5, 1.0, 2.0)  # height over width, of equal area


def anchor_shapes(side: float, ratios: Sequence[float] = RATIOS) -> np.ndarray:
    """The anchors (R, 4) float32 around the origin, in whole pixels.

    Their area is about `side` squared; the corners are rounded as in torchvision.

    >>> anchor_shapes(32).tolist()[0]
    [-23.0, -11.0, 23.0, 11.0]
    """
    heights = side * np.sqrt(np.float32(ratios))
    widths = side / np.sqrt(np.float32(ratios))
    corners = np.stack([-widths, -heights, widths, heights], axis=1) / 2
    return np.round(corners).astype(np.float32)


def rpn_anchors(
    grids: Sequence[tuple[Any, Any]],
    strides: Sequence[int],
    scale: float = ANCHOR_SCALE,
    ratios: Sequence[float] = RATIOS,
) -> Any:
    """The anchors (A, 4) float32 x0, y0, x1, y1 of all levels, in input pixels.

    `grids` are the (rows, columns) of the levels: numbers, or tensors that are known
    when the network runs. The order is that of the levels, then row by row, then
    `ratios`. Anchors are around the upper left corners of the cells, as in torchvision.
    """
    levels = []
    for (rows, columns), stride in zip(grids, strides, strict=True):
        shapes = ops.convert_to_tensor(anchor_shapes(scale * stride, ratios))
        y = ops.cast(ops.arange(rows), "float32") * stride
        x = ops.cast(ops.arange(columns), "float32") * stride
        y, x = ops.meshgrid(y, x, indexing="ij")
        corners = ops.reshape(ops.stack([x, y, x, y], axis=-1), (-1, 1, 4))
        levels.append(ops.reshape(corners + shapes[None], (-1, 4)))
    return ops.concatenate(levels, axis=0)
