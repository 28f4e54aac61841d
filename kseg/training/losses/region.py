"""Losses that are ratios of areas: Dice, Tversky, Lovasz.

Masks, logits and void are as in pixel.py. These losses do not support weights: pixels
have no separate terms, and all classes count equally.
"""

from __future__ import annotations

from typing import Any

from keras import ops

from edge.core.constants import IGNORE_INDEX
from kseg.training.losses.pixel import mean_over, over_replicas, split_void

FALSE_POSITIVES, FALSE_NEGATIVES = 0.3, 0.7  # alpha and beta of the Tversky index


def dice(mask: Any, logits: Any, ignore_index: int = IGNORE_INDEX) -> Any:
    """Dice loss: 1 - 2 |P and T| / (|P| + |T|), areas being sums of probabilities.

    Computed for each class over the valid pixels of the batch. The mean is over the
    classes in the masks of the batch, because the ratio of an absent class is
    undefined; a present class has an area, so the denominator needs no smoothing term.

    Milletari, Navab and Ahmadi, "V-Net" (3DV 2016), section 3, square each p in the
    denominator. Without the square it is the Tversky index with alpha = beta = 1/2;
    both forms equal the Dice coefficient if all p are 0 or 1.
    """
    return tversky(mask, logits, ignore_index, alpha=0.5, beta=0.5)


def tversky(
    mask: Any,
    logits: Any,
    ignore_index: int = IGNORE_INDEX,
    alpha: float = FALSE_POSITIVES,
    beta: float = FALSE_NEGATIVES,
) -> Any:
    """Tversky loss: 1 - TP / (TP + alpha FP + beta FN), as sums of probabilities.

    Averaged over classes as in `dice`. With beta > alpha false negatives cost more than
    false positives. Salehi, Erdogmus and Gholipour, "Tversky loss function for image
    segmentation using 3D fully convolutional deep networks" (MLMI 2017).
    """
    target, predicted = one_hot_and_probabilities(mask, logits, ignore_index)
    pixels = (0, 1, 2)
    hits = over_replicas(ops.sum(target * predicted, pixels))
    area = over_replicas(ops.sum(target, pixels))
    false_positives = over_replicas(ops.sum(predicted, pixels)) - hits
    false_negatives = area - hits
    union = hits + alpha * false_positives + beta * false_negatives
    present = ops.cast(area > 0, "float32")
    # Avoid 0 / 0 for absent classes.
    index = hits / ops.where(area > 0, union, 1.0)
    return mean_over(present, 1.0 - index)


def lovasz(mask: Any, logits: Any, ignore_index: int = IGNORE_INDEX) -> Any:
    """Lovasz-softmax loss: the convex extension of the Jaccard loss 1 - IoU.

    Computed for each class over the valid pixels of the batch. The mean is over the
    classes in the masks ("present" in the code of the authors). It equals the mean of
    1 - IoU if all p are 0 or 1. It is slow: the pixels are sorted for each class.

    Berman, Triki and Blaschko, "The Lovasz-Softmax loss" (CVPR 2018).
    """
    target, predicted = one_hot_and_probabilities(mask, logits, ignore_index)
    # In void the error is 0: sorted last, it does not change the other gradients.
    classes = logits.shape[-1]
    target = ops.transpose(ops.reshape(target, [-1, classes]))  # (C, pixels)
    predicted = ops.transpose(ops.reshape(predicted, [-1, classes]))
    errors = ops.abs(target - predicted)
    order = ops.argsort(ops.stop_gradient(-errors), axis=-1)
    slopes = jaccard_slopes(ops.take_along_axis(target, order, axis=-1))
    losses = ops.sum(ops.take_along_axis(errors, order, axis=-1) * slopes, -1)
    present = ops.cast(ops.any(target > 0, -1), "float32")
    return mean_over(present, losses)


def jaccard_slopes(target: Any) -> Any:
    """Gradient of the Lovasz extension: what each error adds to 1 - IoU.

    target (C, pixels) is 0 or 1, sorted by decreasing error; the result has its shape.
    The paper subtracts neighbouring values of a cumulative ratio, which loses almost
    all digits of float32 with a million pixels. Here the difference is written out: a
    false negative removes one pixel from the intersection, 1 / union; a false positive
    adds one to the union, intersection / (union (union - 1)).
    """
    counts = ops.cast(target, "int32")  # float32 is exact up to 2**24 only
    missed = ops.cumsum(counts, -1)
    rank = ops.arange(1, ops.shape(target)[-1] + 1, dtype="int32")
    intersection = ops.sum(counts, -1, keepdims=True) - missed
    union = ops.cast(ops.maximum(intersection + rank, 1), "float32")
    intersection = ops.cast(intersection, "float32")
    false_positive = intersection / (union * ops.maximum(union - 1.0, 1.0))
    return ops.stop_gradient(ops.where(target > 0, 1.0 / union, false_positive))


def one_hot_and_probabilities(
    mask: Any, logits: Any, ignore_index: int
) -> tuple[Any, Any]:
    """Computes one-hot masks and softmax, (B, H, W, C) float32 each, 0 in void."""
    label, valid = split_void(mask, ignore_index)
    valid = ops.expand_dims(valid, -1)
    target = ops.one_hot(label, logits.shape[-1], dtype="float32") * valid
    return target, ops.softmax(ops.cast(logits, "float32"), -1) * valid
