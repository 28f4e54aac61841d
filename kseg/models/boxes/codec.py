"""Boxes as differences from the anchor of their cell, as edge.predict.boxes has them.

Each cell of a level has one square anchor around its centre. A box is encoded as (dy,
dx, dh, dw): its centre's offset in sides of the anchor, and the logarithm of its size
over the anchor's side (Girshick et al., R-CNN, CVPR 2014, appendix C), divided by
`VARIANCES` (Liu et al., SSD, ECCV 2016).
"""

from __future__ import annotations

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
