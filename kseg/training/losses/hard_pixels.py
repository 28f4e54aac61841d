"""Selects the pixels that are hard for a network, without sorting them.

The selection is over the whole batch, as in the implementations of PIDNet and
PP-LiteSeg: an image in which everything is easy then contributes little, and its part
of the step is spent on images with small or rare objects. With several devices it is
over each device's part of the batch.

The share is exact. The k-th largest term is found by bisection over the bits of the
floats, 31 comparisons of all pixels: floats that are not negative are in the order of
their bits as integers. It is skipped if the threshold alone selects enough pixels.
"""

from __future__ import annotations

from math import inf, log
from typing import Any

from keras import ops

BITS = 31  # of a float32 without its sign


def hard_pixels(terms: Any, valid: Any, share: float, probability: float) -> Any:
    """Weights in [0, 1], (B, H, W) float32: 1 for a pixel that is hard, else 0.

    `terms` (B, H, W) float32 are -log p of the true classes, `valid` (B, H, W) float32
    is 0 in void and else 1. Hard are valid pixels with p < `probability`; if these are
    fewer than `share` of the valid pixels, rounded up, then that many of the largest
    terms. All terms that are equal to the smallest of these get the same weight, such
    that the sum of the weights is the number.
    """
    # `abs` also turns -0.0 into 0.0, whose bits are 0.
    terms = ops.where(valid > 0, ops.abs(terms), -1.0)
    count = ops.ceil(share * ops.sum(valid))
    threshold = -log(probability) if probability > 0 else inf
    hard = ops.sum(ops.cast(terms > threshold, "float32"))
    limit = ops.cond(
        hard >= count,
        lambda: ops.convert_to_tensor(threshold, "float32"),
        lambda: kth_largest(terms, count),
    )
    above = ops.cast(terms > limit, "float32")
    equal = ops.cast(ops.equal(terms, limit), "float32")
    missing = ops.maximum(hard, count) - ops.sum(above)
    return above + missing / ops.maximum(ops.sum(equal), 1.0) * equal


def kth_largest(terms: Any, count: Any) -> Any:
    """The `count`-th largest of terms that are not negative, scalar float32.

    Negative terms are ignored; there must be `count` others. 0 for a count of 0.
    """
    # On TensorFlow `view` needs to know the last side.
    bits = ops.view(ops.reshape(terms, [-1, 1]), "int32")
    count = ops.cast(count, "int32")

    def set_bit(index: Any, found: Any) -> Any:
        more = ops.bitwise_or(found, ops.left_shift(ops.ones_like(found), 30 - index))
        enough = ops.sum(ops.cast(bits >= more, "int32")) >= count
        return ops.where(enough, more, found)

    found = ops.fori_loop(0, BITS, set_bit, ops.zeros((), "int32"))
    return ops.where(count > 0, ops.view(found, "float32"), 0.0)
