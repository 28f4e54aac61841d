"""Pastes an object of one image into another, at its own height, for semantic masks.

Ghiasi et al., "Simple Copy-Paste is a Strong Data Augmentation Method for Instance
Segmentation" (CVPR 2021, arXiv 2012.07177). As there, edges are not blended, which was
no better in their section 3; the scaling of the crop that follows smooths them. Unlike
there, an object keeps its rows: where the camera looks ahead, things at the same height
of the image are as far away, so the size stays plausible.
"""

from __future__ import annotations

from typing import NamedTuple, Optional

import cv2
import numpy as np

from edge.core.constants import IGNORE_INDEX

PLACES = 4  # tried columns
LEAST_VISIBLE = 0.5  # share of an object's pixels; below, it is not pasted


class Patch(NamedTuple):
    """An object: image (h, w, C) uint8, and which pixels are its, (h, w) bool."""

    image: np.ndarray
    inside: np.ndarray


def cut_out(image: np.ndarray, mask: np.ndarray, box: np.ndarray) -> Optional[Patch]:
    """The component that fills a box of a labelled image; None if nothing is there.

    `box` (5,) is class id, top, left, bottom and right, the last four as shares of the
    sides. Other components of the class that reach into the box stay out, as void does.
    """
    height, width = mask.shape
    top, bottom = round(box[1] * height), round(box[3] * height)
    left, right = round(box[2] * width), round(box[4] * width)
    same = (mask[top:bottom, left:right] == int(box[0])).astype(np.uint8)
    if not same.any():
        return None
    labels, stats = cv2.connectedComponentsWithStats(same, connectivity=8)[1:3]
    inside = labels == 1 + np.argmax(stats[1:, cv2.CC_STAT_AREA])
    return Patch(image[top:bottom, left:right].copy(), inside)


def resized_patch(patch: Patch, factor: float) -> Patch:
    """The patch scaled by a factor; at least one pixel a side."""
    height, width = (max(1, round(side * factor)) for side in patch.inside.shape)
    if (height, width) == patch.inside.shape:
        return patch
    way = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    image = cv2.resize(patch.image, (width, height), interpolation=way)
    inside = cv2.resize(
        patch.inside.astype(np.uint8),
        (width, height),
        interpolation=cv2.INTER_NEAREST_EXACT,
    )
    return Patch(image.reshape(height, width, -1), inside > 0)


def mirrored_patch(patch: Patch) -> Patch:
    return Patch(patch.image[:, ::-1], patch.inside[:, ::-1])


def paste_object(
    random: np.random.Generator,
    image: np.ndarray,
    mask: np.ndarray,
    patch: Patch,
    top: int,
    class_id: int,
    covered: np.ndarray,
) -> bool:
    """Pastes an object at row `top`, which may be negative, and a random column.

    image (h, w, C) of any type and mask (h, w) uint8 are changed. Pixels are replaced
    where `covered` (256,) bool is True for the class that is there, so that rarer ones
    stay in front. False if less than LEAST_VISIBLE of the object would be seen at any
    of PLACES columns; nothing is changed then.
    """
    height, width = patch.inside.shape
    if width > mask.shape[1]:
        return False
    above = max(0, -top)
    rows = slice(max(0, top), min(mask.shape[0], top + height))
    part = slice(above, above + max(0, rows.stop - rows.start))
    needed = LEAST_VISIBLE * np.count_nonzero(patch.inside)
    for left in random.integers(0, mask.shape[1] - width + 1, PLACES):
        columns = slice(left, left + width)
        seen = patch.inside[part] & covered[mask[rows, columns]]
        if seen.any() and np.count_nonzero(seen) >= needed:
            image[rows, columns][seen] = patch.image[part][seen]
            mask[rows, columns][seen] = class_id
            return True
    return False


def covered_by(class_id: int, shares: np.ndarray) -> np.ndarray:
    """(256,) bool: the classes that are more frequent than one, and void."""
    covered = np.zeros(256, bool)
    covered[: len(shares)] = shares > shares[class_id]
    covered[IGNORE_INDEX] = True
    return covered
