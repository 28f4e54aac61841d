"""Selective search: boxes that probably hold an object, whatever its class.

Uijlings, van de Sande, Gevers and Smeulders, "Selective Search for Object Recognition"
(IJCV 2013), with the strategies of its fast mode, but first regions of one scale, which
take a third of the time and miss no more. The image is divided into small regions
(Felzenszwalb and Huttenlocher, IJCV 2004). Then the two most similar neighbours are
merged until one region is left. Every region of every such hierarchy gives a box.
"""

from __future__ import annotations

from typing import Callable, Iterator

import cv2
import numpy as np

from kseg.data.region_description import Regions, bins_of, described
from kseg.data.region_merging import Weights, hierarchy

SCALES = (70,)  # of the first regions: larger values give larger regions
SIGMA = 0.5  # of the smoothing before they are found
LEAST_REGION = 16  # pixels of a first region
LEAST_SIDE = 4  # pixels of a box
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
    different = list(dict.fromkeys(map(tuple, every[large].tolist())))
    return np.array(different[:most], np.float32).reshape(-1, 4)


def first_regions(image: np.ndarray) -> Iterator[Regions]:
    """The first regions in each colour space and at each of SCALES."""
    from scipy.ndimage import gaussian_filter
    from skimage.segmentation import felzenszwalb

    for space in SPACES:
        pixels = space(image)
        bins = bins_of(pixels)
        # Here and not in felzenszwalb, which would smooth again for each scale.
        smooth = gaussian_filter(pixels.astype(np.float64), (SIGMA, SIGMA, 0))
        for scale in SCALES:
            labels = felzenszwalb(smooth, scale, 0, LEAST_REGION, channel_axis=-1)
            yield described(labels, bins)
