"""Classical segmentation measured as objects: each connected segment is one object.

A grouping knows no classes, so all objects are of one class. The score of an object is
the contrast of its border.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Callable, Optional

import numpy as np

from edge.core.constants import palette
from edge.engines.base import Output, TensorSpec
from edge.model_file.info import InputGeometry, ModelInfo
from edge.predict.base import Placement, Predictor
from edge.predict.decoder import decoder_of
from edge.predict.results import Instances
from kseg.data.objects import objects_of_map
from kseg.data.sample import Dataset, Objects, Sample, Split
from kseg.evaluation.grouping import (
    DEFAULT_SEGMENTS,
    GroupingEngine,
    gradient,
    open_grouping,
    smooth,
)

OBJECT = "object"  # the class of all segments
LEAST_AREA = 16  # pixels; smaller segments are left out, as in `shapes`
LOGIT = 8.0  # of a pixel inside a mask; outside it is negative


class BorderedGroupingEngine(GroupingEngine):
    """Runs a grouping: segment ids, and the gradient of the image (H, W) float32."""

    outputs = (
        *GroupingEngine.outputs,
        TensorSpec("gradient", (1, -1, -1), np.dtype(np.float32)),
    )

    def __call__(self, image: np.ndarray) -> tuple[Output, ...]:
        strength = gradient(smooth(image))
        return (*super().__call__(image), Output(strength, self.outputs[1]))


class ObjectGroupingPredictor(Predictor[Instances]):
    """Makes an object of each connected part of a segment, best score first."""

    def decode(
        self, outputs: tuple[Output, ...], placement: Placement, confidence: bool
    ) -> Instances:
        parts = connected_parts(outputs[0].raw)
        found = objects_of_map(parts, np.zeros(parts.max(), int), LEAST_AREA)
        assert found.masks is not None
        # objects_of_map leaves small parts out, and keeps the order of the others.
        kept = np.flatnonzero(np.bincount(parts.ravel())[1:] >= LEAST_AREA)
        scores = border_scores(parts, outputs[1].raw)[kept]
        decoder = decoder_of(self.info)
        order = np.argsort(-scores, kind="stable")
        order = order[scores[order] >= decoder.score][: decoder.max_detections]
        y, x = np.float32(placement.image_size) / np.float32(placement.content_size)
        boxes = (found.boxes * np.float32([x, y, x, y]))[order]
        crops = (np.where(found.masks[k], LOGIT, -LOGIT) for k in order)
        return Instances(
            boxes,
            found.class_ids[order],
            scores[order],
            placement.image_size,
            mask_crops=tuple(crop.astype(np.float32) for crop in crops),
            mask_spans=boxes,
        )


def connected_parts(segments: np.ndarray) -> np.ndarray:
    """Ids (H, W) of segments -> ids (H, W) of their connected parts, from 1 up.

    Pixels are connected by their sides.

    >>> connected_parts(np.uint8([[0, 0, 1], [1, 0, 1]])).tolist()
    [[1, 1, 2], [3, 1, 2]]
    """
    from skimage.measure import label

    return label(segments.astype(np.int32) + 1, connectivity=1)


def border_scores(parts: np.ndarray, strength: np.ndarray) -> np.ndarray:
    """The score of each part, (N,) float32 in [0, 1), from the gradient at its border.

    `parts` (H, W) has ids 1 to N, `strength` (H, W) the gradient. A step between two
    pixels counts with the larger of both; the mean g of a part's steps gives
    g / (1 + g). The edge of the image is no border.
    """
    count = int(parts.max()) + 1
    length, total = np.zeros(count), np.zeros(count)
    for first, second in (np.s_[1:], np.s_[:-1]), (np.s_[:, 1:], np.s_[:, :-1]):
        apart = parts[first] != parts[second]
        step = np.maximum(strength[first], strength[second])[apart]
        for side in (first, second):
            ids = parts[side][apart]
            length += np.bincount(ids, minlength=count)
            total += np.bincount(ids, step, minlength=count)
    mean = total / np.maximum(length, 1)
    return (mean / (1 + mean))[1:].astype(np.float32)


def open_object_grouping(
    model: str, segments: Optional[int] = None
) -> ObjectGroupingPredictor:
    """Opens grouping:KIND as a predictor of objects of the class OBJECT."""
    kind = model.partition(":")[2]
    engine = BorderedGroupingEngine(kind, segments or DEFAULT_SEGMENTS)
    info = ModelInfo(
        class_names=(OBJECT,),
        colors=palette(2)[1:],  # without black, which is not drawn
        task="instance",
        geometry=InputGeometry(minimum=2),  # texture needs a neighbouring pixel
    )
    return ObjectGroupingPredictor(engine, info)


def open_box_grouping(
    model: str, segments: Optional[int] = None
) -> ObjectGroupingPredictor:
    """As `open_object_grouping`, for the task detection."""
    predictor = open_object_grouping(model, segments)
    predictor.info = replace(predictor.info, task="detection")
    return predictor


# Task -> function (grouping:KIND, number of segments) that opens its predictor.
OPENERS: dict[str, Callable[[str, Optional[int]], Predictor]] = {
    "semantic": open_grouping,
    "instance": open_object_grouping,
    "detection": open_box_grouping,
}


# --- data with one class ---


@dataclass(frozen=True)
class OneClassSplit:
    """The images of a split, with all objects of class 0."""

    split: Split

    @property
    def names(self) -> list[str]:
        return self.split.names

    @property
    def sizes(self) -> list[tuple[int, int]]:
        return self.split.sizes

    @property
    def files(self) -> list[Path]:
        return self.split.files

    def read(self, index: int) -> Sample:
        image, target = self.split.read(index)
        assert isinstance(target, Objects)
        return Sample(image, replace(target, class_ids=np.zeros_like(target.class_ids)))


def with_one_class(data: Dataset) -> Dataset:
    """The data set with the class OBJECT in place of its classes."""
    splits: dict[str, Split] = {k: OneClassSplit(v) for k, v in data.splits.items()}
    return replace(data, class_names=(OBJECT,), colors=palette(2)[1:], splits=splits)
