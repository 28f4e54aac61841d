"""Composition of operations on an image and its mask, and operations on its loss."""

from __future__ import annotations

from typing import Any, Callable

import tensorflow as tf

from edge.core.constants import IGNORE_INDEX

Pair = tuple[Any, Any]
Op = Callable[[Any, Any, Any], Pair]


def chain(*ops: Op) -> Op:
    """Applies ops in order, each with a seed derived from its position."""

    def apply(image: Any, mask: Any, seed: Any) -> Pair:
        for index, op in enumerate(ops):
            own = tf.random.fold_in(seed, index)
            image, mask = op(image, mask, own)
        return image, mask

    return apply


def uniform(seed: Any, index: int, low: Any = 0.0, high: Any = 1.0) -> Any:
    """A random float in [low, high) that depends only on `seed` and `index`."""
    own = tf.random.fold_in(seed, index)
    return tf.random.stateless_uniform([], own, low, high)


def sample_loss(share: float) -> Op:
    """Keeps each pixel of the mask with probability `share`; the others become void.

    This is the patch sampling of Long, Shelhamer and Darrell, "Fully Convolutional
    Networks for Semantic Segmentation" (CVPR 2015), section 4.4: terms of the loss are
    dropped at random, and a step uses 1 / `share` times as many images. Raises
    ValueError for a share outside (0, 1].
    """
    if not 0 < share <= 1:
        raise ValueError(f"`share` must be over 0 and at most 1, got {share}.")

    def apply(image: Any, mask: Any, seed: Any) -> Pair:
        kept = tf.random.stateless_uniform(tf.shape(mask), seed) < share
        return image, tf.where(kept, mask, tf.constant(IGNORE_INDEX, mask.dtype))

    return apply
