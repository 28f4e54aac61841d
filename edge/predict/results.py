"""Prediction results: a class for each pixel, detections, or instances."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Iterator, Optional, Tuple, Union

import cv2
import numpy as np

from edge.core.constants import IGNORE_INDEX
from edge.model_file.info import ModelInfo


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
            shares[void] = float(counts[IGNORE_INDEX]) / self.labels.size
        return shares


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
        """The objects at indices, or where a bool mask (N,) is true."""
        tracks = None if self.track_ids is None else self.track_ids[where]
        return replace(
            self,
            boxes=self.boxes[where],
            class_ids=self.class_ids[where],
            scores=self.scores[where],
            track_ids=tracks,
        )


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
        places = np.arange(len(self))[where]
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

        The mask is bilinear from the logits and covers the object's box only.
        """
        limit = float(np.log(threshold / (1 - threshold)))
        for box, crop, span in zip(self.boxes, self.mask_crops, self.mask_spans):
            rows = window(box[1], box[3], self.size[0])
            columns = window(box[0], box[2], self.size[1])
            shape = (rows.stop - rows.start, columns.stop - columns.start)
            if not all(shape):
                yield rows, columns, np.zeros(shape, bool)
                continue
            y = cells_of(rows, span[1], span[3], crop.shape[0])
            x = cells_of(columns, span[0], span[2], crop.shape[1])
            columns_at, rows_at = (a.astype(np.float32) for a in np.meshgrid(x, y))
            values = cv2.remap(
                np.ascontiguousarray(crop, np.float32),
                columns_at,
                rows_at,
                cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_REPLICATE,
            )
            yield rows, columns, values > limit

    def label_map(self) -> np.ndarray:
        """(H, W) uint16: 0 for no object, k + 1 for object k; higher scores win."""
        result = np.zeros(self.size, np.uint16)
        for index, (rows, columns, mask) in reversed(list(enumerate(self.masks()))):
            result[rows, columns][mask] = index + 1
        return result

    def to_semantic(self) -> SemanticMap:
        """The class of the object with the highest score at each pixel, else void.

        Objects have no background class.
        """
        ids = np.append(IGNORE_INDEX, self.class_ids).astype(np.uint8)
        return SemanticMap(ids[self.label_map()])


def window(start: float, end: float, length: int) -> slice:
    """The pixels of an image's side that an interval touches.

    >>> window(-1.5, 2.2, 10)
    slice(0, 3, None)
    """
    first = min(max(0, int(np.floor(start))), length)
    return slice(first, max(first, min(length, int(np.ceil(end)))))


def cells_of(pixels: slice, start: float, end: float, count: int) -> np.ndarray:
    """The pixel centres as coordinates of `count` cells that span start to end."""
    centers = np.arange(pixels.start, pixels.stop) + 0.5
    return (centers - start) * (count / (end - start)) - 0.5


Result = Union[SemanticMap, Detections, Instances]
