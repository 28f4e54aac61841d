"""Prediction results: a class for each pixel, detections, or instances."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Iterator, Optional, Tuple, Union

import cv2
import numpy as np

from edge.core.constants import IGNORE_INDEX
from edge.core.errors import InputError
from edge.model_file.info import ModelInfo, class_name


@dataclass(frozen=True)
class SemanticMap:
    """The class of each pixel.

    `labels` (H, W) uint8 are class ids, 255 void; `confidence` (H, W) float32 in (0, 1]
    is the probability of each pixel's class, None if it is unknown or was not
    requested.
    """

    labels: np.ndarray
    confidence: Optional[np.ndarray] = None

    def shares(self, info: ModelInfo, void: str = "") -> dict[str, float]:
        """The share of the pixels of each class that occurs, in order of class id.

        `void` is the name for void pixels; without one they are left out.

        >>> info = ModelInfo(class_names=("road", "car"), colors=((0, 0, 1), (0, 1, 0)))
        >>> SemanticMap(np.uint8([[0, 1, 1, 255]])).shares(info)
        {'road': 0.25, 'car': 0.5}
        """
        counts = cv2.calcHist([self.labels], [0], None, [256], [0, 256]).ravel()
        shares = {
            name: float(count) / self.labels.size
            for name, count in zip(info.class_names, counts)
            if count
        }
        if void and counts[IGNORE_INDEX]:
            share = float(counts[IGNORE_INDEX]) / self.labels.size
            shares[void] = shares.get(void, 0.0) + share  # a class may have that name
        return shares

    def confidences(self, info: ModelInfo) -> dict[str, float]:
        """The mean confidence of the pixels of each class that occurs, by class id.

        {} if the confidence is unknown.

        >>> info = ModelInfo(class_names=("road", "car"), colors=((0, 0, 1), (0, 1, 0)))
        >>> labels, confidence = np.uint8([[0, 1, 1]]), np.float32([[1, 0.5, 0.75]])
        >>> SemanticMap(labels, confidence).confidences(info)
        {'road': 1.0, 'car': 0.625}
        """
        if self.confidence is None:
            return {}
        ids = self.labels.ravel()
        sums = np.bincount(ids, self.confidence.ravel(), minlength=256)
        counts = np.bincount(ids, minlength=256)
        return {
            name: float(total / count)
            for name, total, count in zip(info.class_names, sums, counts)
            if count
        }


@dataclass(frozen=True)
class Detections:
    """Detected objects as boxes, highest score first.

    `boxes` (N, 4) float32 are x0, y0, x1, y1 in image pixels, right and bottom edges
    exclusive; `class_ids` (N,) int32; `scores` (N,) float32 in [0, 1]; `size` is the
    (height, width) of the image.
    """

    boxes: np.ndarray
    class_ids: np.ndarray
    scores: np.ndarray
    size: Tuple[int, int]
    track_ids: Optional[np.ndarray] = None  # (N,) int32, from tracking

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, where: np.ndarray) -> Detections:
        """The objects at indices, or where a bool mask (N,) is true.

        An integer gives a result of one object, so that a loop gives them one by one.
        """
        where = np.atleast_1d(np.arange(len(self))[where])
        tracks = None if self.track_ids is None else self.track_ids[where]
        return replace(
            self,
            boxes=self.boxes[where],
            class_ids=self.class_ids[where],
            scores=self.scores[where],
            track_ids=tracks,
        )

    def counts(self, info: ModelInfo) -> dict[str, int]:
        """The number of objects of each class that occurs, in order of class id.

        >>> info = ModelInfo(class_names=("cat", "dog"), colors=((0, 0, 1), (0, 1, 0)))
        >>> none = np.zeros((3, 4), np.float32)
        >>> Detections(none, np.int32([1, 0, 1]), none[:, 0], (4, 4)).counts(info)
        {'cat': 1, 'dog': 2}
        """
        ids, counts = np.unique(self.class_ids, return_counts=True)
        return {class_name(info, i): int(count) for i, count in zip(ids, counts)}

    def masks(
        self, threshold: float = 0.5
    ) -> Iterator[Tuple[slice, slice, np.ndarray]]:
        """For each object: rows, columns, and the bool mask of these pixels.

        They are those that the object's box touches; without masks, all of them are
        the object's.
        """
        for box in self.boxes:
            rows, columns = box_window(box, self.size)
            yield rows, columns, np.ones(shape_of(rows, columns), bool)

    def label_map(self) -> np.ndarray:
        """(H, W) uint16: 0 for no object, k + 1 for object k; higher scores win."""
        result = np.zeros(self.size, np.uint16)
        for index, (rows, columns, mask) in reversed(list(enumerate(self.masks()))):
            result[rows, columns][mask] = index + 1
        return result

    def to_semantic(self) -> SemanticMap:
        """The class of the object with the highest score at each pixel, else void.

        Objects have no background class; class ids are below 255.
        """
        ids = np.append(IGNORE_INDEX, self.class_ids).astype(np.uint8)
        return SemanticMap(ids[self.label_map()])


@dataclass(frozen=True)
class Instances(Detections):
    """Detected objects with masks.

    Each of the N `mask_crops` (h, w) float32 holds logits at the resolution of the
    model's output, and covers `mask_spans[k]`: (N, 4) float32 x0, y0, x1, y1 in image
    pixels.
    """

    mask_crops: Tuple[np.ndarray, ...] = ()
    mask_spans: np.ndarray = field(default_factory=lambda: np.zeros((0, 4), np.float32))

    def __getitem__(self, where: np.ndarray) -> Instances:
        """The objects at indices, or where a bool mask (N,) is true."""
        places = np.atleast_1d(np.arange(len(self))[where])
        chosen = super().__getitem__(where)
        assert isinstance(chosen, Instances)
        return replace(
            chosen,
            mask_crops=tuple(self.mask_crops[place] for place in places),
            mask_spans=self.mask_spans[places],
        )

    def masks(
        self, threshold: float = 0.5
    ) -> Iterator[Tuple[slice, slice, np.ndarray]]:
        """For each object: rows, columns, and the bool mask of these pixels.

        The rows and columns are those that the object's box touches. The mask is
        bilinear from the logits; outside of the crop it is false. Raises InputError for
        a threshold that is not between 0 and 1.
        """
        if not 0 < threshold < 1:
            raise InputError(f"threshold {threshold}: must be over 0 and under 1")
        limit = float(np.log(threshold / (1 - threshold)))
        for box, crop, span in zip(self.boxes, self.mask_crops, self.mask_spans):
            rows, columns = box_window(box, self.size)
            inner = box_window(span, self.size, (rows, columns))
            mask = enlarged(crop, span, *inner) > limit
            if inner != (rows, columns):
                whole = np.zeros(shape_of(rows, columns), bool)
                top, left = inner[0].start - rows.start, inner[1].start - columns.start
                whole[top : top + mask.shape[0], left : left + mask.shape[1]] = mask
                mask = whole
            yield rows, columns, mask


def enlarged(
    crop: np.ndarray, span: np.ndarray, rows: slice, columns: slice
) -> np.ndarray:
    """The values of a crop (h, w) that covers `span`, at pixels: bilinear float32."""
    shape = shape_of(rows, columns)
    if not all(shape):
        return np.zeros(shape, np.float32)
    # Pixel i has its centre at i + 0.5, as has cell i in units of cells.
    x, y = crop.shape[1] / (span[2] - span[0]), crop.shape[0] / (span[3] - span[1])
    cells_of_pixels = np.array(
        [
            [x, 0, (columns.start + 0.5 - span[0]) * x - 0.5],
            [0, y, (rows.start + 0.5 - span[1]) * y - 0.5],
        ],
        np.float64,
    )
    return cv2.warpAffine(
        np.ascontiguousarray(crop, np.float32),
        cells_of_pixels,
        shape[::-1],
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )


def box_window(
    box: np.ndarray, size: Tuple[int, int], within: Optional[Tuple[slice, slice]] = None
) -> Tuple[slice, slice]:
    """The rows and columns of an image that a box touches, or of a part of it."""
    rows, columns = within or (slice(0, size[0]), slice(0, size[1]))
    return window(box[1], box[3], rows), window(box[0], box[2], columns)


def window(start: float, end: float, within: slice) -> slice:
    """The pixels of one side of a window that an interval touches.

    >>> window(-1.5, 2.2, slice(0, 10)), window(12, 15, slice(0, 10))
    (slice(0, 3, None), slice(10, 10, None))
    """
    first = min(max(within.start, math.floor(start)), within.stop)
    return slice(first, max(first, min(within.stop, math.ceil(end))))


def shape_of(rows: slice, columns: slice) -> Tuple[int, int]:
    """The (height, width) of a window."""
    return rows.stop - rows.start, columns.stop - columns.start


Result = Union[SemanticMap, Detections, Instances]
