"""The evaluation of semantic maps: what one pass over a split counts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Optional

import numpy as np

from edge.core.errors import InputError
from edge.predict.results import SemanticMap
from kseg.evaluation.metrics.boundary import (
    OF_DIAGONAL,
    boundary_counts,
    boundary_iou,
    distance_in,
)
from kseg.evaluation.metrics.components import Components


@dataclass
class SemanticEvaluator:
    """What one pass over a split has counted of it: the `Evaluator` of semantic maps.

    `matrix` (C, C) is the confusion matrix, `boundary` (C, 2) as `boundary_counts`,
    `per_image_iou` (C,) of each image, nan where a class is absent. `fast` counts the
    confusion matrix alone: enough for `value`.
    """

    names: tuple[str, ...]
    fast: bool = False
    headline: str = "mean_iou"
    matrix: np.ndarray = field(init=False)
    boundary: np.ndarray = field(init=False)
    components: Components = field(init=False)
    per_image_iou: list[np.ndarray] = field(default_factory=list)

    def __post_init__(self) -> None:
        count = len(self.names)
        self.matrix = np.zeros((count, count), np.int64)
        self.boundary = np.zeros((count, 2), np.int64)
        self.components = Components(count)

    @property
    def needs_confidence(self) -> bool:
        return not self.fast

    def add(self, target: np.ndarray, result: SemanticMap) -> None:
        """Counts one image: a mask (H, W) of ids and what was predicted.

        Raises InputError for predictions outside the classes.
        """
        labels, count = result.labels, len(self.names)
        if labels.max(initial=0) >= count:
            raise InputError(
                f"the model predicts class {labels.max()}, the data have {count} "
                "classes; give data of its own classes"
            )
        self.count(target, labels, result.confidence)

    def count(
        self, mask: np.ndarray, labels: np.ndarray, confidence: Optional[np.ndarray]
    ) -> None:
        """Counts ids (H, W) twice, and confidence (H, W) float32 where it is known."""
        from kseg.evaluation.metrics.confusion import confusion_matrix, iou_per_class

        count = len(self.names)
        matrix = confusion_matrix(mask, labels, count)
        self.matrix += matrix
        if self.fast:
            return
        self.per_image_iou.append(iou_per_class(matrix))
        self.boundary += boundary_counts(mask, labels, count, distance_in(mask.shape))
        self.components.add(mask, labels, confidence)

    def value(self) -> float:
        """Mean IoU, in [0, 1]. Raises InputError where no pixel is labelled."""
        from kseg.evaluation.metrics.confusion import iou_per_class, mean_of_present

        mean = mean_of_present(iou_per_class(self.matrix))
        if mean is None or not self.matrix.any():
            raise InputError(
                "no pixel is labelled, all masks are void: there is nothing to measure "
                "against; label some images of this split"
            )
        return mean

    def agreement(self, expected: SemanticMap, found: SemanticMap) -> tuple[int, int]:
        """How many pixels of two results of one image are equal, of how many."""
        equal = expected.labels == found.labels
        return int(equal.sum()), equal.size

    def figures(self) -> dict[str, Any]:
        """The content of metrics.json: the accumulated ones of `summarize`, and beside
        them what only resembles them, each under its own name.

        boundary_iou is the mean over classes of boundary IoU, its distance a share of
        the diagonal. mean_iou_per_image is the mean over pictures of a picture's mean
        IoU over the classes that it or its prediction has: a small picture counts like
        a large one, and a class counts by the pictures that have it. It is not mean IoU
        (Csurka, Larlus and Perronnin, BMVC 2013, compare the two). component_ap50 is
        null where the network gives labels without scores.
        """
        from kseg.evaluation.metrics.confusion import mean_of_present, named, summarize

        boundary = boundary_iou(self.boundary)
        precision = self.components.average_precision()
        per_image = [mean_of_present(iou) for iou in self.per_image_iou]
        seen = [value for value in per_image if value is not None]
        return {
            **summarize(self.matrix, self.names, len(self.per_image_iou)),
            "boundary_iou": mean_of_present(boundary),
            "boundary_distance_of_diagonal": OF_DIAGONAL,
            "per_class_boundary_iou": named(self.names, boundary),
            "mean_iou_per_image": float(np.mean(seen)) if seen else None,
            "component_ap50": mean_of_present(precision),
            "per_class_component_ap50": named(self.names, precision),
        }
