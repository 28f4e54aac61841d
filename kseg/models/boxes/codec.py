"""Boxes as differences from the anchor of their cell, as edge.predict.boxes has them.

Each cell of a level has one square anchor around its centre. A box is encoded as (dy,
dx, dh, dw): its centre's offset in sides of the anchor, and the logarithm of its size
over the anchor's side (Girshick et al., R-CNN, CVPR 2014, appendix C), divided by
`VARIANCES` (Liu et al., SSD, ECCV 2016).
"""

from __future__ import annotations

from math import log
from typing import Any

from keras import ops

from edge.core.constants import MAX_EXPONENT, VARIANCES


def decode(deltas: Any, centers: Any, sides: Any) -> Any:
    """(..., A, 4) dy, dx, dh, dw -> (..., A, 4) x0, y0, x1, y1 in input pixels.

    `centers` (A, 2) y, x and `sides` (A,) are those of the anchors.
    """
    # PyTorch's tensors cannot be combined with arrays of NumPy.
    centers, sides = (ops.convert_to_tensor(x, "float32") for x in (centers, sides))
    dy, dx, dh, dw = ops.unstack(ops.cast(deltas, "float32"), 4, axis=-1)
    vy, vx, vh, vw = VARIANCES
    y, x = centers[..., 0] + vy * dy * sides, centers[..., 1] + vx * dx * sides
    height = sides * ops.exp(ops.clip(vh * dh, -MAX_EXPONENT, MAX_EXPONENT)) / 2
    width = sides * ops.exp(ops.clip(vw * dw, -MAX_EXPONENT, MAX_EXPONENT)) / 2
    return ops.stack([x - width, y - height, x + width, y + height], axis=-1)


# The deltas of the R-CNN family are relative to any box, as (dx, dy, dw, dh), and
# multiplied by weights: those of anchors and of proposals.
ANCHOR_WEIGHTS = (1.0, 1.0, 1.0, 1.0)
PROPOSAL_WEIGHTS = (10.0, 10.0, 5.0, 5.0)
MAX_LOG_RATIO = log(1000 / 16)  # of a decoded side over that of its box
LEAST_SIDE = 1e-3  # pixels, of boxes that are encoded


def apply_deltas(deltas: Any, boxes: Any, weights: tuple[float, ...]) -> Any:
    """(..., 4) dx, dy, dw, dh and (..., 4) boxes -> the moved boxes (..., 4) float32.

    Boxes are x0, y0, x1, y1. A box grows at most by the factor 1000 / 16, as in
    torchvision.
    """
    wx, wy, ww, wh = weights
    dx, dy, dw, dh = ops.unstack(ops.cast(deltas, "float32"), 4, axis=-1)
    x, y, width, height = center_and_size(boxes)
    x, y = x + dx / wx * width, y + dy / wy * height
    width = width * ops.exp(ops.minimum(dw / ww, MAX_LOG_RATIO)) / 2
    height = height * ops.exp(ops.minimum(dh / wh, MAX_LOG_RATIO)) / 2
    return ops.stack([x - width, y - height, x + width, y + height], axis=-1)


def deltas_between(truth: Any, boxes: Any, weights: tuple[float, ...]) -> Any:
    """The deltas (..., 4) float32 that move `boxes` (..., 4) to `truth` (..., 4).

    The inverse of `apply_deltas`. Sides under LEAST_SIDE count as that.
    """
    wx, wy, ww, wh = weights
    x, y, width, height = center_and_size(boxes)
    width, height = ops.maximum(width, LEAST_SIDE), ops.maximum(height, LEAST_SIDE)
    tx, ty, true_width, true_height = center_and_size(truth)
    dw = ops.log(ops.maximum(true_width, LEAST_SIDE) / width)
    dh = ops.log(ops.maximum(true_height, LEAST_SIDE) / height)
    moves = [wx * (tx - x) / width, wy * (ty - y) / height, ww * dw, wh * dh]
    return ops.stack(moves, axis=-1)


def center_and_size(boxes: Any) -> tuple[Any, Any, Any, Any]:
    """(..., 4) x0, y0, x1, y1 -> x and y of the centres, widths and heights (...)."""
    x0, y0, x1, y1 = ops.unstack(ops.cast(boxes, "float32"), 4, axis=-1)
    return (x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0
