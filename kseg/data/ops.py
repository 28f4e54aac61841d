"""Augmentation in tf.data: image and mask together, labels never blended.

Each factory returns `op(image, mask, seed) -> image, mask` with image (H, W, C) float32
in [0, 255], mask (H, W) uint8 and seed (2,) int32. The same seed does the same. Where
nothing is random, as in `mirrored_to`, the op is `op(image, mask)`.
"""

from __future__ import annotations

from typing import Any, Callable

import cv2
import numpy as np
import tensorflow as tf

from edge.metadata import IGNORE_INDEX
from edge.segmenter import PADDING

Pair = tuple[Any, Any]
Op = Callable[[Any, Any, Any], Pair]

GRID = 3  # places along each side that `elastic` shifts at random


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
        factor = random_factor(seed, largest)
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


def random_factor(seed: Any, largest: float) -> Any:
    """Between 1 / `largest` and `largest`, its logarithm uniform."""
    limit = tf.math.log(tf.constant(largest, tf.float32))
    return tf.exp(uniform(seed, 0, -limit, limit))


def pad_to(image: Any, mask: Any, size: tuple[int, int]) -> Pair:
    """Mid-grey and void below and to the right, up to `size`."""
    below, right = size[0] - tf.shape(mask)[0], size[1] - tf.shape(mask)[1]
    image = tf.pad(image, [[0, below], [0, right], [0, 0]], constant_values=PADDING)
    mask = tf.pad(mask, [[0, below], [0, right]], constant_values=IGNORE_INDEX)
    return tf.ensure_shape(image, (*size, None)), tf.ensure_shape(mask, size)


def mirrored_crop(size: tuple[int, int], largest: float, border: int) -> Op:
    """`scale_and_crop` for networks that give no logits for `border` pixels all around.

    What such a network labels, the middle of the crop, lies at any place in the picture
    with equal chance, wholly inside where it fits. Around it is what lies there: beyond
    its edges the picture goes on mirrored, as in the U-Net paper's section 2, and the
    mask as void, so that no labelled pixel counts twice.
    """

    def apply(image: Any, mask: Any, seed: Any) -> Pair:
        factor = random_factor(seed, largest)
        target = tf.constant(size, tf.float32)
        window = tf.cast(tf.maximum(tf.round(target / factor), 1), tf.int32)
        edge = tf.cast(border / factor, tf.int32)  # rounded down: the middle is inside
        spare = tf.maximum(tf.shape(mask) - (window - 2 * edge), 0)
        place = tf.random.stateless_uniform([2], tf.random.fold_in(seed, 1))
        start = tf.cast(place * tf.cast(spare + 1, tf.float32), tf.int32) - edge
        image, mask = mirrored_window(image, mask, start, window)
        image = tf.image.resize(image, size, antialias=largest > 1)
        mask = tf.image.resize(mask[..., None], size, method="nearest")[..., 0]
        return image, mask

    return apply


def mirrored_window(image: Any, mask: Any, start: Any, size: Any) -> Pair:
    """Cuts out `size` from `start`, either of which may lie outside the picture.

    There the picture goes on mirrored, its outermost pixels not repeated, back and
    forth as often as it takes; the mask as void.
    """
    whole = tf.shape(mask)
    rows, columns = (start[axis] + tf.range(size[axis]) for axis in (0, 1))
    image = tf.gather(image, mirrored(rows, whole[0]))
    image = tf.gather(image, mirrored(columns, whole[1]), axis=1)
    mask = tf.gather(mask, tf.clip_by_value(rows, 0, whole[0] - 1))
    mask = tf.gather(mask, tf.clip_by_value(columns, 0, whole[1] - 1), axis=1)
    inside = (rows >= 0) & (rows < whole[0])
    inside = inside[:, None] & (columns >= 0) & (columns < whole[1])
    return image, tf.where(inside, mask, tf.constant(IGNORE_INDEX, mask.dtype))


def mirrored(places: Any, length: Any) -> Any:
    """Whole numbers -> where in [0, length) they fall between two mirrors.

    >>> mirrored(tf.range(-2, 6), 3).numpy().tolist()
    [2, 1, 0, 1, 2, 1, 0, 1]
    """
    last = length - 1
    turned = tf.math.floormod(places, tf.maximum(2 * last, 1))
    return last - tf.abs(last - turned)


def mirrored_to(border: int, step: int, least: int) -> Callable[[Any, Any], Pair]:
    """Whole pictures for networks that give no logits for `border` pixels all around.

    The image is mirrored by `border` above and to the left, below and to the right by
    what makes each side the smallest `least + k * step` that is at least its own length
    and twice the border. The mask gets void below and to the right, up to the size of
    the network's output: the image's less twice the border.
    """

    def apply(image: Any, mask: Any) -> Pair:
        enough = tf.maximum(tf.shape(mask) + 2 * border - least, 0)
        size = least + (enough + step - 1) // step * step
        image, mask = mirrored_window(image, mask, (-border, -border), size)
        return image, without_border(mask, border)

    return apply


def cut_mask(border: int) -> Op:
    """Leaves of the mask what a network without `border` pixels all around labels."""

    def apply(image: Any, mask: Any, seed: Any) -> Pair:
        return image, without_border(mask, border)

    return apply


def without_border(mask: Any, border: int) -> Any:
    middle = slice(border, -border if border else None)
    return mask[middle, middle]


def elastic(sigma: float) -> Op:
    """Bends the pair smoothly; `sigma` is the shifts' standard deviation in pixels.

    Ronneberger, Fischer and Brox, "U-Net: Convolutional Networks for Biomedical Image
    Segmentation" (MICCAI 2015), section 3.1: random shifts on a coarse grid of 3x3,
    normal with a standard deviation of 10 pixels, bicubic between them.
    """

    def apply(image: Any, mask: Any, seed: Any) -> Pair:
        shifts = tf.random.stateless_normal([GRID, GRID, 2], seed, stddev=sigma)
        kinds = (image.dtype, mask.dtype)
        bent = tf.numpy_function(bend, [image, mask, shifts], kinds)
        bent_image = tf.ensure_shape(bent[0], image.shape)
        return bent_image, tf.ensure_shape(bent[1], mask.shape)

    return apply


def bend(
    image: np.ndarray, mask: np.ndarray, shifts: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """What is seen at each pixel is fetched from `shifts` pixels off, (rows, columns).

    image (H, W, C), mask (H, W); shifts (n, m, 2) float32 on a grid from corner to
    corner -> a pair of the same shapes, the image bilinear, the mask nearest. What
    comes from outside is mirrored in both: the mask stays true of what the image shows,
    so void, which would rob the edges of their labels, is not needed.
    """
    down = cubic_weights(mask.shape[0], shifts.shape[0])
    across = cubic_weights(mask.shape[1], shifts.shape[1])
    rows = np.arange(mask.shape[0], dtype=np.float32)[:, None]
    rows = rows + down @ shifts[..., 0] @ across.T
    columns = np.arange(mask.shape[1], dtype=np.float32)
    columns = columns + down @ shifts[..., 1] @ across.T
    edge = cv2.BORDER_REFLECT_101
    bent = cv2.remap(image, columns, rows, cv2.INTER_LINEAR, borderMode=edge)
    ids = cv2.remap(mask, columns, rows, cv2.INTER_NEAREST, borderMode=edge)
    return bent.reshape(image.shape), ids


def cubic_weights(length: int, count: int) -> np.ndarray:
    """What each of `count` values gives to each of `length` pixels, float32.

    The first and the last value stand on the first and the last pixel and go on beyond
    them. Keys, "Cubic Convolution Interpolation for Digital Image Processing" (1981).

    >>> cubic_weights(5, 3)[:3].tolist()
    [[1.0, 0.0, 0.0], [0.5, 0.5625, -0.0625], [0.0, 1.0, 0.0]]
    """
    place = np.linspace(0, count - 1, length)[:, None]
    away = np.abs(place - np.arange(-1, count + 1))
    near = (1.5 * away - 2.5) * away**2 + 1
    far = ((-0.5 * away + 2.5) * away - 4) * away + 2
    weights = np.where(away <= 1, near, np.where(away < 2, far, 0.0))
    weights[:, 1] += weights[:, 0]
    weights[:, -2] += weights[:, -1]
    return weights[:, 1:-1].astype(np.float32)


def sample_loss(share: float) -> Op:
    """Keeps each pixel of the mask with a chance of `share`; the others become void.

    Long, Shelhamer and Darrell, "Fully Convolutional Networks for Semantic
    Segmentation" (CVPR 2015), section 4.4, patch sampling: terms of the loss are left
    out at random, and a step sees 1 / `share` times the images. Raises ValueError for a
    share outside (0, 1].
    """
    if not 0 < share <= 1:
        raise ValueError(f"`share` must be over 0 and at most 1, got {share}.")

    def apply(image: Any, mask: Any, seed: Any) -> Pair:
        kept = tf.random.stateless_uniform(tf.shape(mask), seed) < share
        return image, tf.where(kept, mask, tf.constant(IGNORE_INDEX, mask.dtype))

    return apply


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
