"""A grouping measured with the data's classes: the truth names its segments."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from edge.predict.results import SemanticMap
from edge.predict.semantic import SemanticPredictor
from kseg.data.sample import Dataset, Sample
from kseg.evaluation.grouping import name_by_majority
from kseg.evaluation.semantic import SemanticEvaluator


@dataclass
class NamedSegments(SemanticEvaluator):
    """Gives each segment the class that the truth has most of there, then counts.

    No naming of these segments has a higher pixel accuracy.
    """

    def add(self, target: np.ndarray, result: SemanticMap) -> None:
        super().add(target, named_by(target, result, len(self.names)))


def named_by(mask: np.ndarray, result: SemanticMap, num_classes: int) -> SemanticMap:
    """Segments (H, W) -> the class that a mask (H, W) has most of in each."""
    return replace(result, labels=name_by_majority(result.labels, mask, num_classes))


def match_ground_truth(
    predictor: SemanticPredictor, data: Dataset
) -> tuple[SemanticPredictor, NamedSegments]:
    """A grouping with the data's classes, and the evaluator that names its segments."""
    return SemanticPredictor(predictor.engine, data.info), NamedSegments(
        data.class_names
    )


def as_shown(sample: Sample, result: SemanticMap, num_classes: int) -> SemanticMap:
    """A result of a sample with its segments named by the sample's own mask."""
    return named_by(sample.target, result, num_classes)
