"""Losses of scores, boxes and masks. Only Keras: runs on every backend."""

from __future__ import annotations

from typing import Any

from keras import ops


def binary_cross_entropy(target: Any, logits: Any) -> Any:
    """-y log p - (1 - y) log(1 - p) of p = sigmoid(logits); same shape, in nats."""
    return (
        ops.relu(logits) - logits * target + ops.log1p(ops.exp(-ops.absolute(logits)))
    )


def quality_focal(target: Any, logits: Any) -> Any:
    """|y - p| squared times the cross-entropy: Li et al. (2020), arXiv 2006.04388.

    `target` in [0, 1] is the quality of the box where an object is, 0 elsewhere.
    """
    difference = target - ops.sigmoid(logits)
    return ops.square(difference) * binary_cross_entropy(target, logits)


def mask_loss(target: Any, logits: Any) -> Any:
    """Cross-entropy plus Dice of masks (..., h, w): (...) float32.

    The cross-entropy is the mean, Dice is 1 - (2 sum(t p) + 1) / (sum(t) + sum(p) + 1)
    (Milletari et al., V-Net, 2016).
    """
    axes = (-2, -1)
    probability = ops.sigmoid(logits)
    both = ops.sum(target * probability, axis=axes)
    total = ops.sum(target, axis=axes) + ops.sum(probability, axis=axes)
    dice = 1 - (2 * both + 1) / (total + 1)
    return ops.mean(binary_cross_entropy(target, logits), axis=axes) + dice


def smooth_l1(difference: Any, beta: float) -> Any:
    """Squared under `beta`, else linear, of the same slope; same shape.

    Girshick, "Fast R-CNN" (ICCV 2015), with torchvision's `beta`.
    """
    size = ops.absolute(difference)
    return ops.where(size < beta, 0.5 * size**2 / beta, size - 0.5 * beta)
