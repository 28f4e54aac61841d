"""The place in the whole image of each pixel of a crop, kept by its augmentation.

What belongs to the whole image can so be found for the crop afterwards, whatever moved
its pixels. The places are three more channels of the image, so that they are cropped,
scaled, mirrored and deformed as it is.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from kseg.data.transforms.chain import Op, Pair

PLACES = 3  # channels: row, column, and how much of the pixel is outside of the image
MOST_OUTSIDE = 0.1  # where more is, the row and the column are mixed with padding


def with_places(image: Any) -> Any:
    """(H, W, C) float32 -> (H, W, C + 3): rows and columns from 0, and zeros."""
    height, width = tf.shape(image)[0], tf.shape(image)[1]
    rows, columns = tf.meshgrid(tf.range(height), tf.range(width), indexing="ij")
    places = tf.stack([rows, columns, tf.zeros_like(rows)], axis=-1)
    return tf.concat([image, tf.cast(places, image.dtype)], axis=-1)


def without_places(image: np.ndarray) -> list[np.ndarray]:
    """(H, W, C) -> [(H, W, C)], or if it has places [(H, W, C), (H, W, 3)].

    OpenCV interpolates images of another number of channels with another rounding.
    """
    channels = image.shape[-1] - PLACES
    if channels < 1:
        return [image]
    parts = image[..., :channels], image[..., channels:]
    return [np.ascontiguousarray(part) for part in parts]


def beside(op: Op, channels: int) -> Op:
    """`op` on the first `channels` of an image, for what does not move pixels.

    Where it changes the mask, the pixel is of another image, or of none.
    """

    def apply(image: Any, mask: Any, seed: Any) -> Pair:
        changed, new_mask = op(image[..., :channels], mask, seed)
        places, outside = image[..., channels:-1], image[..., -1]
        outside = tf.where(new_mask == mask, outside, tf.ones_like(outside))
        parts = [changed, places, outside[..., None]]
        return tf.concat(parts, axis=-1), new_mask

    return apply
