"""Overlap of pairs of boxes, in Keras operations."""

from __future__ import annotations

from typing import Any

from keras import ops

EPSILON = 1e-7  # pixels squared, for boxes without an area


def iou_and_giou(a: Any, b: Any) -> tuple[Any, Any]:
    """(..., 4) and (..., 4) x0, y0, x1, y1 -> IoU and generalized IoU of each pair.

    IoU is in [0, 1]. The generalized one subtracts the share of the smallest box around
    both that neither covers; it is in (-1, 1] (Rezatofighi et al., CVPR 2019).
    """
    inner = sides(
        ops.maximum(a[..., :2], b[..., :2]), ops.minimum(a[..., 2:], b[..., 2:])
    )
    outer = sides(
        ops.minimum(a[..., :2], b[..., :2]), ops.maximum(a[..., 2:], b[..., 2:])
    )
    intersection, hull = area(inner), area(outer)
    union = (
        area(sides(a[..., :2], a[..., 2:]))
        + area(sides(b[..., :2], b[..., 2:]))
        - intersection
    )
    iou = intersection / (union + EPSILON)
    return iou, iou - (hull - union) / (hull + EPSILON)


def sides(start: Any, end: Any) -> Any:
    """(..., 2) corners -> (..., 2) width and height, at least 0."""
    return ops.maximum(end - start, 0.0)


def area(size: Any) -> Any:
    """(..., 2) width and height -> (...) area."""
    return size[..., 0] * size[..., 1]


def pairwise_iou(a: Any, b: Any) -> Any:
    """(B, N, 4) and (B, M, 4) x0, y0, x1, y1 -> the IoU (B, N, M) of all pairs.

    Boxes without an area give 0.
    """
    common, total = pairwise_areas(a, b)
    return common / ops.maximum(total - common, EPSILON)


def pairwise_areas(a: Any, b: Any) -> tuple[Any, Any]:
    """(B, N, 4) and (B, M, 4) -> (B, N, M): the areas in common, and the two added."""
    a, b = a[:, :, None], b[:, None]
    common = area(
        sides(ops.maximum(a[..., :2], b[..., :2]), ops.minimum(a[..., 2:], b[..., 2:]))
    )
    return common, (
        area(sides(a[..., :2], a[..., 2:])) + area(sides(b[..., :2], b[..., 2:]))
    )
