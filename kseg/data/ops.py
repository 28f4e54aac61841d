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

from edge.core.constants import IGNORE_INDEX, PADDING

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


def flip_vertical() -> Op:
    """Mirrors half of the pairs, top to bottom: for pictures without an up."""

    def apply(image: Any, mask: Any, seed: Any) -> Pair:
        if uniform(seed, 0) < 0.5:
            return image[::-1], mask[::-1]
        return image, mask

    return apply


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


def elastic(sigma: float) -> Op:
    """Bends the pair smoothly; `sigma` is the shifts' standard deviation in pixels.

    Ronneberger, Fischer and Brox, "U-Net: Convolutional Networks for Biomedical Image
    Segmentation" (MICCAI 2015), section 3.1: random shifts on a coarse grid of 3x3,
    normal with a standard deviation of 10 pixels, bicubic between them.
    """
    return warp(sigma, 0.0)


def rotate(degrees: float) -> Op:
    """Turns the pair about its centre by up to `degrees` to either side."""
    return warp(0.0, degrees)


def warp(sigma: float, degrees: float) -> Op:
    """`rotate` and `elastic` at once: fetched once, the image is blurred once."""

    def apply(image: Any, mask: Any, seed: Any) -> Pair:
        shifts = tf.random.stateless_normal([GRID, GRID, 2], seed, stddev=sigma)
        turn = uniform(seed, 0, -degrees, degrees)
        kinds = (image.dtype, mask.dtype)
        bent = tf.numpy_function(bend, [image, mask, shifts, turn], kinds)
        bent_image = tf.ensure_shape(bent[0], image.shape)
        return bent_image, tf.ensure_shape(bent[1], mask.shape)

    return apply


def bend(
    image: np.ndarray, mask: np.ndarray, shifts: np.ndarray, degrees: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Turns a pair by `degrees`, counterclockwise, and bends it.

    What is then seen at each pixel is fetched from `shifts` pixels off, (rows, columns)
    of the pair as it was.

    image (H, W, C), mask (H, W); shifts (n, m, 2) float32 on a grid from corner to
    corner -> a pair of the same shapes, the image bilinear, the mask nearest. What
    comes from outside is mirrored in both: the mask stays true of what the image shows,
    so void, which would rob the edges of their labels, is not needed.
    """
    down = cubic_weights(mask.shape[0], shifts.shape[0])
    across = cubic_weights(mask.shape[1], shifts.shape[1])
    rows, columns = turned_places(mask.shape, degrees)
    rows = rows + down @ shifts[..., 0] @ across.T
    columns = columns + down @ shifts[..., 1] @ across.T
    edge = cv2.BORDER_REFLECT_101
    bent = cv2.remap(image, columns, rows, cv2.INTER_LINEAR, borderMode=edge)
    ids = cv2.remap(mask, columns, rows, cv2.INTER_NEAREST, borderMode=edge)
    return bent.reshape(image.shape), ids


def turned_places(
    size: tuple[int, int], degrees: float
) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns that a picture turned about its centre comes from.

    Each is (H, W) float32; `degrees` are counterclockwise.

    >>> [x.round().astype(int).tolist() for x in turned_places((2, 2), 90)]
    [[[0, 1], [0, 1]], [[1, 1], [0, 0]]]
    """
    angle = np.deg2rad(float(degrees))
    sine, cosine = np.sin(angle), np.cos(angle)
    middle_row, middle_column = (np.array(size) - 1) / 2
    down = np.arange(size[0])[:, None] - middle_row
    across = np.arange(size[1]) - middle_column
    rows = middle_row + cosine * down + sine * across
    columns = middle_column + cosine * across - sine * down
    return rows.astype(np.float32), columns.astype(np.float32)


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
