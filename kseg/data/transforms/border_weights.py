"""The U-Net paper's weights: errors in the gaps between objects cost more.

Ronneberger, Fischer and Brox, "U-Net: Convolutional Networks for Biomedical Image
Segmentation" (MICCAI 2015), section 3.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Optional, Sequence

import cv2
import numpy as np

from edge.core.constants import IGNORE_INDEX

BACKGROUND = 0
REACH = 5  # sigmas; what lies further apart would add less than 4e-6 of w0

Window = tuple[slice, slice]


def border_weights(
    mask: np.ndarray,
    w0: float,
    sigma: float = 5.0,
    class_weights: Optional[Sequence[float]] = None,
) -> np.ndarray:
    """A weight for each pixel: w_c(x) + w0 exp(-(d1(x) + d2(x))^2 / (2 sigma^2)).

    mask (H, W) uint8 -> (H, W) float32. w_c is 1, or `class_weights` by class id; void
    has 1. d1 and d2 are the distances in pixels to the nearest and the second nearest
    object (1 on pixels beside it), as in equation 2; objects are the connected parts of
    each class other than 0, the background.

    The second term is for background alone. The paper does not say so, but what it is
    to teach, the narrow border that separates touching cells, is background there, and
    the implementations in use do the same. Inside an object "the border of the nearest
    cell" would be its own, and thin objects would weigh more.

    One pixel between two objects, so d1 = d2 = 1 and 1 + 10 exp(-4 / 50) = 10.23:

    >>> border_weights(np.array([[1, 0, 2]], np.uint8), w0=10).astype(int).tolist()
    [[1, 10, 1]]
    """
    table = np.ones(256, np.float32)
    if class_weights is not None:
        table[: len(class_weights)] = class_weights
    weights = table[mask]
    first, second = two_distances(mask, REACH * sigma)
    extra = w0 * np.exp(-((first + second) ** 2) / (2 * sigma**2))
    return weights + extra * (mask == BACKGROUND)


def two_distances(mask: np.ndarray, reach: float) -> tuple[np.ndarray, np.ndarray]:
    """To the nearest and the second nearest object, each (H, W) float32.

    Infinite where there is none within `reach`: each object is looked at in its own
    surroundings alone, so dozens cost little more than one.
    """
    first = np.full(mask.shape, np.inf, np.float32)  # squares, until the end
    second = first.copy()
    for elsewhere, window in objects(mask, int(np.ceil(reach))):
        distance = cv2.distanceTransform(elsewhere, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        # Whole numbers again: OpenCV's last digit varies from call to call, and a
        # resumed run shall see the very weights of one that was not broken off.
        square = np.rint(distance**2)
        nearest, next_nearest = first[window], second[window]
        np.minimum(next_nearest, np.maximum(nearest, square), out=next_nearest)
        np.minimum(nearest, square, out=nearest)
    return np.sqrt(first), np.sqrt(second)


def objects(mask: np.ndarray, margin: int) -> Iterator[tuple[np.ndarray, Window]]:
    """Each object: 0 on it and 1 elsewhere, uint8, within `margin` pixels of its box.

    Pixels that touch by a corner alone are apart: a slanted gap one pixel wide parts.
    """
    for label in np.unique(mask):
        if label in (BACKGROUND, IGNORE_INDEX):
            continue
        of_class = (mask == label).astype(np.uint8)
        count, parts, boxes, _ = cv2.connectedComponentsWithStats(
            of_class, connectivity=4
        )
        for part in range(1, count):
            left, top, width, height, _ = boxes[part]
            window = (
                slice(max(0, top - margin), top + height + margin),
                slice(max(0, left - margin), left + width + margin),
            )
            yield (parts[window] != part).astype(np.uint8), window
