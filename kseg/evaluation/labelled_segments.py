"""Evaluates a grouping: the ground truth gives its segments their classes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from edge.predict.results import SemanticMap
from edge.predict.semantic import SemanticPredictor
from kseg.data.sample import Dataset, Sample
from kseg.evaluation.grouping import label_by_majority
from kseg.evaluation.semantic import SemanticEvaluator


@dataclass
class LabelledSegmentsEvaluator(SemanticEvaluator):
    """Gives each segment the majority class of the ground truth, then counts.

    No other assignment of classes to these segments has a higher pixel accuracy.
    """

    def add(self, target: np.ndarray, result: SemanticMap) -> None:
        super().add(target, label_segments(target, result, len(self.names)))


def label_segments(
    mask: np.ndarray, result: SemanticMap, num_classes: int
) -> SemanticMap:
    """Replaces segment ids (H, W) by the majority class of a mask (H, W) in each."""
    return replace(result, labels=label_by_majority(result.labels, mask, num_classes))


def match_ground_truth(
    predictor: SemanticPredictor, data: Dataset
) -> tuple[SemanticPredictor, LabelledSegmentsEvaluator]:
    """Returns a grouping with the classes of the data, and its evaluator."""
    matched = SemanticPredictor(predictor.engine, data.info)
    return matched, LabelledSegmentsEvaluator(data.class_names)


def with_labelled_segments(
    sample: Sample, result: SemanticMap, num_classes: int
) -> SemanticMap:
    """Labels the segments of a result by the mask of its sample."""
    return label_segments(sample.target, result, num_classes)
