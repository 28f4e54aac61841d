"""Describes the regions of a map of labels: sizes, boxes, histograms, neighbours."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

COLOR_BINS, TEXTURE_BINS = 25, 10  # of each channel, and of each channel and direction
DIRECTIONS = 8
MOST_SLOPE = 0.5  # of a texture histogram; the range of the channels is 0 to 1


class Regions(NamedTuple):
    """The first regions of an image of `area` pixels, and which are neighbours.

    `sizes` (N,) are pixels; `boxes` (N, 4) int; `colors` (N, 75) and `textures`
    (N, 240) are histograms whose sum is 1; `pairs` (P, 2) are neighbours.
    """

    area: int
    sizes: np.ndarray
    boxes: np.ndarray
    colors: np.ndarray
    textures: np.ndarray
    pairs: np.ndarray


class Bins(NamedTuple):
    """The bins of the pixels of an image, which several maps of labels share.

    `colors` (C, P) int are places in the histogram of a region: channel times
    COLOR_BINS plus the bin. Most slopes are in the first bin of their direction.
    `textures` (K,) int are the places of the others, in the pixels `steep` (K,).
    """

    colors: np.ndarray
    steep: np.ndarray
    textures: np.ndarray


def bins_of(pixels: np.ndarray) -> Bins:
    """The bins of an image (H, W, 3) float32 in [0, 1]."""
    channels = planes(pixels).reshape(pixels.shape[2], -1)
    places = np.minimum((channels * COLOR_BINS).astype(np.intp), COLOR_BINS - 1)
    places += np.arange(len(channels))[:, None] * COLOR_BINS
    return Bins(places, *slope_bins(slopes_of(pixels)))


def planes(pixels: np.ndarray) -> np.ndarray:
    """(H, W, C) -> (C, H, W) in the order of memory: NumPy is fast on long rows."""
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def slopes_of(pixels: np.ndarray) -> np.ndarray:
    """(H, W, 3) in [0, 1] -> (3, DIRECTIONS / 2, H, W) float32: the rises.

    They are derivatives of a Gaussian with a deviation of 1 pixel. The rise in the
    opposite direction is the negative one.
    """
    smooth = cv2.GaussianBlur(pixels, (0, 0), 1)
    x = planes(cv2.Sobel(smooth, cv2.CV_32F, 1, 0, ksize=1)) / 2
    y = planes(cv2.Sobel(smooth, cv2.CV_32F, 0, 1, ksize=1)) / 2
    angles = np.arange(DIRECTIONS // 2) * (2 * np.pi / DIRECTIONS)
    rise = x[:, None] * np.float32(np.cos(angles))[:, None, None]
    rise += y[:, None] * np.float32(np.sin(angles))[:, None, None]
    return rise


def slope_bins(slopes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(C, DIRECTIONS / 2, H, W) -> `steep` and `textures` of Bins."""
    half = DIRECTIONS // 2
    scaled = (slopes / MOST_SLOPE).ravel()
    scaled *= TEXTURE_BINS
    index = np.flatnonzero(np.abs(scaled) >= 1)
    kind, steep = np.divmod(index, slopes[0, 0].size)
    channel, direction = np.divmod(kind, half)
    rise = scaled[index]
    direction += half * (rise < 0)
    places = np.minimum(np.abs(rise), TEXTURE_BINS - 1).astype(np.intp)
    places += (channel * DIRECTIONS + direction) * TEXTURE_BINS
    return steep, places


def described(labels: np.ndarray, bins: Bins) -> Regions:
    """The regions of a map of labels (H, W), which are 0 to N - 1."""
    flat = labels.ravel()
    sizes = np.bincount(flat)
    return Regions(
        len(flat),
        sizes,
        boxes_of(labels),
        shares(color_counts(flat, bins.colors, len(sizes))),
        shares(
            texture_counts(flat[bins.steep], bins.textures, sizes, len(bins.colors))
        ),
        neighbours(labels, len(sizes)),
    )


def color_counts(flat: np.ndarray, places: np.ndarray, count: int) -> np.ndarray:
    """Labels (P,), places (C, P) -> (count, C * COLOR_BINS) int: pixels in each bin."""
    values = len(places) * COLOR_BINS
    every = (places + flat * values).ravel()
    return np.bincount(every, minlength=count * values).reshape(count, values)


def texture_counts(
    labels: np.ndarray, places: np.ndarray, sizes: np.ndarray, channels: int
) -> np.ndarray:
    """Labels (K,) and places (K,) of steep pixels, all pixels (N,) -> (N, V) int.

    The first bin of each direction has the pixels that are in no other one.
    """
    shape = len(sizes), channels * DIRECTIONS, TEXTURE_BINS
    values = shape[1] * shape[2]
    counts = np.bincount(labels * values + places, minlength=len(sizes) * values)
    counts = counts.reshape(shape)
    counts[..., 0] = sizes[:, None] - counts.sum(axis=-1)
    return counts.reshape(len(sizes), values)


def shares(counts: np.ndarray) -> np.ndarray:
    """Counts (N, V) -> (N, V) float32, rows sum to 1."""
    result = counts.astype(np.float32)
    return result / result.sum(axis=1, keepdims=True)


def boxes_of(labels: np.ndarray) -> np.ndarray:
    """(H, W) labels 0 to N - 1 -> (N, 4) int x0, y0, x1, y1, ends exclusive.

    >>> boxes_of(np.int64([[0, 1], [1, 1]])).tolist()
    [[0, 0, 1, 1], [0, 0, 2, 2]]
    """
    from scipy.ndimage import find_objects

    found = find_objects(labels + 1)
    return np.array([(x.start, y.start, x.stop, y.stop) for y, x in found])


def neighbours(labels: np.ndarray, count: int) -> np.ndarray:
    """(P, 2) int: pairs of labels that touch at a side, the smaller one first."""
    codes = []
    for a, b in ((labels[:, :-1], labels[:, 1:]), (labels[:-1], labels[1:])):
        at = a != b  # few: only these are sorted
        a, b = a[at], b[at]
        codes.append(np.minimum(a, b) * count + np.maximum(a, b))
    return np.stack(np.divmod(np.unique(np.concatenate(codes)), count), axis=1)
