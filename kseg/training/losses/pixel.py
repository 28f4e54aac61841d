"""Losses that are means over pixels: cross-entropy, focal loss, hard examples.

Only Keras: they run on every backend. Each loss here and in region.py is a function of
masks (B, H, W) of integers and logits (B, H, W, C) of any float type. It is computed in
float32 over the whole batch and returns a float32 scalar. Void pixels contribute no
value and no gradient; the loss of a batch of void is 0.

The term of each pixel can be weighted by a weight of the pixel and of its class.
"""

from __future__ import annotations

from typing import Any, Optional, Sequence

import keras
from keras import ops

from edge.core.constants import IGNORE_INDEX
from kseg.models.layers import fused
from kseg.training.losses.hard_pixels import hard_pixels
from kseg.training.losses.replicas import sum_over_replicas

GAMMA = 2.0  # gamma of the focal loss
HARD_SHARE = 1 / 16  # least fraction of the pixels in the hard-example loss
HARD_PROBABILITY = 0.7  # pixels whose true class has a lower one are hard
MIN_MISS = 1e-6  # lower bound of 1 - p: the gradient of a power is not finite at 0


def cross_entropy(
    mask: Any,
    logits: Any,
    ignore_index: int = IGNORE_INDEX,
    weight: Optional[Any] = None,
    class_weights: Optional[Sequence[float]] = None,
) -> Any:
    """Mean negative log-likelihood of the true class over the pixels that are not void.

    mask (B, H, W) integers, logits (B, H, W, C) -> scalar float32; 0 if all is void.
    The mean is over the valid pixels of the batch, so padding does not change it.

    `weight` (B, H, W) and `class_weights` (C,) multiply the term of each pixel. The sum
    is divided by the number of valid pixels, not by the sum of the weights: the energy
    of the U-Net paper (Ronneberger et al. 2015, equation 1) is the plain sum of
    w(x) log p(x), so that heavy borders do not reduce the influence of other pixels.
    Dividing by the sum of class weights (as PyTorch does) would cancel them in a batch
    of a single class. Raises ValueError for a weight of another rank than the mask, and
    if there is not one class weight for each class.
    """
    label, valid = split_void(mask, ignore_index)
    terms = negative_log_likelihood(label, logits)
    return mean_over(valid, weighted(terms, label, logits, weight, class_weights))


def focal(
    mask: Any,
    logits: Any,
    ignore_index: int = IGNORE_INDEX,
    weight: Optional[Any] = None,
    class_weights: Optional[Sequence[float]] = None,
    gamma: float = GAMMA,
) -> Any:
    """Focal loss: cross-entropy times (1 - p)^gamma, p being that of the true class.

    Arguments and errors as in `cross_entropy`, to which it is equal at gamma 0. The
    paper divides by the number of anchors assigned to objects; here the sum is divided
    by the number of valid pixels. Lin, Goyal, Girshick, He and Dollar, "Focal Loss for
    Dense Object Detection" (ICCV 2017), equation 5; `class_weights` are its alpha.
    """
    label, valid = split_void(mask, ignore_index)
    terms = negative_log_likelihood(label, logits)
    miss = ops.maximum(-ops.expm1(-terms), MIN_MISS)  # 1 - p
    terms = ops.power(miss, gamma) * terms
    return mean_over(valid, weighted(terms, label, logits, weight, class_weights))


def ohem(
    mask: Any,
    logits: Any,
    ignore_index: int = IGNORE_INDEX,
    weight: Optional[Any] = None,
    class_weights: Optional[Sequence[float]] = None,
    share: float = HARD_SHARE,
    probability: float = HARD_PROBABILITY,
) -> Any:
    """Cross-entropy over the hard pixels of the batch (see hard_pixels.py).

    These are the valid pixels whose true class has a probability under `probability`,
    in [0, 1]; if they are less than `share`, in (0, 1], of the valid pixels, that many
    of the hardest. At probability 0 it is always this share. Weights multiply the terms
    of the selected pixels but do not affect the selection. Other arguments and errors
    as in `cross_entropy`, to which it is equal at share 1.

    Online hard example mining: Shrivastava, Gupta and Girshick (CVPR 2016, arXiv
    1604.03540); for pixels, with a threshold: Wu, Shen and van den Hengel, "Bridging
    Category-level and Instance-level Semantic Image Segmentation" (2016). PP-LiteSeg
    (Peng et al. 2022) keeps at least 1/16; PIDNet (Xu et al. 2023) has 0.9 for 0.7.
    """
    if not 0 < share <= 1:
        raise ValueError(f"`share` must be over 0 and at most 1, got {share}.")
    if not 0 <= probability <= 1:
        raise ValueError(f"`probability` must be from 0 to 1, got {probability}.")
    label, valid = split_void(mask, ignore_index)
    terms = negative_log_likelihood(label, logits)
    selected = hard_pixels(ops.stop_gradient(terms), valid, share, probability)
    return mean_over(selected, weighted(terms, label, logits, weight, class_weights))


def split_void(mask: Any, ignore_index: int) -> tuple[Any, Any]:
    """Splits masks into class ids int32, 0 in void, and validity float32, 0 or 1."""
    mask = ops.cast(mask, "int32")
    valid = ops.not_equal(mask, ignore_index)
    return ops.where(valid, mask, 0), ops.cast(valid, "float32")


def negative_log_likelihood(label: Any, logits: Any) -> Any:
    """-log p of the true classes, (B, H, W) float32, >= 0."""
    logits = ops.cast(logits, "float32")
    if fused.on_processor():
        return fused.cross_entropy(label, logits)
    return ops.sparse_categorical_crossentropy(label, logits, from_logits=True)


def weighted(
    terms: Any,
    label: Any,
    logits: Any,
    weight: Optional[Any],
    class_weights: Optional[Sequence[float]],
) -> Any:
    """Multiplies the term of each pixel by its weight and the weight of its class."""
    if weight is not None:
        if len(weight.shape) != len(label.shape):
            raise ValueError(
                f"`weight` must have the shape of the mask, {tuple(label.shape)}, "
                f"got {tuple(weight.shape)}."
            )
        terms = terms * ops.cast(weight, "float32")
    if class_weights is not None:
        if len(class_weights) != logits.shape[-1]:
            raise ValueError(
                f"`class_weights` must have one weight for each of the "
                f"{logits.shape[-1]} classes, got {len(class_weights)}."
            )
        by_class = ops.convert_to_tensor(class_weights, "float32")
        terms = terms * ops.take(by_class, label)
    return terms


def mean_over(selected: Any, terms: Any) -> Any:
    """Mean of terms weighted by `selected` in [0, 1]; 0 if nothing is selected."""
    total = over_replicas(ops.sum(terms * selected))
    count = over_replicas(ops.sum(selected))
    return total / ops.maximum(count, 1.0)


def over_replicas(total: Any) -> Any:
    """Adds up a sum over the replicas, each of which has a part of the batch.

    Replicas have different numbers of valid pixels, so the mean of their means would
    not be the mean of the batch. On JAX the code sees the whole batch already.
    """
    if keras.backend.backend() != "tensorflow":
        return total
    return sum_over_replicas(total)
