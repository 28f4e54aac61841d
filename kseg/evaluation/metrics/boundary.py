"""Boundary IoU: intersection over union of the pixels near class boundaries only."""

from __future__ import annotations

from math import hypot

import cv2
import numpy as np

from edge.core.constants import IGNORE_INDEX

DISTANCE_OF_DIAGONAL = 0.02  # as Cheng et al. choose it


def boundary_distance(size: tuple[int, int]) -> int:
    """Width in pixels of the boundary region of an image of size (height, width).

    >>> boundary_distance((360, 480))
    12
    """
    return max(1, round(DISTANCE_OF_DIAGONAL * hypot(*size)))


def boundary_counts(
    mask: np.ndarray,
    labels: np.ndarray,
    num_classes: int,
    distance: int,
    ignore_index: int = IGNORE_INDEX,
) -> np.ndarray:
    """Counts pixels of intersection and union of the boundary regions, (C, 2) int64.

    mask and labels are class ids (H, W). The boundary region of a class has its pixels
    with another class at most `distance` rows and columns away. The image border and
    void are no boundaries. Intersection over union is the boundary IoU of Cheng,
    Girshick, Dollar, Berg and Kirillov (CVPR 2021), who count the image border too.

    >>> mask = np.zeros((4, 6), int); mask[:, 3:] = 1
    >>> boundary_counts(mask, mask, 2, 1).tolist()
    [[4, 4], [4, 4]]
    """
    void = mask == ignore_index
    near = [near_boundary(ids, void, distance) for ids in (mask, labels)]
    both = near[0] & near[1] & (mask == labels)
    true, predicted, shared = (
        np.bincount(ids[where], minlength=num_classes)
        for ids, where in ((mask, near[0]), (labels, near[1]), (mask, both))
    )
    return np.stack([shared, true + predicted - shared], axis=1)


def near_boundary(ids: np.ndarray, void: np.ndarray, distance: int) -> np.ndarray:
    """Finds the pixels (H, W) bool with another class at most `distance` away.

    Works for all classes at once: the smallest and the largest id around such a pixel
    differ. Void gets the value that changes neither, as OpenCV does outside the image.
    """
    kernel = np.ones((2 * distance + 1, 2 * distance + 1), np.uint8)
    ids = ids.astype(np.uint8, copy=False)
    smallest = cv2.erode(np.where(void, np.uint8(255), ids), kernel)
    largest = cv2.dilate(np.where(void, np.uint8(0), ids), kernel)
    return (smallest < largest) & ~void


def boundary_iou(counts: np.ndarray) -> np.ndarray:
    """Boundary IoU of each class, (C,) float64 in [0, 1]; nan without a boundary.

    `counts` (C, 2) is the sum of `boundary_counts` over images.

    >>> boundary_iou(np.array([[1, 2], [0, 0]])).tolist()
    [0.5, nan]
    """
    with np.errstate(invalid="ignore"):
        return counts[:, 0] / counts[:, 1]
