"""Colour, blur, noise and hidden rectangles: the image alone changes."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import tensorflow as tf

from edge.core.constants import IGNORE_INDEX, PADDING
from kseg.data.transforms.chain import Op, Pair, uniform
from kseg.data.transforms.crops import random_factor


def color(strength: float) -> Op:
    """Random brightness, contrast and saturation, each by up to `strength`."""

    def apply(image: Any, mask: Any, seed: Any) -> Pair:
        image = tf.cast(image, tf.float32)
        contrast = uniform(seed, 0, 1 - strength, 1 + strength)
        saturation = uniform(seed, 1, 1 - strength, 1 + strength)
        darker = uniform(seed, 2, 128 * strength, -128 * strength)
        grey = tf.reduce_mean(image, axis=-1, keepdims=True)
        middle = tf.reduce_mean(grey)
        image = grey + (image - grey) * saturation
        image = middle + (image - middle) * contrast
        # Subtracted, for TensorFlow's optimizer gathers what is added, `uniform`'s last
        # step too, into one sum, whose order and last digit vary from call to call.
        image = image - darker
        return tf.clip_by_value(image, 0.0, 255.0), mask

    return apply


def blur(sigma: float) -> Op:
    """Blurs half of the images, by a Gaussian of random deviation up to `sigma`."""

    def apply(image: Any, mask: Any, seed: Any) -> Pair:
        if uniform(seed, 0) < 0.5:
            own = sigma - uniform(seed, 1, 0.0, sigma)  # over 0, which OpenCV refuses
            soft = tf.numpy_function(blurred, [image, own], image.dtype)
            image = tf.ensure_shape(soft, image.shape)
        return image, mask

    return apply


def blurred(image: np.ndarray, sigma: float) -> np.ndarray:
    """(H, W, C) float32 -> the same by a Gaussian; what comes from outside mirrored."""
    edge = cv2.BORDER_REFLECT_101
    soft = cv2.GaussianBlur(image, (0, 0), float(sigma), borderType=edge)
    return soft.reshape(image.shape)


def noise(share: float) -> Op:
    """Gaussian noise on every value, its random deviation up to `share` of 255."""

    def apply(image: Any, mask: Any, seed: Any) -> Pair:
        deviation = uniform(seed, 0, 0.0, 255 * share)
        own = tf.random.fold_in(seed, 1)
        # Subtracted for the reason given in `color`; it is as often above 0 as below.
        image = image - deviation * tf.random.stateless_normal(tf.shape(image), own)
        return tf.clip_by_value(image, 0.0, 255.0), mask

    return apply


def cutout(share: float) -> Op:
    """A random rectangle of up to `share` of the crop becomes mid-grey and void.

    DeVries and Taylor, "Improved Regularization of Convolutional Neural Networks with
    Cutout" (2017): its centre is any pixel, and what lies outside is cut off. There the
    image keeps its one label, which what is left of it still shows. Here labels are of
    pixels: those that are hidden could only be guessed, so they become void, and those
    around learn to do with less of their surroundings. That is also what mid-grey means
    where `scale_and_crop` pads.
    """

    def apply(image: Any, mask: Any, seed: Any) -> Pair:
        whole = tf.cast(tf.shape(mask), tf.float32)
        stretch = random_factor(seed, 2**0.5)
        shape = tf.stack([stretch, 1 / stretch])
        size = tf.floor(whole * shape * tf.sqrt(uniform(seed, 1, 0.0, share)))
        place = tf.random.stateless_uniform([2], tf.random.fold_in(seed, 2))
        start = tf.floor(whole * place) - tf.floor(size / 2)
        rows, columns = (tf.range(whole[axis]) - start[axis] for axis in (0, 1))
        hidden = ((rows >= 0) & (rows < size[0]))[:, None]
        hidden = hidden & (columns >= 0) & (columns < size[1])
        void = tf.constant(IGNORE_INDEX, mask.dtype)
        grey = tf.constant(PADDING, image.dtype)
        return tf.where(hidden[..., None], grey, image), tf.where(hidden, void, mask)

    return apply
