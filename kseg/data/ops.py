"""Augmentation in tf.data: image and mask together, labels never blended.

Each factory returns `op(image, mask, seed) -> image, mask` with image (H, W, C) float32
in [0, 255], mask (H, W) uint8 and seed (2,) int32. The same seed does the same.
"""

from __future__ import annotations

from typing import Any, Callable

import tensorflow as tf

from edge.metadata import IGNORE_INDEX
from edge.segmenter import PADDING

Pair = tuple[Any, Any]
Op = Callable[[Any, Any, Any], Pair]


def chain(*ops: Op) -> Op:
    """One op after the other, each with a seed of its own."""

    def apply(image: Any, mask: Any, seed: Any) -> Pair:
        for index, op in enumerate(ops):
            own = tf.random.fold_in(seed, index)
            image, mask = op(image, mask, own)
        return image, mask

    return apply


def uniform(seed: Any, index: int, low: Any = 0.0, high: Any = 1.0) -> Any:
    """A float in [low, high) that depends on `seed` and `index` alone."""
    own = tf.random.fold_in(seed, index)
    return tf.random.stateless_uniform([], own, low, high)


def flip() -> Op:
    """Mirrors half of the pairs, left to right."""

    def apply(image: Any, mask: Any, seed: Any) -> Pair:
        if uniform(seed, 0) < 0.5:
            return image[:, ::-1], mask[:, ::-1]
        return image, mask

    return apply


def scale_and_crop(size: tuple[int, int], largest: float) -> Op:
    """Scales by a factor between 1 / `largest` and `largest` and cuts out `size`.

    Only the window that will be seen is resized. What the image does not cover becomes
    mid-grey and void.
    """

    def apply(image: Any, mask: Any, seed: Any) -> Pair:
        whole = tf.cast(tf.shape(image)[:2], tf.float32)
        limit = tf.math.log(tf.constant(largest, tf.float32))
        factor = tf.exp(uniform(seed, 0, -limit, limit))
        target = tf.constant(size, tf.float32)
        window = tf.minimum(whole, tf.round(target / factor))
        window = tf.maximum(window, 1.0)
        place = tf.random.stateless_uniform([2], tf.random.fold_in(seed, 1))
        start = tf.cast(place * (whole - window + 1), tf.int32)
        end = start + tf.cast(window, tf.int32)
        shown = tf.cast(
            tf.clip_by_value(tf.round(window * factor), 1, target), tf.int32
        )
        image = image[start[0] : end[0], start[1] : end[1]]
        mask = mask[start[0] : end[0], start[1] : end[1], None]
        image = tf.image.resize(image, shown, antialias=largest > 1)
        mask = tf.image.resize(mask, shown, method="nearest")[..., 0]
        return pad_to(image, mask, size)

    return apply


def pad_to(image: Any, mask: Any, size: tuple[int, int]) -> Pair:
    """Mid-grey and void below and to the right, up to `size`."""
    below, right = size[0] - tf.shape(mask)[0], size[1] - tf.shape(mask)[1]
    image = tf.pad(image, [[0, below], [0, right], [0, 0]], constant_values=PADDING)
    mask = tf.pad(mask, [[0, below], [0, right]], constant_values=IGNORE_INDEX)
    return tf.ensure_shape(image, (*size, None)), tf.ensure_shape(mask, size)


def color(strength: float) -> Op:
    """Random brightness, contrast and saturation, each by up to `strength`."""

    def apply(image: Any, mask: Any, seed: Any) -> Pair:
        image = tf.cast(image, tf.float32)
        contrast = uniform(seed, 0, 1 - strength, 1 + strength)
        saturation = uniform(seed, 1, 1 - strength, 1 + strength)
        shift = uniform(seed, 2, -128 * strength, 128 * strength)
        grey = tf.reduce_mean(image, axis=-1, keepdims=True)
        middle = tf.reduce_mean(grey)
        image = grey + (image - grey) * saturation
        image = middle + (image - middle) * contrast + shift
        return tf.clip_by_value(image, 0.0, 255.0), mask

    return apply
