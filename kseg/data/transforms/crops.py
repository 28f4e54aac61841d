"""Random crops of a given size: scaled, padded, or padded by reflection."""

from __future__ import annotations

from typing import Any, Callable, Optional

import cv2
import numpy as np
import tensorflow as tf

from edge.core.constants import IGNORE_INDEX, PADDING
from kseg.data.transforms.chain import Op, Pair, uniform

# Changes a window: (image, mask, its upper left corner, size of the image) -> a pair.
Change = Callable[[Any, Any, Any, Any], Pair]


def scale_and_crop(
    size: tuple[int, int],
    largest: float,
    rare: float = 0.0,
    change: Optional[Change] = None,
) -> Op:
    """Scales by a factor between 1 / `largest` and `largest`, then crops to `size`.

    Only the cropped window is resized. Pixels outside the image become mid-grey and
    void. `rare` is the share of crops that are centred on a random class, see
    `window_start`. `change` is applied to the window before it is resized.
    """

    def apply(image: Any, mask: Any, seed: Any) -> Pair:
        whole = tf.cast(tf.shape(image)[:2], tf.float32)
        factor = random_factor(seed, largest)
        target = tf.constant(size, tf.float32)
        window = tf.minimum(whole, tf.round(target / factor))
        window = tf.maximum(window, 1.0)
        start = window_start(mask, tf.cast(window, tf.int32), seed, rare)
        end = start + tf.cast(window, tf.int32)
        scaled = tf.cast(
            tf.clip_by_value(tf.round(window * factor), 1, target), tf.int32
        )
        image = image[start[0] : end[0], start[1] : end[1]]
        mask = mask[start[0] : end[0], start[1] : end[1]]
        if change:
            image, mask = change(image, mask, start, whole)
        image = resized(tf.cast(image, tf.float32), scaled, factor)
        mask = tf.image.resize(mask[..., None], scaled, method="nearest")[..., 0]
        return pad_to(image, mask, size)

    return apply


def resized(image: Any, size: Any, factor: Any) -> Any:
    """A window (h, w, C) float32 scaled by `factor` to `size`, bilinearly.

    Smaller ones are averaged over what each pixel covers. For larger ones that is the
    same as interpolating, which takes a sixth of the time.
    """
    if factor < 1:
        return tf.image.resize(image, size, antialias=True)
    return tf.image.resize(image, size)


def random_factor(seed: Any, largest: float) -> Any:
    """A log-uniform random factor between 1 / `largest` and `largest`."""
    limit = tf.math.log(tf.constant(largest, tf.float32))
    return tf.exp(uniform(seed, 0, -limit, limit))


def window_start(mask: Any, window: Any, seed: Any, rare: float) -> Any:
    """Random upper left corner, (2,) int32, of a window of size `window` (2,) int32.

    Uniform over the positions inside the image; (0, 0) along a side that the window
    does not fit. With probability `rare`, centred on a pixel of a random class.
    """
    spare = tf.maximum(tf.shape(mask) - window, 0)
    position = tf.random.stateless_uniform([2], tf.random.fold_in(seed, 1))
    start = tf.cast(position * tf.cast(spare + 1, tf.float32), tf.int32)
    if rare:
        if uniform(seed, 2) < rare:
            draws = tf.random.stateless_uniform([2], tf.random.fold_in(seed, 3))
            inputs = [mask, window, start, draws]
            start = tf.numpy_function(start_on_class, inputs, tf.int32)
            start = tf.ensure_shape(start, [2])
    return start


def start_on_class(
    mask: np.ndarray, window: np.ndarray, start: np.ndarray, draws: np.ndarray
) -> np.ndarray:
    """Upper left corner (2,) of a window centred on a random pixel of a random class.

    First a class is chosen with equal probability among those in the image, without
    void, then one of its pixels. `draws` (2,) in [0, 1) choose class and pixel. The
    window is moved inside the image. If all pixels are void, returns `start`.
    """
    counts = cv2.calcHist([mask], [0], None, [256], [0, 256]).ravel()
    counts[IGNORE_INDEX] = 0
    classes = np.flatnonzero(counts)
    if not len(classes):
        return start
    class_draw, pixel_draw = draws.tolist()
    pixels = np.flatnonzero(mask == classes[int(class_draw * len(classes))])
    centre = np.unravel_index(pixels[int(pixel_draw * len(pixels))], mask.shape)
    spare = np.maximum(mask.shape - window, 0)
    return np.clip(centre - window // 2, 0, spare).astype(np.int32)


def pad_to(image: Any, mask: Any, size: tuple[int, int]) -> Pair:
    """Pads below and to the right to `size`, with mid-grey and void."""
    below, right = size[0] - tf.shape(mask)[0], size[1] - tf.shape(mask)[1]
    image = tf.pad(image, [[0, below], [0, right], [0, 0]], constant_values=PADDING)
    mask = tf.pad(mask, [[0, below], [0, right]], constant_values=IGNORE_INDEX)
    return tf.ensure_shape(image, (*size, None)), tf.ensure_shape(mask, size)


def mirrored_crop(
    size: tuple[int, int],
    largest: float,
    border: int,
    rare: float = 0.0,
    change: Optional[Change] = None,
) -> Op:
    """`scale_and_crop` for networks that give no logits for a margin of `border`.

    The centre of the crop, for which such a network gives logits, is placed uniformly
    inside the image. Its surroundings are the image, padded by reflection beyond its
    edges as in section 2 of the U-Net paper; there the mask is void, so that no
    labelled pixel counts twice.
    """

    def apply(image: Any, mask: Any, seed: Any) -> Pair:
        factor = random_factor(seed, largest)
        target = tf.constant(size, tf.float32)
        window = tf.cast(tf.maximum(tf.round(target / factor), 1), tf.int32)
        edge = tf.cast(border / factor, tf.int32)  # rounded down: the centre is inside
        start = window_start(mask, window - 2 * edge, seed, rare) - edge
        whole = tf.cast(tf.shape(mask), tf.float32)
        image, mask = mirrored_window(image, mask, start, window)
        if change:
            image, mask = change(image, mask, start, whole)
        image = resized(tf.cast(image, tf.float32), size, factor)
        mask = tf.image.resize(mask[..., None], size, method="nearest")[..., 0]
        return image, mask

    return apply


def mirrored_window(image: Any, mask: Any, start: Any, size: Any) -> Pair:
    """Crops `size` from `start`, where the window may extend beyond the image.

    Beyond the edges the image is padded by reflection without repeating the outermost
    pixels, several times if necessary, and the mask is void.
    """
    shape = tf.shape(mask)
    rows, columns = (start[axis] + tf.range(size[axis]) for axis in (0, 1))
    image = tf.gather(image, mirrored_indices(rows, shape[0]))
    image = tf.gather(image, mirrored_indices(columns, shape[1]), axis=1)
    mask = tf.gather(mask, tf.clip_by_value(rows, 0, shape[0] - 1))
    mask = tf.gather(mask, tf.clip_by_value(columns, 0, shape[1] - 1), axis=1)
    inside = (rows >= 0) & (rows < shape[0])
    inside = inside[:, None] & (columns >= 0) & (columns < shape[1])
    return image, tf.where(inside, mask, tf.constant(IGNORE_INDEX, mask.dtype))


def mirrored_indices(indices: Any, length: Any) -> Any:
    """Maps integer indices to [0, length) by reflection at both ends.

    >>> mirrored_indices(tf.range(-2, 6), 3).numpy().tolist()
    [2, 1, 0, 1, 2, 1, 0, 1]
    """
    last = length - 1
    periodic = tf.math.floormod(indices, tf.maximum(2 * last, 1))
    return last - tf.abs(last - periodic)


def pad_by_reflection(
    border: int, input_step: int, min_input: int
) -> Callable[[Any, Any], Pair]:
    """Pads whole images for networks that give no logits for a margin of `border`.

    The image is padded by reflection: by `border` above and to the left, and below and
    to the right up to the smallest `min_input + k * input_step` that is at least its
    side plus twice the border. The mask is padded with void below and to the right to
    the size of the network's output, the padded image's less twice the border.
    """

    def apply(image: Any, mask: Any) -> Pair:
        missing = tf.maximum(tf.shape(mask) + 2 * border - min_input, 0)
        steps = (missing + input_step - 1) // input_step
        size = min_input + steps * input_step
        image, mask = mirrored_window(image, mask, (-border, -border), size)
        return image, without_border(mask, border)

    return apply


def crop_mask(border: int) -> Op:
    """Removes a margin of `border` pixels from the mask, as valid convolutions do."""

    def apply(image: Any, mask: Any, seed: Any) -> Pair:
        return image, without_border(mask, border)

    return apply


def without_border(mask: Any, border: int) -> Any:
    middle = slice(border, -border if border else None)
    return mask[middle, middle]
