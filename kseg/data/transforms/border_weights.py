"""The pixel weights of the U-Net paper, larger in the gaps between objects.

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
REACH = 5  # sigmas; pixels farther from an object would get less than 4e-6 of w0

Window = tuple[slice, slice]


def border_weights(
    mask: np.ndarray,
    w0: float,
    sigma: float = 5.0,
    class_weights: Optional[Sequence[float]] = None,
) -> np.ndarray:
    """Computes pixel weights w_c(x) + w0 exp(-(d1(x) + d2(x))^2 / (2 sigma^2)).

    mask (H, W) uint8 -> (H, W) float32. w_c is 1, or `class_weights` by class id; it is
    1 for void. d1 and d2 are the distances in pixels to the nearest and the second
    nearest object (1 for adjacent pixels), as in equation 2. Objects are the connected
    components of each class other than 0, the background.

    The second term is added only to background. The paper does not state this, but the
    narrow gap between touching cells, which the network must learn, is background, and
    common implementations do the same. Inside an object, "the border of the nearest
    cell" would be the object's own, and thin objects would get larger weights.

    With one pixel between two objects d1 = d2 = 1, so 1 + 10 exp(-4 / 50) = 10.23:

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
    """Distances to the nearest and the second nearest object, each (H, W) float32.

    Infinite if there is no object within `reach` pixels: each object is processed only
    within `reach` of its bounding box, so that many objects cost little more than one.
    """
    first = np.full(mask.shape, np.inf, np.float32)  # squared until the end
    second = first.copy()
    for elsewhere, window in objects(mask, int(np.ceil(reach))):
        distance = cv2.distanceTransform(elsewhere, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        # Squared distances are integers. Rounding makes the weights reproducible, as
        # the last digit of OpenCV's result varies from call to call.
        square = np.rint(distance**2)
        nearest, next_nearest = first[window], second[window]
        np.minimum(next_nearest, np.maximum(nearest, square), out=next_nearest)
        np.minimum(nearest, square, out=nearest)
    return np.sqrt(first), np.sqrt(second)


def objects(mask: np.ndarray, margin: int) -> Iterator[tuple[np.ndarray, Window]]:
    """Yields each object as (array with 0 on it and 1 elsewhere, its window).

    The window is the bounding box with a margin of `margin` pixels. Connectivity is 4,
    so that a diagonal gap of one pixel separates objects.
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
