"""Flips, rotation and elastic deformation of an image and its mask."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import tensorflow as tf

from kseg.data.transforms.chain import Op, Pair, uniform

GRID = 3  # places along each side that `elastic` shifts at random


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
