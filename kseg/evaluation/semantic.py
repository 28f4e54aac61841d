"""Evaluation of semantic segmentation: the counts of one pass over a split."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Optional

import numpy as np

from edge.core.errors import InputError
from edge.predict.results import SemanticMap
from kseg.evaluation.metrics.boundary import (
    DISTANCE_OF_DIAGONAL,
    boundary_counts,
    boundary_distance,
    boundary_iou,
)
from kseg.evaluation.metrics.components import Components
from kseg.evaluation.metrics.reliability import (
    BINS,
    calibration_counts,
    expected_calibration_error,
)


@dataclass
class SemanticEvaluator:
    """Counts pixels, boundaries and components: the `Evaluator` of semantic maps.

    `matrix` (C, C) is the confusion matrix, `boundary` (C, 2) the sum of
    `boundary_counts`, `per_image_iou` has the IoU (C,) of each image, nan for absent
    classes. `calibration` (BINS, 3) is the sum of `calibration_counts`, None if the
    network gives no confidence. With `fast` only the confusion matrix is counted, which
    `value` needs.
    """

    names: tuple[str, ...]
    fast: bool = False
    headline: str = "mean_iou"
    decoder: dict[str, Any] = field(default_factory=dict)
    matrix: np.ndarray = field(init=False)
    boundary: np.ndarray = field(init=False)
    components: Components = field(init=False)
    calibration: Optional[np.ndarray] = field(init=False)
    per_image_iou: list[np.ndarray] = field(default_factory=list)

    def __post_init__(self) -> None:
        count = len(self.names)
        self.matrix = np.zeros((count, count), np.int64)
        self.boundary = np.zeros((count, 2), np.int64)
        self.components = Components(count)
        self.calibration = np.zeros((BINS, 3))

    @property
    def needs_confidence(self) -> bool:
        return not self.fast

    def add(self, target: np.ndarray, result: SemanticMap) -> None:
        """Counts one image: its mask (H, W) of class ids and its prediction.

        Raises InputError if the prediction has ids outside the classes, or was made of
        scores that are not finite.
        """
        labels, count = result.labels, len(self.names)
        if result.confidence is not None and not np.isfinite(result.confidence).all():
            raise InputError(
                "the model's scores are not finite, so its labels mean nothing; train "
                "or export it again"
            )
        if labels.max(initial=0) >= count:
            raise InputError(
                f"the model predicts class {labels.max()}, but the data have only "
                f"{count} classes; use data with the classes of the model"
            )
        self.count(target, labels, result.confidence)

    def count(
        self, mask: np.ndarray, labels: np.ndarray, confidence: Optional[np.ndarray]
    ) -> None:
        """Counts mask and labels (H, W), and confidence (H, W) float32 if known."""
        from kseg.evaluation.metrics.confusion import confusion_matrix, iou_per_class

        count = len(self.names)
        matrix = confusion_matrix(mask, labels, count)
        self.matrix += matrix
        if self.fast:
            return
        self.per_image_iou.append(iou_per_class(matrix))
        distance = boundary_distance(mask.shape)
        self.boundary += boundary_counts(mask, labels, count, distance)
        self.components.add(mask, labels, confidence)
        if confidence is None:
            self.calibration = None
        elif self.calibration is not None:
            self.calibration += calibration_counts(mask, labels, confidence)

    @property
    def calibration_error(self) -> Optional[float]:
        """The expected calibration error, in [0, 1]; None if it is unknown."""
        if self.calibration is None or not self.calibration[:, 0].any():
            return None
        return expected_calibration_error(self.calibration)

    def value(self) -> float:
        """Returns the mean IoU, in [0, 1]. Raises InputError if all pixels are void."""
        from kseg.evaluation.metrics.confusion import iou_per_class, mean_of_present

        mean = mean_of_present(iou_per_class(self.matrix))
        if mean is None or not self.matrix.any():
            raise InputError(
                "no pixel is labelled: all masks of this split are void; label some of "
                "its images"
            )
        return mean

    def headlines(self) -> dict[str, float]:
        """Returns the mean IoU by its name."""
        return {self.headline: self.value()}

    def differences(
        self, expected: SemanticMap, found: SemanticMap
    ) -> dict[str, list[float]]:
        """Nothing: pixels are equal or not, see `agreement`."""
        return {}

    def agreement(self, expected: SemanticMap, found: SemanticMap) -> tuple[int, int]:
        """Counts the equal pixels of two results of one image, and all its pixels."""
        equal = expected.labels == found.labels
        return int(equal.sum()), equal.size

    def metrics(self) -> dict[str, Any]:
        """Returns the content of metrics.json: those of `summarize`, and four more.

        boundary_iou is the mean boundary IoU over the classes; its distance is a
        fraction of the image diagonal. mean_iou_per_image is the mean over images of
        each image's mean IoU over the classes in its mask or prediction. Unlike in mean
        IoU, small images count as much as large ones, and a class counts by the number
        of images that contain it (compared by Csurka, Larlus and Perronnin, BMVC 2013).
        component_ap50 and the expected calibration error are None if the network gives
        no confidence.
        """
        from kseg.evaluation.metrics.confusion import mean_of_present, named, summarize

        boundary = boundary_iou(self.boundary)
        precision = self.components.average_precision()
        per_image = [mean_of_present(iou) for iou in self.per_image_iou]
        known = [value for value in per_image if value is not None]
        return {
            **summarize(self.matrix, self.names, len(self.per_image_iou)),
            "boundary_iou": mean_of_present(boundary),
            "boundary_distance_of_diagonal": DISTANCE_OF_DIAGONAL,
            "per_class_boundary_iou": named(self.names, boundary),
            "mean_iou_per_image": float(np.mean(known)) if known else None,
            "component_ap50": mean_of_present(precision),
            "per_class_component_ap50": named(self.names, precision),
            "expected_calibration_error": self.calibration_error,
        }
