"""Objects and results of an image as COCO's tools read them: x, y, w, h and RLE.

The run-length encoding (RLE) is that of pycocotools: a mask of the whole image, column
by column.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Iterable, Iterator, Optional, Sequence

import numpy as np

from edge.predict.results import Detections
from kseg.data.objects import mask_window
from kseg.data.sample import Objects

Rle = dict[str, Any]
Part = tuple[slice, slice, np.ndarray]  # rows, columns, and the bool mask there


@dataclass(frozen=True)
class Regions:
    """Labelled objects or results of one image.

    `boxes` (N, 4) float64 are x, y, width, height in pixels, `class_ids` (N,) int,
    `scores` (N,) float64, 1 for labelled objects, `crowd` (N,) bool. `rles` are N masks
    of the whole image, None without masks.
    """

    boxes: np.ndarray
    class_ids: np.ndarray
    scores: np.ndarray
    crowd: np.ndarray
    rles: Optional[tuple[Rle, ...]] = None

    def __len__(self) -> int:
        return len(self.boxes)

    @property
    def box_areas(self) -> np.ndarray:
        """(N,) float64 areas of the boxes in pixels."""
        return self.boxes[:, 2] * self.boxes[:, 3]

    @property
    def areas(self) -> np.ndarray:
        """(N,) float64 areas of the masks in pixels; of the boxes without masks."""
        from pycocotools import mask as coco_mask

        if self.rles is None:
            return self.box_areas
        # One by one: pycocotools 2.0.11 raises OverflowError for more than 255.
        return np.array([coco_mask.area(rle) for rle in self.rles], np.float64)


def regions_of_objects(objects: Objects, size: tuple[int, int], masks: bool) -> Regions:
    """Converts the labelled objects of an image of `size` (height, width).

    Raises ValueError if masks are requested of objects without them.
    """
    if masks and objects.masks is None:
        raise ValueError("objects without masks have no RLE")
    return Regions(
        extents(objects.boxes),
        np.asarray(objects.class_ids, np.int64),
        np.ones(len(objects.boxes)),
        np.asarray(objects.crowd, bool),
        rles_of(parts_of_objects(objects), size) if masks else None,
    )


def parts_of_objects(objects: Objects) -> Iterator[Part]:
    """Yields rows, columns and mask of labelled objects."""
    for box, mask in zip(objects.boxes, objects.masks or (), strict=True):
        top, bottom, left, right = mask_window(box)
        yield slice(top, bottom), slice(left, right), mask


def regions_of_result(
    result: Detections, parts: Optional[Sequence[Part]] = None
) -> Regions:
    """Converts a result; `parts` are its masks, as `Instances.masks()` yields them."""
    return Regions(
        extents(result.boxes),
        np.asarray(result.class_ids, np.int64),
        np.asarray(result.scores, np.float64),
        np.zeros(len(result), bool),
        None if parts is None else rles_of(parts, result.size),
    )


def extents(boxes: np.ndarray) -> np.ndarray:
    """(N, 4) boxes x0, y0, x1, y1 with exclusive ends -> x, y, width, height float64.

    >>> extents(np.float32([[2, 3, 10, 4]])).tolist()
    [[2.0, 3.0, 8.0, 1.0]]
    """
    corners = np.float64(boxes).reshape(-1, 4)
    return np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)


def rles_of(parts: Iterable[Part], size: tuple[int, int]) -> tuple[Rle, ...]:
    """Encodes masks that are given by their rows and columns of an image."""
    return tuple(
        encode(mask, rows.start, columns.start, size) for rows, columns, mask in parts
    )


def encode(mask: np.ndarray, top: int, left: int, size: tuple[int, int]) -> Rle:
    """Encodes a bool mask (h, w), whose first pixel is at (top, left) of an image.

    Equals pycocotools' encoding of the whole image of `size` (height, width), without
    its pixels: the time depends on the mask only. Pixels beyond the image are dropped.
    """
    from pycocotools import mask as coco_mask

    height, width = size
    mask = mask[max(0, -top) : max(0, height - top), max(0, -left) :]
    mask = mask[:, : max(0, width - max(0, left))]
    top, left = max(0, top), max(0, left)
    steps = np.diff(mask.T.astype(np.int8), axis=1, prepend=0, append=0)
    columns, rows = np.nonzero(steps)
    places = (left + columns) * height + top + rows
    # A run that reaches the bottom and goes on at the top of the next column is one.
    goes_on = places[1:] == places[:-1]
    kept = np.ones(len(places), bool)
    kept[1:] &= ~goes_on
    kept[:-1] &= ~goes_on
    counts = np.diff(places[kept], prepend=0, append=height * width).tolist()
    if len(counts) > 1 and not counts[-1]:
        counts.pop()
    runs = {"size": [height, width], "counts": counts}
    return coco_mask.frPyObjects(runs, height, width)


def iou_matrix(found: Regions, truth: Regions, masks: bool) -> np.ndarray:
    """(D, G) float64: the IoU of each result and each object, of masks or of boxes.

    For a crowd it is the share of the result that is inside, as in COCO.
    """
    from pycocotools import mask as coco_mask

    if not len(found) or not len(truth):
        return np.zeros((len(found), len(truth)))
    crowd = truth.crowd.astype(np.uint8)
    if masks:
        return coco_mask.iou(list(found.rles), list(truth.rles), crowd)
    return coco_mask.iou(found.boxes, truth.boxes, crowd)
