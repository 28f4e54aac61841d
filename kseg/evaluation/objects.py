"""Evaluation of objects: boxes or masks of one pass over a split."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Optional

import numpy as np

from edge.core.errors import InputError
from edge.predict.results import Detections, Instances
from kseg.data.objects import label_map
from kseg.data.sample import Dataset, Objects
from kseg.evaluation.metrics.coco_ap import (
    BOX,
    MASK,
    PREFIXES,
    AveragePrecision,
    EvaluatedImage,
    average_precision,
    max_detections,
)
from kseg.evaluation.metrics.object_matching import (
    COUNTED_SCORE,
    IN_CROWD,
    KINDS,
    PLACED,
    Outcome,
    best_f1,
    match,
    object_accuracy,
    outcome_of,
)
from kseg.evaluation.metrics.panoptic import PanopticQuality, without_overlaps
from kseg.evaluation.metrics.regions import (
    Part,
    Regions,
    iou_matrix,
    regions_of_objects,
    regions_of_result,
)

EQUAL_IOU = 0.9  # of two results that agree
# AP needs the results with low scores too; a camera has no use for them.
DECODER = {"score": 0.05, "max_detections": 1000}


@dataclass
class ObjectEvaluator:
    """Collects objects and results: the `Evaluator` of detections and instances.

    With `masks` the masks decide, else the boxes. Masks are kept in run-length
    encoding. `outcomes` has what is right and wrong in each image. With `fast` only
    the AP of the headline is computed. `decoder` is the decoding that AP needs.
    """

    names: tuple[str, ...]
    masks: bool
    fast: bool = False
    decoder: dict[str, Any] = field(default_factory=lambda: dict(DECODER))
    images: list[EvaluatedImage] = field(default_factory=list, repr=False)
    outcomes: list[Outcome] = field(default_factory=list, repr=False)
    panoptic: PanopticQuality = field(init=False)
    _precision: dict[tuple[str, bool], AveragePrecision] = field(
        default_factory=dict, repr=False
    )

    def __post_init__(self) -> None:
        self.panoptic = PanopticQuality(len(self.names))

    @property
    def kind(self) -> str:
        """What decides: MASK or BOX."""
        return MASK if self.masks else BOX

    @property
    def headline(self) -> str:
        return f"{PREFIXES[self.kind]}_ap"

    @property
    def needs_confidence(self) -> bool:
        return False

    @property
    def num_objects(self) -> int:
        """The number of labelled objects, without crowds."""
        return sum(int((~image.truth.crowd).sum()) for image in self.images)

    def add(self, target: Objects, result: Detections) -> None:
        """Adds one image: its objects and its result.

        Raises InputError if the result has class ids outside the classes, or if masks
        are evaluated and either side has none.
        """
        self.check(target, result)
        result = best_first(result)
        parts = list(result.masks()) if self.masks else None
        truth = regions_of_objects(target, result.size, self.masks)
        found = regions_of_result(result, parts)
        self.images.append(EvaluatedImage(result.size, truth, found))
        self._precision.clear()
        if self.fast:
            return
        iou = iou_matrix(found, truth, self.masks)
        self.outcomes.append(outcome_of(iou, found, truth))
        if parts is not None:
            self.add_panoptic(target, result, parts)

    def check(self, target: Objects, result: Detections) -> None:
        """Raises InputError as `add` does."""
        ids, count = result.class_ids, len(self.names)
        if ids.max(initial=0) >= count:
            raise InputError(
                f"the model predicts class {ids.max()}, but the data have only "
                f"{count} classes; use data with the classes of the model"
            )
        if self.masks and target.masks is None:
            raise InputError(
                "its objects have boxes only, but masks are evaluated; outline the "
                "objects, or evaluate a model of the task detection"
            )
        if self.masks and not isinstance(result, Instances):
            raise InputError(
                "the model predicts boxes only, but the data have masks; use a model "
                "of the task instance, or data of the task detection"
            )

    def add_panoptic(
        self, target: Objects, result: Detections, parts: list[Part]
    ) -> None:
        """Adds the counted results of an image to the panoptic quality."""
        count = int((result.scores >= COUNTED_SCORE).sum())
        self.panoptic.add(
            label_map(target, result.size),
            target.class_ids,
            target.crowd,
            without_overlaps(parts[:count], result.size),
            result.class_ids[:count],
        )

    def precision(self, kind: str, by_area: bool = True) -> AveragePrecision:
        """The average precision of BOX or MASK; computed once for the same images."""
        key = kind, by_area
        if key not in self._precision:
            self._precision[key] = average_precision(
                self.images, len(self.names), kind, by_area
            )
        return self._precision[key]

    def value(self) -> float:
        """Returns the AP, in [0, 1]. Raises InputError if no object is labelled."""
        ap = self.precision(self.kind, by_area=not self.fast).ap()
        if ap is None:
            raise InputError(
                "no object is labelled in this split; label some of its images"
            )
        return ap

    def headlines(self) -> dict[str, float]:
        """Returns the AP of masks, if they are evaluated, and of boxes, in [0, 1].

        Without labelled objects they are 0.
        """
        kinds = (MASK, BOX) if self.masks else (BOX,)
        return {
            f"{PREFIXES[kind]}_ap": self.precision(kind, by_area=False).ap() or 0.0
            for kind in kinds
        }

    def agreement(self, expected: Detections, found: Detections) -> tuple[int, int]:
        """Counts the equal objects of two results of one image, and all of them.

        Objects are equal if their class is the same and their IoU is 0.9 or more; those
        with a score under COUNTED_SCORE do not count. All is the larger number of both.
        """
        first, second = (self.counted_regions(each) for each in (expected, found))
        _, pairs = self.pairs_of(first, second, EQUAL_IOU)
        return int((pairs >= 0).sum()), max(len(first), len(second))

    def differences(
        self, expected: Detections, found: Detections
    ) -> dict[str, list[float]]:
        """Compares the objects that two results of one image have in common.

        These have the same class and an IoU of 0.5 or more. mean_matched_iou has the
        IoU of each pair, score_difference the absolute difference of its scores.
        Objects with a score under COUNTED_SCORE do not count.
        """
        first, second = (self.counted_regions(each) for each in (expected, found))
        iou, pairs = self.pairs_of(first, second, PLACED)
        rows = np.flatnonzero(pairs >= 0)
        scores = np.abs(second.scores[rows] - first.scores[pairs[rows]])
        return {
            "mean_matched_iou": iou[rows, pairs[rows]].tolist(),
            "score_difference": scores.tolist(),
        }

    def pairs_of(
        self, expected: Regions, found: Regions, threshold: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """The IoU (D, G) of found and expected regions, and `match` of both (D,)."""
        iou = iou_matrix(found, expected, self.masks)
        same = np.equal.outer(found.class_ids, expected.class_ids)
        return iou, match(iou, same, expected.crowd, threshold)

    def counted_regions(self, result: Detections) -> Regions:
        """The regions of the results with a score of COUNTED_SCORE or more."""
        kept = best_first(result)
        kept = kept[kept.scores >= COUNTED_SCORE]
        return regions_of_result(kept, list(kept.masks()) if self.masks else None)

    def metrics(self) -> dict[str, Any]:
        """Returns the content of metrics.json.

        AP, AP50, AP75, the AP by area and AR100 are COCO's, with the prefix mask_ or
        box_; max_detections is the number of results that they count of a class and
        image. pq is the mean panoptic quality, accuracy50 is TP / (TP + FP + FN) at an
        IoU of 0.5, errors are numbers by kind, count_error is the mean over images
        without crowds of |found - labelled|: all of these of results with a score of
        counted_score or more. best_score is the score with the highest F1 of a class.
        Without objects a value is None.
        """
        headline = self.precision(self.kind, by_area=not self.fast)
        common = {
            "images": len(self.images),
            "objects": self.num_objects,
            **headline.metrics(PREFIXES[self.kind]),
        }
        limit = {"max_detections": max_detections(self.images)}
        if self.fast:
            return {**common, "per_class": self.per_class(headline), **limit}
        boxes = self.precision(BOX).metrics(PREFIXES[BOX]) if self.masks else {}
        return {
            **common,
            **boxes,
            "per_class": self.per_class(headline),
            **({"pq": self.panoptic.mean()} if self.masks else {}),
            **self.counts(),
            **limit,
        }

    def counts(self) -> dict[str, Any]:
        """What metrics.json has of the results with COUNTED_SCORE or more."""
        hits = sum((each.hits() for each in self.outcomes), np.zeros(3, int))
        kinds = sum((each.kinds() for each in self.outcomes), np.zeros(len(KINDS), int))
        differences = [
            abs(each.counted - each.labelled)
            for each in self.outcomes
            if not each.crowd.any()
        ]
        labelled = self.num_objects > 0
        return {
            "accuracy50": object_accuracy(*hits.tolist()) if labelled else None,
            "count_error": float(np.mean(differences)) if differences else None,
            "errors": dict(zip(KINDS, kinds.tolist(), strict=True)),
            "counted_score": COUNTED_SCORE,
        }

    def per_class(self, precision: AveragePrecision) -> dict[str, dict[str, Any]]:
        """AP, AP50 and number of objects of each class, and its best score."""
        ids = [image.truth.class_ids[~image.truth.crowd] for image in self.images]
        numbers = np.bincount(joined(ids, int), minlength=len(self.names))
        rows: dict[str, dict[str, Any]] = {}
        for index, (name, number) in enumerate(zip(self.names, numbers, strict=True)):
            row: dict[str, Any] = {
                "ap": precision.ap(class_id=index),
                "ap50": precision.ap(0.5, class_id=index),
                "objects": int(number),
            }
            if not self.fast:
                score, f1 = self.best_score(index, int(number))
                row |= {"best_score": score, "best_f1": f1}
            rows[name] = row
        return rows

    def best_score(
        self, class_id: int, labelled: int
    ) -> tuple[Optional[float], Optional[float]]:
        """The score of a class with the highest F1 at an IoU of 0.5, and that F1."""
        scores, matches = [], []
        for each in self.outcomes:
            kept = (each.class_ids == class_id) & (each.matches != IN_CROWD)
            scores.append(each.scores[kept])
            matches.append(each.matches[kept])
        return best_f1(joined(scores, float), joined(matches, int) >= 0, labelled)


def joined(arrays: list[np.ndarray], kind: type) -> np.ndarray:
    """Joins arrays (n,) of all images; there may be no image."""
    return np.concatenate([np.zeros(0, kind), *arrays])


def best_first(result: Detections) -> Detections:
    """The result with falling scores; equal scores keep their order."""
    order = np.argsort(-result.scores, kind="stable")
    return result if (np.diff(order) > 0).all() else result[order]


def instance_evaluator(data: Dataset, fast: bool = False) -> ObjectEvaluator:
    """The `ObjectEvaluator` of masks: an entry of EVALUATORS."""
    return ObjectEvaluator(data.class_names, masks=True, fast=fast)


def detection_evaluator(data: Dataset, fast: bool = False) -> ObjectEvaluator:
    """The `ObjectEvaluator` of boxes: an entry of EVALUATORS."""
    return ObjectEvaluator(data.class_names, masks=False, fast=fast)
