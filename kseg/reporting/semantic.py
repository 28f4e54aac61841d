"""The report of semantic segmentation: images, classes, confusion, calibration."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Optional, Sequence

import numpy as np

from edge.model_file.info import ModelInfo
from edge.predict.base import Predictor
from edge.predict.results import SemanticMap
from kseg.data.sample import Dataset, Sample, Split
from kseg.evaluation.metrics.reliability import describe_calibration
from kseg.evaluation.result_transforms import ResultTransform, unchanged
from kseg.evaluation.semantic import SemanticEvaluator
from kseg.evaluation.temperature import record_in
from kseg.reporting import figures
from kseg.reporting.templates import render

SHOWN = 3  # number of best and of worst images
LISTED_ERRORS = 3  # of the confusion matrix, described in words


@dataclass(kw_only=True)
class SemanticSection:
    """Collects what the page shows of a split, as an `Observer` of the evaluation.

    `ious` are the mean IoU of each image over the classes in its mask or prediction,
    nan if nothing is labelled. `labels` are the predictions of the images to show, by
    index; `info` describes the model, if that is known.
    """

    data: Dataset
    split: str
    evaluator: SemanticEvaluator
    info: Optional[ModelInfo] = None
    ious: list[float] = field(default_factory=list)
    labels: dict[int, np.ndarray] = field(default_factory=dict)

    def add(self, index: int, sample: Sample, result: SemanticMap) -> None:
        """Adds an image after the evaluator has counted it."""
        from kseg.evaluation.metrics.confusion import mean_of_present

        iou = mean_of_present(self.evaluator.per_image_iou[-1])
        self.labels[index] = result.labels
        self.ious.append(np.nan if iou is None else iou)
        order = ranked(self.ious)
        kept = {*order[:SHOWN], *order[-SHOWN:]}
        self.labels = {k: v for k, v in self.labels.items() if k in kept}

    @property
    def matrix(self) -> np.ndarray:
        """The confusion matrix (C, C)."""
        return self.evaluator.matrix

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """The content of metrics.json."""
        return {**self.evaluator.metrics(), **self.temperature}

    @property
    def temperature(self) -> dict[str, Optional[float]]:
        """The calibration of the model, see `record_in`."""
        return record_in(self.info) if self.info else {}

    def all_metrics(self) -> dict[str, Any]:
        """All values of the page, as JSON."""
        names = self.data.split(self.split).names
        per_image = zip(names, self.ious, strict=True)
        return {
            "split": self.split,
            **self.metrics,
            "per_picture_iou": {n: None if np.isnan(v) else v for n, v in per_image},
        }

    def summary(self) -> str:
        """The values below the headline, as HTML."""
        return render(
            "semantic_summary.html",
            metrics=self.metrics,
            calibration=calibration_of(self),
        )

    def html(self) -> str:
        """The sections of the page, as HTML."""
        best, worst = best_and_worst(self.ious)
        sizes = self.data.split(self.split).sizes
        labelled = self.metrics["pixels"]
        return render(
            "semantic.html",
            classes=class_rows(self),
            void=labelled < sum(height * width for height, width in sizes),
            ends={
                "Best": [image_views(self, index) for index in best],
                "Worst": [image_views(self, index) for index in worst],
            },
            confusion=confusion_of(self),
            errors=largest_errors(self.matrix, self.data.class_names),
            calibration=calibration_of(self),
        )


def open_section(
    data: Dataset, split: str, evaluator: SemanticEvaluator
) -> SemanticSection:
    """See `SemanticSection`."""
    return SemanticSection(data=data, split=split, evaluator=evaluator)


def write_figures(
    folder: Path,
    predictor: Predictor,
    split: Split,
    evaluator: SemanticEvaluator,
    transform: ResultTransform = unchanged,
) -> tuple[str, ...]:
    """Writes samples.png and confusion.png into a folder and returns their names."""
    figures.sample_sheet(folder / "samples.png", predictor, split, transform)
    names = evaluator.names
    figures.confusion(folder / "confusion.png", evaluator.matrix, names)
    return "samples.png", "confusion.png"


def confusion_of(section: SemanticSection) -> dict[str, str]:
    """Draws the confusion matrix for the page."""
    from kseg.reporting import embedded

    return embedded.confusion(section.matrix, section.data.class_names)


def ranked(ious: Sequence[float]) -> list[int]:
    """Sorts the indices of values from the worst to the best, without nan.

    >>> ranked([0.5, float("nan"), 0.1, 0.5])
    [2, 0, 3]
    """
    return sorted(np.flatnonzero(~np.isnan(ious)).tolist(), key=lambda i: ious[i])


def best_and_worst(ious: Sequence[float]) -> tuple[list[int], list[int]]:
    """Selects the best images, best first, and the worst, worst first.

    At most SHOWN each; no image is in both lists.

    >>> best_and_worst([0.1, 0.9, 0.4, 0.2])
    ([1, 2], [0, 3])
    """
    order = ranked(ious)
    count = min(SHOWN, len(order) // 2)
    return order[::-1][: max(1, count)], order[:count]


def class_rows(section: SemanticSection) -> list[dict[str, Any]]:
    """Makes a row of the table for each class; undefined values are None."""
    matrix = section.matrix
    labelled, predicted, hits = matrix.sum(1), matrix.sum(0), np.diagonal(matrix)
    return [
        {
            "name": name,
            "color": "#{:02x}{:02x}{:02x}".format(*color),
            "iou": section.metrics["per_class_iou"][name],
            "recall": hits[i] / labelled[i] if labelled[i] else None,
            "precision": hits[i] / predicted[i] if predicted[i] else None,
            "share": labelled[i] / max(1, labelled.sum()),
        }
        for i, (name, color) in enumerate(
            zip(section.data.class_names, section.data.colors, strict=True)
        )
    ]


def image_views(section: SemanticSection, index: int) -> dict[str, Any]:
    """Makes the entry of one of the best or worst images: name, mean IoU, views."""
    from kseg.reporting.embedded import views

    split = section.data.split(section.split)
    labels, info = section.labels[index], section.data.info
    return {
        "name": split.names[index],
        "iou": section.ious[index],
        "views": views(*split.read(index), labels, info),
    }


def largest_errors(matrix: np.ndarray, names: Sequence[str]) -> list[dict[str, Any]]:
    """Finds the largest off-diagonal cells of counts (C, C).

    `share` is their fraction of the pixels of the true class.

    >>> largest_errors(np.array([[8, 2], [0, 5]]), ["road", "car"])
    [{'true': 'road', 'predicted': 'car', 'share': 0.2}]
    """
    wrong = matrix - np.diag(np.diagonal(matrix))
    largest = np.argsort(-wrong, axis=None, kind="stable")[:LISTED_ERRORS]
    cells = [divmod(int(cell), len(names)) for cell in largest]
    return [
        {
            "true": names[row],
            "predicted": names[column],
            "share": float(wrong[row, column] / matrix[row].sum()),
        }
        for row, column in cells
        if wrong[row, column]
    ]


def calibration_of(section: SemanticSection) -> Optional[dict[str, Any]]:
    """Makes the content about the calibration; None if there is no confidence."""
    from kseg.reporting.embedded import reliability

    evaluator = section.evaluator
    counts, error = evaluator.calibration, evaluator.calibration_error
    if counts is None or error is None:
        return None
    return {
        "error": error,
        "fitted": section.temperature or None,
        "description": describe_calibration(counts),
        "drawing": reliability(counts),
    }
