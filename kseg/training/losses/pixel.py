"""Losses that are means over pixels: cross-entropy, focal, hard examples.

Keras alone: any backend. Each loss here and in region.py is a function of masks
(B, H, W) of integers and logits (B, H, W, C) of any float type, computed in float32
over the whole batch -> scalar float32. Void pixels give no value and no gradient; a
batch of nothing but void gives 0.

Each pixel's term can be weighted, by itself and by its class.
"""

from __future__ import annotations

from typing import Any, Optional, Sequence

import keras
from keras import ops

from edge.core.constants import IGNORE_INDEX
from kseg.training.losses.replicas import sum_over_replicas

FOCUS = 2.0  # gamma of the focal loss
HARD_SHARE = 0.25  # of the pixels, in the hard-example loss
LEAST_MISS = 1e-6  # a float32 1 - p that is 0 would have no power's gradient


def cross_entropy(
    mask: Any,
    logits: Any,
    ignore_index: int = IGNORE_INDEX,
    weight: Optional[Any] = None,
    class_weights: Optional[Sequence[float]] = None,
) -> Any:
    """Mean negative log-likelihood of the true class over the pixels that are not void.

    mask (B, H, W) integers, logits (B, H, W, C) -> scalar float32; 0 where all is void.
    The mean is over the valid pixels of the batch, so padding does not dilute it.

    `weight` (B, H, W) and `class_weights` (C,) by the true class multiply each pixel's
    term. The sum is still divided by how many pixels are valid, not by their weights:
    the energy of the U-Net paper (Ronneberger et al. 2015, equation 1) is the plain sum
    of w(x) log p(x), in which a border that weighs more takes nothing away from other
    pixels. With classes, dividing by the weights (as PyTorch does) would undo them in
    a batch of few classes: all of one class, it would weigh 1 whatever its weight.
    Raises ValueError for a weight of another rank than the mask's, which would be
    spread over it unasked, and for class weights of another number than the classes.
    """
    label, valid = labelled(mask, ignore_index)
    terms = negative_log_likelihood(label, logits)
    return mean_over(valid, weighted(terms, label, logits, weight, class_weights))


def focal(
    mask: Any,
    logits: Any,
    ignore_index: int = IGNORE_INDEX,
    weight: Optional[Any] = None,
    class_weights: Optional[Sequence[float]] = None,
    gamma: float = FOCUS,
) -> Any:
    """Cross-entropy whose terms fade by (1 - p)^gamma as p of the true class grows.

    Arguments and errors as in `cross_entropy`, which it is at gamma 0. The paper
    divides by the anchors on an object; pixels all have a class, so by all valid ones.
    Lin, Goyal, Girshick, He and Dollar, "Focal Loss for Dense Object Detection" (ICCV
    2017), equation 5; `class_weights` are its alpha.
    """
    label, valid = labelled(mask, ignore_index)
    terms = negative_log_likelihood(label, logits)
    miss = ops.maximum(-ops.expm1(-terms), LEAST_MISS)  # 1 - p
    terms = ops.power(miss, gamma) * terms
    return mean_over(valid, weighted(terms, label, logits, weight, class_weights))


def ohem(
    mask: Any,
    logits: Any,
    ignore_index: int = IGNORE_INDEX,
    weight: Optional[Any] = None,
    class_weights: Optional[Sequence[float]] = None,
    share: float = HARD_SHARE,
) -> Any:
    """Cross-entropy over the hardest `share` in (0, 1] of the batch's valid pixels.

    Online hard-example mining: Shrivastava, Gupta and Girshick (CVPR 2016), over pixels
    as Wu, Shen and van den Hengel ("Bridging Category-level and Instance-level Semantic
    Image Segmentation", 2016). Hard is what has a low p of its true class: weights
    change what a chosen pixel counts, not which are chosen. The number is rounded up;
    pixels that tie for the last places share them. Other arguments and errors as in
    `cross_entropy`, which it is at share 1.
    """
    if not 0 < share <= 1:
        raise ValueError(f"`share` must be over 0 and at most 1, got {share}.")
    label, valid = labelled(mask, ignore_index)
    terms = negative_log_likelihood(label, logits)
    chosen = hardest(ops.stop_gradient(terms), valid, share)
    return mean_over(chosen, weighted(terms, label, logits, weight, class_weights))


def labelled(mask: Any, ignore_index: int) -> tuple[Any, Any]:
    """Masks -> labels int32, 0 in void; and 1 or, in void, 0, float32."""
    mask = ops.cast(mask, "int32")
    valid = ops.not_equal(mask, ignore_index)
    return ops.where(valid, mask, 0), ops.cast(valid, "float32")


def negative_log_likelihood(label: Any, logits: Any) -> Any:
    """-log p of the labels, (B, H, W) float32, from 0 up."""
    logits = ops.cast(logits, "float32")
    return ops.sparse_categorical_crossentropy(label, logits, from_logits=True)


def weighted(
    terms: Any,
    label: Any,
    logits: Any,
    weight: Optional[Any],
    class_weights: Optional[Sequence[float]],
) -> Any:
    """Each pixel's term times its own weight and that of its class."""
    if weight is not None:
        if len(weight.shape) != len(label.shape):
            raise ValueError(
                f"`weight` needs the shape of the mask, {tuple(label.shape)}, "
                f"got {tuple(weight.shape)}."
            )
        terms = terms * ops.cast(weight, "float32")
    if class_weights is not None:
        if len(class_weights) != logits.shape[-1]:
            raise ValueError(
                f"`class_weights` needs one for each of {logits.shape[-1]} classes, "
                f"got {len(class_weights)}."
            )
        by_class = ops.convert_to_tensor(class_weights, "float32")
        terms = terms * ops.take(by_class, label)
    return terms


def mean_over(counted: Any, terms: Any) -> Any:
    """The mean of terms, each counted so often; 0 where nothing counts."""
    total, count = whole(ops.sum(terms * counted)), whole(ops.sum(counted))
    return total / ops.maximum(count, 1.0)


def whole(total: Any) -> Any:
    """A sum over a replica's part of the batch -> over all of it.

    Replicas have different numbers of valid pixels: a mean of means would not be the
    batch's. On JAX the code sees the whole batch already.
    """
    if keras.backend.backend() != "tensorflow":
        return total
    return sum_over_replicas(total)


def hardest(terms: Any, valid: Any, share: float) -> Any:
    """1 on the largest `share` of the valid terms, the same part of 1 on the last ties.

    A sum by these equals that over a sorted list, without having to know where in the
    list each pixel came.
    """
    terms = ops.where(valid > 0, terms, -1.0)  # below all that are valid
    wanted = ops.ceil(share * ops.sum(valid))
    flat = ops.reshape(terms, [-1])
    place = ops.shape(flat)[0] - ops.maximum(ops.cast(wanted, "int32"), 1)
    last = ops.maximum(ops.take(ops.sort(flat), place), 0.0)
    above = ops.cast(terms > last, "float32")
    level = ops.cast(ops.equal(terms, last), "float32")
    part = (wanted - ops.sum(above)) / ops.maximum(ops.sum(level), 1.0)
    return above + part * level
