"""Selective search: boxes that probably hold an object, whatever its class.

Uijlings, van de Sande, Gevers and Smeulders, "Selective Search for Object Recognition"
(IJCV 2013), with the strategies of its fast mode. The image is divided into small
regions (Felzenszwalb and Huttenlocher, IJCV 2004). Then the two most similar neighbours
are merged until one region is left. Every region of every such hierarchy gives a box.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import Callable, Iterator, NamedTuple

import cv2
import numpy as np

SCALES = (100, 200)  # of the first regions: larger values give larger regions
SIGMA = 0.5  # of the smoothing before they are found
LEAST_REGION = 16  # pixels of a first region
LEAST_SIDE = 4  # pixels of a box
COLOR_BINS, TEXTURE_BINS = 25, 10  # of each channel, and of each channel and direction
DIRECTIONS = 8
MOST_SLOPE = 0.5  # of a texture histogram; the range of the channels is 0 to 1


class Weights(NamedTuple):
    """The weight of each part of the similarity of two regions."""

    color: float
    texture: float
    size: float
    fill: float


SIMILARITIES = (Weights(1, 1, 1, 1), Weights(0, 1, 1, 1))


def hsv(image: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 RGB -> (H, W, 3) float32 in [0, 1]."""
    full = cv2.cvtColor(image, cv2.COLOR_RGB2HSV_FULL)
    return full.astype(np.float32) / 255


def lab(image: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 RGB -> (H, W, 3) float32 in [0, 1]."""
    return cv2.cvtColor(image, cv2.COLOR_RGB2LAB).astype(np.float32) / 255


SPACES: tuple[Callable[[np.ndarray], np.ndarray], ...] = (hsv, lab)


def selective_search(image: np.ndarray, most: int = 500, seed: int = 0) -> np.ndarray:
    """(H, W, 3) or (H, W, 1) uint8 -> at most `most` boxes (N, 4) float32, best first.

    A box is x0, y0, x1, y1 in pixels, right and bottom edges exclusive; no two are
    equal, and sides have at least LEAST_SIDE pixels. The order is the paper's: by the
    place in the hierarchy (the whole image first) times a random number, which depends
    on `seed` only.
    """
    if image.ndim == 2 or image.shape[2] == 1:
        image = cv2.cvtColor(image, cv2.COLOR_GRAY2RGB)
    random = np.random.default_rng(seed)
    boxes, ranks = [], []
    for start in first_regions(image):
        for weights in SIMILARITIES:
            found = hierarchy(start, weights)[::-1]  # the whole image first
            boxes.append(found)
            ranks.append(np.arange(1, len(found) + 1) * random.random(len(found)))
    every = np.concatenate(boxes)[np.argsort(np.concatenate(ranks), kind="stable")]
    large = ((every[:, 2:] - every[:, :2]) >= LEAST_SIDE).all(axis=1)
    every = every[large]
    _, first = np.unique(every, axis=0, return_index=True)
    return every[np.sort(first)[:most]].astype(np.float32)


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


def first_regions(image: np.ndarray) -> Iterator[Regions]:
    """The first regions in each colour space and at each of SCALES."""
    from skimage.segmentation import felzenszwalb

    for space in SPACES:
        pixels = space(image)
        slopes = slopes_of(pixels)
        for scale in SCALES:
            labels = felzenszwalb(pixels, scale, SIGMA, LEAST_REGION, channel_axis=-1)
            yield described(labels, pixels, slopes)


def slopes_of(pixels: np.ndarray) -> np.ndarray:
    """(H, W, C) in [0, 1] -> (H, W, C, DIRECTIONS) float32: the rise in each direction.

    They are derivatives of a Gaussian with a deviation of 1 pixel; falls count as 0.
    """
    smooth = cv2.GaussianBlur(pixels, (0, 0), 1)
    x = cv2.Sobel(smooth, cv2.CV_32F, 1, 0, ksize=1) / 2
    y = cv2.Sobel(smooth, cv2.CV_32F, 0, 1, ksize=1) / 2
    angles = np.arange(DIRECTIONS) * (2 * np.pi / DIRECTIONS)
    rise = x[..., None] * np.float32(np.cos(angles))
    rise += y[..., None] * np.float32(np.sin(angles))
    return np.maximum(rise, 0, out=rise)


def described(labels: np.ndarray, pixels: np.ndarray, slopes: np.ndarray) -> Regions:
    """The regions of a map of labels (H, W), which are 0 to N - 1."""
    count = int(labels.max()) + 1
    flat = labels.ravel()
    channels = pixels.reshape(len(flat), -1)
    rises = slopes.reshape(len(flat), -1) / MOST_SLOPE
    return Regions(
        len(flat),
        np.bincount(flat, minlength=count),
        boxes_of(labels, count),
        histograms(flat, channels, count, COLOR_BINS),
        histograms(flat, rises, count, TEXTURE_BINS),
        neighbours(labels, count),
    )


def histograms(
    flat: np.ndarray, values: np.ndarray, count: int, bins: int
) -> np.ndarray:
    """Labels (P,), values (P, V) in [0, 1] -> (count, V * bins) float32, rows sum to 1.

    >>> histograms(np.int64([0, 1]), np.float32([[0.1], [0.9]]), 2, 2).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    kinds = values.shape[1]
    places = np.minimum((values * bins).astype(np.int64), bins - 1)
    places += np.arange(kinds) * bins
    places += flat[:, None] * (kinds * bins)
    total = np.bincount(places.ravel(), minlength=count * kinds * bins)
    result = total.reshape(count, -1).astype(np.float32)
    return result / result.sum(axis=1, keepdims=True)


def boxes_of(labels: np.ndarray, count: int) -> np.ndarray:
    """(H, W) labels 0 to count - 1 -> (count, 4) int x0, y0, x1, y1, ends exclusive.

    >>> boxes_of(np.int64([[0, 1], [1, 1]]), 2).tolist()
    [[0, 0, 1, 1], [0, 0, 2, 2]]
    """
    height, width = labels.shape
    flat = labels.ravel()
    boxes = np.empty((count, 4), np.int64)
    y, x = np.divmod(np.arange(flat.size), width)
    for axis, places in enumerate((x, y)):
        boxes[:, axis] = max(height, width)
        np.minimum.at(boxes[:, axis], flat, places)
        boxes[:, axis + 2] = 0
        np.maximum.at(boxes[:, axis + 2], flat, places + 1)
    return boxes


def neighbours(labels: np.ndarray, count: int) -> np.ndarray:
    """(P, 2) int: pairs of labels that touch at a side, the smaller one first."""
    right = np.stack([labels[:, :-1].ravel(), labels[:, 1:].ravel()], axis=1)
    below = np.stack([labels[:-1].ravel(), labels[1:].ravel()], axis=1)
    pairs = np.sort(np.concatenate([right, below]), axis=1)
    codes = np.unique((pairs[:, 0] * count + pairs[:, 1])[pairs[:, 0] != pairs[:, 1]])
    return np.stack(np.divmod(codes, count), axis=1)


def hierarchy(start: Regions, weights: Weights) -> np.ndarray:
    """Merges regions until one is left: the boxes (2 N - 1, 4) int of all of them.

    The first regions come first, then each new one in the order of the merges.
    """
    merging = Merging(start, weights)
    while merging.count < merging.most:
        merging.merge()
    return merging.boxes[: merging.count]


class Merging:
    """The regions of a hierarchy so far, and the similarity of all neighbours."""

    def __init__(self, start: Regions, weights: Weights):
        self.area, self.weights = start.area, weights
        self.count = len(start.sizes)
        self.most = 2 * self.count - 1  # regions, as every image is connected
        self.sizes = self.enlarged(start.sizes.astype(np.float64))
        self.boxes = self.enlarged(start.boxes)
        # Where the colour has no weight its histogram is left out: half of the time.
        self.parts = [
            (weight, self.enlarged(histogram))
            for weight, histogram in (
                (weights.color, start.colors),
                (weights.texture, start.textures),
            )
            if weight
        ]
        self.touching: list[set[int]] = [set() for _ in range(self.most)]
        for a, b in start.pairs.tolist():
            self.touching[a].add(b)
            self.touching[b].add(a)
        values = self.similarity(start.pairs[:, 0], start.pairs[:, 1])
        self.queue = [
            (-value, a, b)
            for value, (a, b) in zip(values.tolist(), start.pairs.tolist(), strict=True)
        ]
        heapify(self.queue)
        self.alive = [True] * self.count

    def enlarged(self, rows: np.ndarray) -> np.ndarray:
        """The rows of the first regions, with space for all that follow."""
        space = np.zeros((self.most - self.count, *rows.shape[1:]), rows.dtype)
        return np.concatenate([rows, space])

    def similarity(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """The similarity (K,) of pairs of regions, at most the sum of the weights."""
        both = self.sizes[a] + self.sizes[b]
        low = np.minimum(self.boxes[a, :2], self.boxes[b, :2])
        high = np.maximum(self.boxes[a, 2:], self.boxes[b, 2:])
        around = (high - low).prod(axis=1)
        result = self.weights.size * (1 - both / self.area)
        result += self.weights.fill * (1 - (around - both) / self.area)
        for weight, histogram in self.parts:
            result += weight * np.minimum(histogram[a], histogram[b]).sum(axis=1)
        return result

    def merge(self) -> None:
        """Merges the two most similar neighbours."""
        while True:
            _, a, b = heappop(self.queue)
            if self.alive[a] and self.alive[b]:
                break
        new = self.count
        self.count += 1
        self.alive[a] = self.alive[b] = False
        self.alive.append(True)
        pair = np.array([a, b])
        sizes = self.sizes[pair]
        self.sizes[new] = sizes.sum()
        self.boxes[new, :2] = self.boxes[pair, :2].min(axis=0)
        self.boxes[new, 2:] = self.boxes[pair, 2:].max(axis=0)
        share = (sizes / sizes.sum()).astype(np.float32)
        for _, histogram in self.parts:
            histogram[new] = share @ histogram[pair]
        self.connect(new, (self.touching[a] | self.touching[b]) - {a, b})

    def connect(self, new: int, others: set[int]) -> None:
        """Adds a new region's neighbours, and their similarity."""
        if not others:
            return
        self.touching[new] = others
        for other in others:
            self.touching[other] = {x for x in self.touching[other] if self.alive[x]}
            self.touching[other].add(new)
        listed = np.array(sorted(others))
        values = self.similarity(listed, np.full(len(listed), new))
        for other, value in zip(listed.tolist(), values.tolist(), strict=True):
            heappush(self.queue, (-value, other, new))
