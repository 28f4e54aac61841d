"""Losses that are ratios of areas: Dice, Tversky, Lovasz.

Masks, logits and void as in pixel.py. A pixel has no term of its own, and each class
counts alike, so no weights apply.
"""

from __future__ import annotations

from typing import Any

from keras import ops

from edge.core.constants import IGNORE_INDEX
from kseg.training.losses.pixel import labelled, mean_over, whole

FALSE_POSITIVES, FALSE_NEGATIVES = 0.3, 0.7  # alpha and beta of the Tversky index


def dice(mask: Any, logits: Any, ignore_index: int = IGNORE_INDEX) -> Any:
    """1 - 2 |P and T| / (|P| + |T|), the areas being sums of probabilities.

    Per class over the valid pixels of the batch; the mean is over the classes that the
    masks of the batch have, as in mean IoU: the ratio of an absent one says nothing. A
    present one has an area, so that nothing has to be added to the denominator.

    Milletari, Navab and Ahmadi, "V-Net" (3DV 2016), section 3, who square each p in the
    denominator. Not squared it is the Tversky index at 1/2 and 1/2; both forms are the
    Dice coefficient where all p are 0 or 1.
    """
    return tversky(mask, logits, ignore_index, alpha=0.5, beta=0.5)


def tversky(
    mask: Any,
    logits: Any,
    ignore_index: int = IGNORE_INDEX,
    alpha: float = FALSE_POSITIVES,
    beta: float = FALSE_NEGATIVES,
) -> Any:
    """1 - TP / (TP + alpha FP + beta FN), all sums of probabilities.

    Per class as in `dice`. A beta over 1/2 makes a missed pixel cost more than one too
    many. Salehi, Erdogmus and Gholipour, "Tversky loss function for image segmentation
    using 3D fully convolutional deep networks" (MLMI 2017).
    """
    truth, predicted = truth_and_probabilities(mask, logits, ignore_index)
    pixels = (0, 1, 2)
    hits = whole(ops.sum(truth * predicted, pixels))
    area = whole(ops.sum(truth, pixels))
    too_many = whole(ops.sum(predicted, pixels)) - hits
    missed = area - hits
    union = hits + alpha * too_many + beta * missed
    present = ops.cast(area > 0, "float32")
    # Absent classes may have no union at all: 1, lest they be 0 / 0.
    index = hits / ops.where(area > 0, union, 1.0)
    return mean_over(present, 1.0 - index)


def lovasz(mask: Any, logits: Any, ignore_index: int = IGNORE_INDEX) -> Any:
    """Lovasz-softmax: the Jaccard loss 1 - IoU between hard predictions, made convex.

    Per class over the valid pixels of the batch, the mean over the classes that its
    masks have ("present" in the authors' code). Where all p are 0 or 1 it is the mean
    of 1 - IoU. It sorts the pixels once per class, which costs.

    Berman, Triki and Blaschko, "The Lovasz-Softmax loss" (CVPR 2018).
    """
    truth, predicted = truth_and_probabilities(mask, logits, ignore_index)
    # Both are 0 in void, and so is the error; sorted last it changes no one's slope.
    classes = logits.shape[-1]
    truth = ops.transpose(ops.reshape(truth, [-1, classes]))  # (C, pixels)
    predicted = ops.transpose(ops.reshape(predicted, [-1, classes]))
    errors = ops.abs(truth - predicted)
    order = ops.argsort(ops.stop_gradient(-errors), axis=-1)
    slopes = jaccard_slopes(ops.take_along_axis(truth, order, axis=-1))
    losses = ops.sum(ops.take_along_axis(errors, order, axis=-1) * slopes, -1)
    present = ops.cast(ops.any(truth > 0, -1), "float32")
    return mean_over(present, losses)


def jaccard_slopes(truth: Any) -> Any:
    """(C, pixels) 0 or 1, worst error first -> what each adds to 1 - IoU as it errs.

    The paper subtracts neighbours of a running ratio, of which float32 keeps hardly a
    digit among a million pixels. Their difference is written out here: a missed pixel
    takes one from the intersection, 1 / union; a false alarm adds one to the union,
    intersection / (union (union - 1)).
    """
    counts = ops.cast(truth, "int32")  # float32 counts to 2**24
    missed = ops.cumsum(counts, -1)
    rank = ops.arange(1, ops.shape(truth)[-1] + 1, dtype="int32")
    intersection = ops.sum(counts, -1, keepdims=True) - missed
    union = ops.cast(ops.maximum(intersection + rank, 1), "float32")
    intersection = ops.cast(intersection, "float32")
    alarm = intersection / (union * ops.maximum(union - 1.0, 1.0))
    return ops.stop_gradient(ops.where(truth > 0, 1.0 / union, alarm))


def truth_and_probabilities(
    mask: Any, logits: Any, ignore_index: int
) -> tuple[Any, Any]:
    """One-hot masks and softmax, both (B, H, W, C) float32 and 0 in void."""
    label, valid = labelled(mask, ignore_index)
    valid = ops.expand_dims(valid, -1)
    truth = ops.one_hot(label, logits.shape[-1], dtype="float32") * valid
    return truth, ops.softmax(ops.cast(logits, "float32"), -1) * valid
