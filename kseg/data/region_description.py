"""Describes the regions of a map of labels: sizes, boxes, histograms, neighbours."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

COLOR_BINS, TEXTURE_BINS = 25, 10  # of each channel, and of each channel and direction
DIRECTIONS = 8
SIGNED_BINS = 2 * TEXTURE_BINS - 1  # of a direction and the opposite one
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

    `colors` (C, P) int are the bin of each channel, plus channel times COLOR_BINS.
    `slopes` (C * DIRECTIONS / 2, P) int: see `slope_bins`.
    """

    colors: np.ndarray
    slopes: np.ndarray


def bins_of(pixels: np.ndarray) -> Bins:
    """The bins of an image (H, W, 3) float32 in [0, 1]."""
    channels = planes(pixels).reshape(pixels.shape[2], -1)
    places = np.minimum((channels * COLOR_BINS).astype(np.intp), COLOR_BINS - 1)
    places += np.arange(len(channels))[:, None] * COLOR_BINS
    return Bins(places, slope_bins(slopes_of(pixels)))


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


def slope_bins(slopes: np.ndarray) -> np.ndarray:
    """(C, D, H, W) -> (C * D, P) int: the bin of a slope, plus the place of C and D.

    Of the SIGNED_BINS of a direction, the middle one is for no slope, those after it
    are for rises and those before it for falls.
    """
    most = TEXTURE_BINS - 1
    scaled = slopes.reshape(slopes.shape[0] * slopes.shape[1], -1) / MOST_SLOPE
    scaled *= TEXTURE_BINS
    places = np.clip(scaled, -most, most, out=scaled).astype(np.intp)
    places += np.arange(len(places))[:, None] * SIGNED_BINS + most
    return places


def described(labels: np.ndarray, bins: Bins) -> Regions:
    """The regions of a map of labels (H, W), which are 0 to N - 1."""
    flat = labels.ravel()
    sizes = np.bincount(flat)
    return Regions(
        len(flat),
        sizes,
        boxes_of(labels),
        shares(counts_of(flat, bins.colors, COLOR_BINS).reshape(len(sizes), -1)),
        shares(texture_counts(flat, bins.slopes, sizes)),
        neighbours(labels, len(sizes)),
    )


def counts_of(flat: np.ndarray, places: np.ndarray, bins: int) -> np.ndarray:
    """Labels (P,), places (V, P) in V histograms -> (labels, V, bins) int.

    >>> counts_of(np.array([0, 1]), np.array([[0, 1]]), 2).tolist()
    [[[1, 0]], [[0, 1]]]
    """
    kinds = len(places)
    count = int(flat.max()) + 1
    every = places + flat * (kinds * bins)
    total = np.bincount(every.ravel(), minlength=count * kinds * bins)
    return total.reshape(count, kinds, bins)


def texture_counts(
    flat: np.ndarray, slopes: np.ndarray, sizes: np.ndarray
) -> np.ndarray:
    """Labels (P,), bins (V, P) of slopes, pixels (N,) -> (N, V * 2 * TEXTURE_BINS).

    The first bin of a direction has the pixels that do not rise in it.
    """
    middle = TEXTURE_BINS - 1
    half = DIRECTIONS // 2
    signed = counts_of(flat, slopes, SIGNED_BINS)
    signed = signed.reshape(len(sizes), -1, half, SIGNED_BINS)
    counts = np.empty((*signed.shape[:2], DIRECTIONS, TEXTURE_BINS), np.int64)
    counts[:, :, :half, 1:] = signed[..., middle + 1 :]
    counts[:, :, half:, 1:] = signed[..., :middle][..., ::-1]
    counts[..., 0] = sizes[:, None, None] - counts[..., 1:].sum(axis=-1)
    return counts.reshape(len(sizes), -1)


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
