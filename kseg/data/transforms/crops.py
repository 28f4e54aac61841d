"""Crops of one size, scaled, padded or mirrored."""

from __future__ import annotations

from typing import Any, Callable

import cv2
import numpy as np
import tensorflow as tf

from edge.core.constants import IGNORE_INDEX, PADDING
from kseg.data.transforms.chain import Op, Pair, uniform


def scale_and_crop(size: tuple[int, int], largest: float, rare: float = 0.0) -> Op:
    """Scales by a factor between 1 / `largest` and `largest` and cuts out `size`.

    Only the window that will be seen is resized. What the image does not cover becomes
    mid-grey and void. `rare` is the share of crops that `placed` puts on a class.
    """

    def apply(image: Any, mask: Any, seed: Any) -> Pair:
        whole = tf.cast(tf.shape(image)[:2], tf.float32)
        factor = random_factor(seed, largest)
        target = tf.constant(size, tf.float32)
        window = tf.minimum(whole, tf.round(target / factor))
        window = tf.maximum(window, 1.0)
        start = placed(mask, tf.cast(window, tf.int32), seed, rare)
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


def placed(mask: Any, window: Any, seed: Any, rare: float) -> Any:
    """Where `window`, (2,) int32, starts in the picture, wholly inside where it fits.

    Anywhere with equal chance; with a chance of `rare` about a pixel of a random class.
    """
    spare = tf.maximum(tf.shape(mask) - window, 0)
    place = tf.random.stateless_uniform([2], tf.random.fold_in(seed, 1))
    start = tf.cast(place * tf.cast(spare + 1, tf.float32), tf.int32)
    if rare:
        if uniform(seed, 2) < rare:
            draws = tf.random.stateless_uniform([2], tf.random.fold_in(seed, 3))
            given = [mask, window, start, draws]
            start = tf.ensure_shape(tf.numpy_function(on_a_class, given, tf.int32), [2])
    return start


def on_a_class(
    mask: np.ndarray, window: np.ndarray, start: np.ndarray, draws: np.ndarray
) -> np.ndarray:
    """Where `window` starts whose centre is a random pixel of a random class, (2,).

    Every class in the picture has the same chance, however few its pixels, and so has
    every pixel of it; void is no class. Near the edges the window is pushed inside.
    draws (2,) in [0, 1) decide on class and pixel. All void, it is `start`.
    """
    counts = cv2.calcHist([mask], [0], None, [256], [0, 256]).ravel()
    counts[IGNORE_INDEX] = 0
    classes = np.flatnonzero(counts)
    if not len(classes):
        return start
    which, where = draws.tolist()
    pixels = np.flatnonzero(mask == classes[int(which * len(classes))])
    centre = np.unravel_index(pixels[int(where * len(pixels))], mask.shape)
    spare = np.maximum(mask.shape - window, 0)
    return np.clip(centre - window // 2, 0, spare).astype(np.int32)


def pad_to(image: Any, mask: Any, size: tuple[int, int]) -> Pair:
    """Mid-grey and void below and to the right, up to `size`."""
    below, right = size[0] - tf.shape(mask)[0], size[1] - tf.shape(mask)[1]
    image = tf.pad(image, [[0, below], [0, right], [0, 0]], constant_values=PADDING)
    mask = tf.pad(mask, [[0, below], [0, right]], constant_values=IGNORE_INDEX)
    return tf.ensure_shape(image, (*size, None)), tf.ensure_shape(mask, size)


def mirrored_crop(
    size: tuple[int, int], largest: float, border: int, rare: float = 0.0
) -> Op:
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
        start = placed(mask, window - 2 * edge, seed, rare) - edge
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
