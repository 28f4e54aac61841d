"""Flips, rotations and elastic deformations of an image and its mask."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import tensorflow as tf

from kseg.data.transforms.chain import Op, Pair, uniform
from kseg.data.transforms.coordinates import without_places

GRID = 3  # grid points along each side of `elastic`


def flip() -> Op:
    """Flips the pair left to right with probability 0.5."""

    def apply(image: Any, mask: Any, seed: Any) -> Pair:
        if uniform(seed, 0) < 0.5:
            return tf.reverse(image, [1]), tf.reverse(mask, [1])
        return image, mask

    return apply


def flip_vertical() -> Op:
    """Flips the pair top to bottom with probability 0.5, as for aerial images."""

    def apply(image: Any, mask: Any, seed: Any) -> Pair:
        if uniform(seed, 0) < 0.5:
            return tf.reverse(image, [0]), tf.reverse(mask, [0])
        return image, mask

    return apply


def elastic(sigma: float) -> Op:
    """Elastic deformation; `sigma` is the standard deviation of the shifts in pixels.

    Ronneberger, Fischer and Brox, "U-Net: Convolutional Networks for Biomedical Image
    Segmentation" (MICCAI 2015), section 3.1: normally distributed shifts, with a
    standard deviation of 10 pixels, on a coarse 3x3 grid, interpolated bicubically.
    """
    return warp(sigma, 0.0)


def rotate(degrees: float) -> Op:
    """Rotates the pair about its centre by a random angle in [-degrees, degrees)."""
    return warp(0.0, degrees)


def warp(sigma: float, degrees: float) -> Op:
    """`rotate` and `elastic` in one interpolation, which blurs the image less."""

    def apply(image: Any, mask: Any, seed: Any) -> Pair:
        shifts = tf.random.stateless_normal([GRID, GRID, 2], seed, stddev=sigma)
        angle = uniform(seed, 0, -degrees, degrees)
        dtypes = (image.dtype, mask.dtype)
        warped = tf.numpy_function(deform, [image, mask, shifts, angle], dtypes)
        warped_image = tf.ensure_shape(warped[0], image.shape)
        return warped_image, tf.ensure_shape(warped[1], mask.shape)

    return apply


def deform(
    image: np.ndarray, mask: np.ndarray, shifts: np.ndarray, degrees: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Rotates a pair counterclockwise by `degrees` and deforms it.

    image (H, W, C), mask (H, W) -> a pair of the same shapes. `shifts` (n, m, 2)
    float32, (rows, columns) on a grid from corner to corner, are the offsets in pixels
    of the source of each output pixel. The image is sampled bilinearly, the mask by
    nearest neighbour. Both are padded by reflection, so that the mask still matches the
    image and the edges keep their labels.
    """
    down = cubic_weights(mask.shape[0], shifts.shape[0])
    across = cubic_weights(mask.shape[1], shifts.shape[1])
    rows, columns = rotated_coordinates(mask.shape, degrees)
    rows = rows + down @ shifts[..., 0] @ across.T
    columns = columns + down @ shifts[..., 1] @ across.T
    edge = cv2.BORDER_REFLECT_101
    parts = [
        cv2.remap(part, columns, rows, cv2.INTER_LINEAR, borderMode=edge)
        for part in without_places(image)
    ]
    warped = parts[0] if len(parts) == 1 else np.dstack(parts)
    ids = cv2.remap(mask, columns, rows, cv2.INTER_NEAREST, borderMode=edge)
    return warped.reshape(image.shape), ids


def rotated_coordinates(
    size: tuple[int, int], degrees: float
) -> tuple[np.ndarray, np.ndarray]:
    """Source rows and columns, each (H, W) float32, of a rotation about the centre.

    `degrees` are counterclockwise.

    >>> [x.round().astype(int).tolist() for x in rotated_coordinates((2, 2), 90)]
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
    """Bicubic interpolation matrix (length, count) float32, from values to pixels.

    The first and the last value are at the first and the last pixel, and are repeated
    beyond. Keys, "Cubic Convolution Interpolation for Digital Image Processing" (1981).

    >>> cubic_weights(5, 3)[:3].tolist()
    [[1.0, 0.0, 0.0], [0.5, 0.5625, -0.0625], [0.0, 1.0, 0.0]]
    """
    position = np.linspace(0, count - 1, length)[:, None]
    distance = np.abs(position - np.arange(-1, count + 1))
    near = (1.5 * distance - 2.5) * distance**2 + 1
    far = ((-0.5 * distance + 2.5) * distance - 4) * distance + 2
    weights = np.where(distance <= 1, near, np.where(distance < 2, far, 0.0))
    weights[:, 1] += weights[:, 0]
    weights[:, -2] += weights[:, -1]
    return weights[:, 1:-1].astype(np.float32)
