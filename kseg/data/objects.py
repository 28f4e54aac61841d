"""Objects of an image: made from a map of instances, and painted as one."""

from __future__ import annotations

from dataclasses import replace
from typing import Optional, Sequence

import cv2
import numpy as np

from edge.core.constants import IGNORE_INDEX
from kseg.data.sample import Objects

# x0, y0, x1, y1 in whole pixels, ends exclusive; and the bool mask of this box.
BoxAndMask = tuple[tuple[int, int, int, int], np.ndarray]


def no_objects(masks: bool = True) -> Objects:
    """The objects of an image that has none."""
    empty = np.zeros(0, np.int32)
    return Objects(
        np.zeros((0, 4), np.float32), empty, empty.astype(bool), () if masks else None
    )


def objects_of_map(
    instances: np.ndarray, class_ids: Sequence[int], least_area: int = 1
) -> Objects:
    """Makes the objects of a map (H, W) of ids: 0 for none, k + 1 for object k.

    Boxes are tight. `class_ids` has the class of each id in the map. Objects of fewer
    than `least_area` visible pixels are left out.
    """
    boxes, kept, masks = [], [], []
    for index, (x, y, width, height) in enumerate(bounding_boxes(instances)):
        if not width or index >= len(class_ids):
            continue
        mask = instances[y : y + height, x : x + width] == index + 1
        if np.count_nonzero(mask) < least_area:
            continue
        boxes.append((x, y, x + width, y + height))
        kept.append(class_ids[index])
        masks.append(mask)
    return Objects(
        np.float32(boxes).reshape(-1, 4),
        np.int32(kept),
        np.zeros(len(kept), bool),
        tuple(masks),
    )


def bounding_boxes(instances: np.ndarray) -> np.ndarray:
    """(N, 4) int x, y, width, height of the ids 1 to N of a map; zeros for absent ids.

    >>> bounding_boxes(np.uint16([[0, 2], [2, 2]])).tolist()
    [[0, 0, 0, 0], [0, 0, 2, 2]]
    """
    count = int(instances.max(initial=0))
    result = np.zeros((count, 4), np.int64)
    rows, columns = np.nonzero(instances)
    ids = instances[rows, columns].astype(np.int64) - 1
    low = np.full((count, 2), np.iinfo(np.int64).max)
    high = np.full((count, 2), -1)
    for axis, places in enumerate((columns, rows)):
        np.minimum.at(low[:, axis], ids, places)
        np.maximum.at(high[:, axis], ids, places)
    present = high[:, 0] >= 0
    result[present, :2] = low[present]
    result[present, 2:] = high[present] - low[present] + 1
    return result


def trimmed(mask: np.ndarray, left: int = 0, top: int = 0) -> Optional[BoxAndMask]:
    """The tight box of a bool mask (h, w), and the part of the mask inside it.

    The first pixel of the mask is at `left`, `top` of the image. None for an empty
    mask.

    >>> trimmed(np.array([[False, False], [False, True]]), left=5)
    ((6, 1, 7, 2), array([[ True]]))
    """
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not rows.size:
        return None
    (y0, y1), (x0, x1) = ((int(a[0]), int(a[-1]) + 1) for a in (rows, columns))
    inside = np.ascontiguousarray(mask[y0:y1, x0:x1])
    return (left + x0, top + y0, left + x1, top + y1), inside


def mask_window(box: np.ndarray) -> tuple[int, int, int, int]:
    """The rows and columns that the mask of a box covers: top, bottom, left, right."""
    left, top = np.floor(box[:2]).astype(int)
    right, bottom = np.ceil(box[2:]).astype(int)
    return int(top), int(bottom), int(left), int(right)


def label_map(objects: Objects, size: tuple[int, int]) -> np.ndarray:
    """Paints objects as a map (H, W) uint16: 0 for none, k + 1 for object k.

    Smaller objects are painted over larger ones. Raises ValueError without masks.
    """
    if objects.masks is None:
        raise ValueError("objects without masks cannot be painted")
    result = np.zeros(size, np.uint16)
    areas = [np.count_nonzero(mask) for mask in objects.masks]
    for index in np.argsort(areas, kind="stable")[::-1]:
        top, bottom, left, right = mask_window(objects.boxes[index])
        result[top:bottom, left:right][objects.masks[index]] = index + 1
    return result


def to_semantic(objects: Objects, size: tuple[int, int]) -> np.ndarray:
    """The mask (H, W) uint8 of semantic segmentation: 0 for the background.

    Class k of the objects becomes class k + 1. Crowds become void.
    """
    ids = np.where(objects.crowd, IGNORE_INDEX, objects.class_ids + 1)
    return np.append(0, ids).astype(np.uint8)[label_map(objects, size)]


def resized(objects: Objects, old: tuple[int, int], new: tuple[int, int]) -> Objects:
    """The objects of an image of size `old` when it is resized to `new`.

    Masks are resized by area: a pixel belongs to an object if half of it does.
    """
    if tuple(old) == tuple(new):
        return objects
    factor = np.float32([new[1] / old[1], new[0] / old[0]] * 2)
    boxes = objects.boxes * factor
    proposals = None if objects.proposals is None else objects.proposals * factor
    if objects.masks is None:
        return replace(objects, boxes=boxes, proposals=proposals)
    kept, found, masks = [], [], []
    for index, mask in enumerate(objects.masks):
        top, bottom, left, right = mask_window(objects.boxes[index])
        whole = np.float32([left, top, right, bottom]) * factor
        box = np.concatenate([np.floor(whole[:2]), np.ceil(whole[2:])])
        size = (max(1, int(box[2] - box[0])), max(1, int(box[3] - box[1])))
        part = trimmed(placed(mask, whole, box, size), int(box[0]), int(box[1]))
        if part is None:
            continue
        found.append(part[0])
        masks.append(part[1])
        kept.append(index)
    return Objects(
        np.float32(found).reshape(-1, 4),
        objects.class_ids[kept],
        objects.crowd[kept],
        tuple(masks),
        proposals,
    )


def placed(
    mask: np.ndarray, whole: np.ndarray, box: np.ndarray, size: tuple[int, int]
) -> np.ndarray:
    """Samples a mask that spans `whole` on the pixels of `box`; size is (w, h)."""
    scale_x = mask.shape[1] / max(1e-6, whole[2] - whole[0])
    scale_y = mask.shape[0] / max(1e-6, whole[3] - whole[1])
    smooth = mask.astype(np.float32)
    if max(scale_x, scale_y) > 1:
        smooth = cv2.blur(smooth, (max(1, round(scale_x)), max(1, round(scale_y))))
    x = (box[0] + np.arange(size[0]) + 0.5 - whole[0]) * scale_x - 0.5
    y = (box[1] + np.arange(size[1]) + 0.5 - whole[1]) * scale_y - 0.5
    columns, rows = (a.astype(np.float32) for a in np.meshgrid(x, y))
    return cv2.remap(smooth, columns, rows, cv2.INTER_LINEAR) >= 0.5
