"""Colour, blur, noise and cutout."""

from __future__ import annotations

from functools import cache
from typing import Any

import cv2
import numpy as np
import tensorflow as tf
from scipy.special import ndtri

from edge.core.constants import IGNORE_INDEX, PADDING
from kseg.data.transforms.chain import Op, Pair, uniform
from kseg.data.transforms.crops import random_factor


def color(strength: float) -> Op:
    """Random brightness, contrast and saturation, each changed by up to `strength`."""

    def apply(image: Any, mask: Any, seed: Any) -> Pair:
        image = tf.cast(image, tf.float32)
        contrast = uniform(seed, 0, 1 - strength, 1 + strength)
        saturation = uniform(seed, 1, 1 - strength, 1 + strength)
        darker = uniform(seed, 2, 128 * strength, -128 * strength)
        grey = tf.reduce_mean(image, axis=-1, keepdims=True)
        middle = tf.reduce_mean(grey)
        image = grey + (image - grey) * saturation
        image = middle + (image - middle) * contrast
        # Subtracted, not added: TensorFlow's optimizer merges additions, such as the
        # last one of `uniform`, into one sum whose order is not deterministic.
        image = image - darker
        return tf.clip_by_value(image, 0.0, 255.0), mask

    return apply


def blur(sigma: float) -> Op:
    """Gaussian blur of a random deviation up to `sigma` pixels, probability 0.5."""

    def apply(image: Any, mask: Any, seed: Any) -> Pair:
        if uniform(seed, 0) < 0.5:
            # In (0, sigma]: OpenCV rejects 0.
            deviation = sigma - uniform(seed, 1, 0.0, sigma)
            blurred = tf.numpy_function(gaussian_blur, [image, deviation], image.dtype)
            image = tf.ensure_shape(blurred, image.shape)
        return image, mask

    return apply


def gaussian_blur(image: np.ndarray, sigma: float) -> np.ndarray:
    """(H, W, C) float32 -> the same shape; padded by reflection."""
    edge = cv2.BORDER_REFLECT_101
    blurred = cv2.GaussianBlur(image, (0, 0), float(sigma), borderType=edge)
    return blurred.reshape(image.shape)


def noise(share: float) -> Op:
    """Gaussian noise of a random standard deviation up to `share` times 255."""

    def apply(image: Any, mask: Any, seed: Any) -> Pair:
        deviation = uniform(seed, 0, 0.0, 255 * share)
        normal = standard_normal(tf.shape(image), tf.random.fold_in(seed, 1))
        # Subtracted for the reason given in `color`; the distribution is symmetric.
        return tf.clip_by_value(image - deviation * normal, 0.0, 255.0), mask

    return apply


def standard_normal(shape: Any, seed: Any) -> Any:
    """Random float32 values of mean 0 and standard deviation 1: one of 65,536 each.

    Two values are taken from one random integer, in less than half the time of
    `tf.random.stateless_normal`. The largest is 4.3.
    """
    count = tf.reduce_prod(shape)
    ints = tf.random.stateless_uniform([(count + 1) // 2], seed, None, None, tf.int32)
    indices = tf.reshape(tf.bitcast(ints, tf.uint16), [-1])[:count]
    return tf.reshape(tf.gather(quantiles(), tf.cast(indices, tf.int32)), shape)


@cache
def quantiles(count: int = 2**16) -> np.ndarray:
    """The middles, by probability, of `count` equal parts of the normal distribution.

    (count,) float32, scaled to a standard deviation of 1.

    >>> [f"{value:.3f}" for value in quantiles(4)]
    ['-1.363', '-0.378', '0.378', '1.363']
    """
    values = ndtri((np.arange(count) + 0.5) / count)
    return (values / values.std()).astype(np.float32)


def cutout(share: float) -> Op:
    """Sets a random rectangle of up to `share` of the crop to mid-grey and void.

    DeVries and Taylor, "Improved Regularization of Convolutional Neural Networks with
    Cutout" (2017): the centre is any pixel, and the rectangle is clipped to the image.
    The paper classifies whole images, which keep their label. Here the labels of hidden
    pixels could only be guessed, so they become void, as in `scale_and_crop`'s padding;
    the pixels around them are learned with less context.
    """

    def apply(image: Any, mask: Any, seed: Any) -> Pair:
        whole = tf.cast(tf.shape(mask), tf.float32)
        stretch = random_factor(seed, 2**0.5)
        shape = tf.stack([stretch, 1 / stretch])
        size = tf.floor(whole * shape * tf.sqrt(uniform(seed, 1, 0.0, share)))
        centre = tf.random.stateless_uniform([2], tf.random.fold_in(seed, 2))
        start = tf.floor(whole * centre) - tf.floor(size / 2)
        rows, columns = (tf.range(whole[axis]) - start[axis] for axis in (0, 1))
        hidden = ((rows >= 0) & (rows < size[0]))[:, None]
        hidden = hidden & (columns >= 0) & (columns < size[1])
        void = tf.constant(IGNORE_INDEX, mask.dtype)
        grey = tf.constant(PADDING, image.dtype)
        return tf.where(hidden[..., None], grey, image), tf.where(hidden, void, mask)

    return apply
