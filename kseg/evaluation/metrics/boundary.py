"""Boundary IoU: intersection over union of the pixels near outlines alone."""

from __future__ import annotations

from math import hypot

import cv2
import numpy as np

from edge.core.constants import IGNORE_INDEX

OF_DIAGONAL = 0.02  # how far from an outline, as Cheng et al. choose it


def distance_in(size: tuple[int, int]) -> int:
    """How many pixels from an outline are near it, in a picture of `size`.

    >>> distance_in((360, 480))
    12
    """
    return max(1, round(OF_DIAGONAL * hypot(*size)))


def boundary_counts(
    mask: np.ndarray,
    labels: np.ndarray,
    num_classes: int,
    distance: int,
    ignore_index: int = IGNORE_INDEX,
) -> np.ndarray:
    """Two maps of class ids -> pixels (C, 2) int64 near both outlines, near either.

    Near the outline of a region are its own pixels at most `distance` from its end, by
    the larger of rows and columns. The picture's frame and void end nothing. The ratio
    of the two is boundary IoU: Cheng, Girshick, Dollar, Berg and Kirillov (CVPR 2021),
    who do count the frame.

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
    """Pixels (H, W) bool that see another id than their own within `distance`.

    All classes at once: the least and the largest id around a pixel differ. Void holds
    the value that decides neither, as OpenCV does beyond the frame.
    """
    kernel = np.ones((2 * distance + 1, 2 * distance + 1), np.uint8)
    ids = ids.astype(np.uint8, copy=False)
    least = cv2.erode(np.where(void, np.uint8(255), ids), kernel)
    largest = cv2.dilate(np.where(void, np.uint8(0), ids), kernel)
    return (least < largest) & ~void


def boundary_iou(counts: np.ndarray) -> np.ndarray:
    """(C, 2) of `boundary_counts`, summed over pictures -> (C,) float64, nan without
    any outline.

    >>> boundary_iou(np.array([[1, 2], [0, 0]])).tolist()
    [0.5, nan]
    """
    with np.errstate(invalid="ignore"):
        return counts[:, 0] / counts[:, 1]
