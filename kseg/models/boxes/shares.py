"""Boxes as cy, cx, h, w in shares of the input, as edge.predict.listed_boxes reads."""

from __future__ import annotations

from typing import Any

from keras import ops


def to_shares(boxes: Any, size: tuple[int, int]) -> Any:
    """(..., 4) x0, y0, x1, y1 in pixels of `size` -> (..., 4) cy, cx, h, w."""
    height, width = size
    x0, y0, x1, y1 = ops.unstack(ops.cast(boxes, "float32"), 4, axis=-1)
    return ops.stack(
        [
            (y0 + y1) / (2 * height),
            (x0 + x1) / (2 * width),
            (y1 - y0) / height,
            (x1 - x0) / width,
        ],
        axis=-1,
    )


def corners(shares: Any) -> Any:
    """(..., 4) cy, cx, h, w -> (..., 4) x0, y0, x1, y1, in the same unit."""
    y, x, h, w = ops.unstack(shares, 4, axis=-1)
    return ops.stack([x - w / 2, y - h / 2, x + w / 2, y + h / 2], axis=-1)
