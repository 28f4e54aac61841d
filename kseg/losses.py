"""Losses over masks of class ids, blind to void. Keras alone: any backend.

Each is a function of masks (B, H, W) of integers and logits (B, H, W, C) of any float
type, computed in float32 over the whole batch -> scalar float32. Void pixels give no
value and no gradient; a batch of nothing but void gives 0.

`SegmentationLoss("ce+0.5*dice")` is a sum of them for `compile`. Cross-entropy, focal
and hard-example loss are means over pixels, which can be weighted, each by itself and
by its class. Dice, Tversky and Lovasz are ratios of areas: a pixel has no term of its
own there, and each class counts alike, so no weights apply.
"""

from __future__ import annotations

from math import isfinite
from typing import Any, Optional, Sequence

import keras
from keras import ops

from edge.core.constants import IGNORE_INDEX
from kseg import tensorflow_ops

FOCUS = 2.0  # gamma of the focal loss
FALSE_POSITIVES, FALSE_NEGATIVES = 0.3, 0.7  # alpha and beta of the Tversky index
HARD_SHARE = 0.25  # of the pixels, in the hard-example loss
LEAST_MISS = 1e-6  # a float32 1 - p that is 0 would have no power's gradient


# --- means over pixels ---


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
    return tensorflow_ops.sum_over_replicas(total)


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


# --- ratios of areas ---


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


# --- by name ---

LOSSES = {
    "ce": cross_entropy,
    "focal": focal,
    "dice": dice,
    "tversky": tversky,
    "lovasz": lovasz,
    "ohem": ohem,
}
OVER_PIXELS = ("ce", "focal", "ohem")  # those that take weights


def terms_of(spec: str) -> list[tuple[float, str]]:
    """A sum of losses -> (factor, name) each. Raises ValueError for what is none.

    >>> terms_of("ce+0.5*dice")
    [(1.0, 'ce'), (0.5, 'dice')]
    """
    terms = []
    for text in spec.split("+"):
        factor, _, name = text.rpartition("*")
        name = name.strip()
        if name not in LOSSES:
            raise ValueError(
                f"loss {spec!r}: {name!r} is none of {', '.join(sorted(LOSSES))}; "
                "write one, or a sum such as ce+0.5*dice"
            )
        terms.append((factor_of(factor, spec) if "*" in text else 1.0, name))
    return terms


def factor_of(text: str, spec: str) -> float:
    try:
        factor = float(text)
    except ValueError:
        factor = 0.0
    if not (factor > 0 and isfinite(factor)):
        raise ValueError(f"loss {spec!r}: {text!r} is no factor over 0, such as 0.5")
    return factor


@keras.saving.register_keras_serializable("kseg")
class SegmentationLoss(keras.losses.Loss):
    """A sum of LOSSES as an object for `compile`: `SegmentationLoss("ce+0.5*dice")`.

    `sample_weight` (B, H, W) and `class_weights` (C,) go to the terms that are means
    over pixels; Dice, Tversky and Lovasz have no use for them and, in a sum, stay as
    they are. Raises ValueError for weights where no term takes them, so that none are
    ignored in silence, and for a `spec` that is no sum of LOSSES.
    """

    def __init__(
        self,
        spec: str = "ce",
        class_weights: Optional[Sequence[float]] = None,
        ignore_index: int = IGNORE_INDEX,
        name: str = "segmentation_loss",
        **kwargs: Any,
    ):
        super().__init__(name=name, **kwargs)
        self.spec, self.terms = spec, terms_of(spec)
        self.ignore_index = ignore_index
        self.class_weights = None
        if class_weights is not None:
            self.check_weights("class weights")
            self.class_weights = tuple(float(weight) for weight in class_weights)

    @property
    def takes_weights(self) -> bool:
        """Whether a term is a mean over pixels."""
        return any(name in OVER_PIXELS for _, name in self.terms)

    def check_weights(self, what: str) -> None:
        """Raises ValueError where `what` would change nothing."""
        if not self.takes_weights:
            raise ValueError(
                f"loss {self.spec!r}: takes no {what}: its pixels have no terms of "
                f"their own; add one of {', '.join(OVER_PIXELS)}"
            )

    def __call__(
        self, y_true: Any, y_pred: Any, sample_weight: Optional[Any] = None
    ) -> Any:
        # Keras would multiply what `call` returns by the weights: a mean by a map.
        with keras.name_scope(self.name):
            return self.total(y_true, y_pred, sample_weight)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return self.total(y_true, y_pred)

    def total(self, mask: Any, logits: Any, weight: Optional[Any] = None) -> Any:
        """The sum, as its functions have it -> scalar float32."""
        if weight is not None:
            self.check_weights("weights of pixels")
        weights = {"weight": weight, "class_weights": self.class_weights}
        loss = sum(
            factor
            * LOSSES[name](
                mask,
                logits,
                self.ignore_index,
                **(weights if name in OVER_PIXELS else {}),
            )
            for factor, name in self.terms
        )
        if keras.backend.backend() != "tensorflow":
            return loss
        return tensorflow_ops.replica_share(loss)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "spec": self.spec,
            "class_weights": self.class_weights and list(self.class_weights),
            "ignore_index": self.ignore_index,
        }
