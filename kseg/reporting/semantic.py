"""The report of a semantic run: images, classes, confusion, calibration."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Optional, Sequence

import numpy as np

from edge.predict.base import Predictor
from edge.predict.results import SemanticMap
from kseg.data.sample import Dataset, Sample, Split
from kseg.evaluation.metrics.reliability import (
    BINS,
    calibration_counts,
    expected_calibration_error,
    verdict,
)
from kseg.evaluation.semantic import SemanticEvaluator
from kseg.evaluation.shown import Shown, as_predicted
from kseg.reporting import figures
from kseg.reporting.templates import render

SHOWN = 3  # images at either end
MISTAKES = 3  # of the confusion matrix, in words


@dataclass(kw_only=True)
class SemanticSection:
    """What the page shows of a split, from the one pass that also gives the metrics.

    An `Observer` of the loop. `ious` are the mean IoU of each image over the classes in
    its truth or prediction, nan where nothing is labelled; `calibration` (BINS, 3) as
    in `calibration_counts`, None where the network gives labels alone; `labels` are the
    predictions of the images to show, by index.
    """

    data: Dataset
    split: str
    evaluator: SemanticEvaluator
    calibration: Optional[np.ndarray] = field(
        default_factory=lambda: np.zeros((BINS, 3))
    )
    ious: list[float] = field(default_factory=list)
    labels: dict[int, np.ndarray] = field(default_factory=dict)

    def add(self, index: int, sample: Sample, result: SemanticMap) -> None:
        """Keeps what the page needs of an image that was just counted."""
        from kseg.evaluation.metrics.confusion import mean_of_present

        iou = mean_of_present(self.evaluator.per_image_iou[-1])
        self.labels[index] = result.labels
        self.ious.append(np.nan if iou is None else iou)
        order = ranked(self.ious)
        kept = {*order[:SHOWN], *order[-SHOWN:]}
        self.labels = {k: v for k, v in self.labels.items() if k in kept}
        if result.confidence is None:
            self.calibration = None
        elif self.calibration is not None:
            counts = (sample.target, result.labels, result.confidence)
            self.calibration += calibration_counts(*counts)

    @property
    def matrix(self) -> np.ndarray:
        """The confusion matrix (C, C)."""
        return self.evaluator.matrix

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """The content of metrics.json."""
        return self.evaluator.figures()

    def all_figures(self) -> dict[str, Any]:
        """All that the page shows in numbers, as JSON."""
        names = self.data.split(self.split).names
        per_picture = zip(names, self.ious, strict=True)
        return {
            "split": self.split,
            **self.metrics,
            "per_picture_iou": {n: None if np.isnan(v) else v for n, v in per_picture},
            "expected_calibration_error": self.calibration_error,
        }

    @property
    def calibration_error(self) -> Optional[float]:
        if self.calibration is None or not self.calibration[:, 0].any():
            return None
        return expected_calibration_error(self.calibration)

    def summary(self) -> str:
        """The figures under the headline, as HTML."""
        return render(
            "semantic_summary.html",
            metrics=self.metrics,
            calibration=calibration_of(self),
        )

    def html(self) -> str:
        """The sections of the page, as HTML."""
        best, worst = both_ends(self.ious)
        sizes = self.data.split(self.split).sizes
        labelled = self.metrics["pixels"]
        return render(
            "semantic.html",
            classes=class_rows(self),
            void=labelled < sum(height * width for height, width in sizes),
            ends={
                "Best": [picture(self, index) for index in best],
                "Worst": [picture(self, index) for index in worst],
            },
            confusion=confusion_of(self),
            mistakes=most_mistaken(self.matrix, self.data.class_names),
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
    shown: Shown = as_predicted,
) -> tuple[str, ...]:
    """samples.png and confusion.png, in a folder; their names."""
    figures.sample_sheet(folder / "samples.png", predictor, split, shown)
    names = evaluator.names
    figures.confusion(folder / "confusion.png", evaluator.matrix, names)
    return "samples.png", "confusion.png"


def confusion_of(section: SemanticSection) -> dict[str, str]:
    """The confusion matrix as a drawing of the page."""
    from kseg.reporting import embedded

    return embedded.confusion(section.matrix, section.data.class_names)


def ranked(ious: Sequence[float]) -> list[int]:
    """Indices from the worst to the best, those without a value left out.

    >>> ranked([0.5, float("nan"), 0.1, 0.5])
    [2, 0, 3]
    """
    return sorted(np.flatnonzero(~np.isnan(ious)).tolist(), key=lambda i: ious[i])


def both_ends(ious: Sequence[float]) -> tuple[list[int], list[int]]:
    """The best, best first, and the worst, worst first; none is both.

    >>> both_ends([0.1, 0.9, 0.4, 0.2])
    ([1, 2], [0, 3])
    """
    order = ranked(ious)
    count = min(SHOWN, len(order) // 2)
    return order[::-1][: max(1, count)], order[:count]


def class_rows(section: SemanticSection) -> list[dict[str, Any]]:
    """A row of the table for each class; None for what cannot be said."""
    matrix = section.matrix
    truth, predicted, hits = matrix.sum(1), matrix.sum(0), np.diagonal(matrix)
    return [
        {
            "name": name,
            "color": "#{:02x}{:02x}{:02x}".format(*color),
            "iou": section.metrics["per_class_iou"][name],
            "found": hits[i] / truth[i] if truth[i] else None,
            "right": hits[i] / predicted[i] if predicted[i] else None,
            "share": truth[i] / max(1, truth.sum()),
        }
        for i, (name, color) in enumerate(
            zip(section.data.class_names, section.data.colors, strict=True)
        )
    ]


def picture(section: SemanticSection, index: int) -> dict[str, Any]:
    """One of the best or worst: its name, its mean IoU, its views."""
    from kseg.reporting.embedded import views

    split = section.data.split(section.split)
    labels, info = section.labels[index], section.data.info
    return {
        "name": split.names[index],
        "iou": section.ious[index],
        "views": views(*split.read(index), labels, info),
    }


def most_mistaken(matrix: np.ndarray, names: Sequence[str]) -> list[dict[str, Any]]:
    """The largest cells off the diagonal of counts (C, C), the share of their truth.

    >>> most_mistaken(np.array([[8, 2], [0, 5]]), ["road", "car"])
    [{'truth': 'road', 'taken': 'car', 'share': 0.2}]
    """
    wrong = matrix - np.diag(np.diagonal(matrix))
    largest = np.argsort(-wrong, axis=None, kind="stable")[:MISTAKES]
    cells = [divmod(int(cell), len(names)) for cell in largest]
    return [
        {
            "truth": names[row],
            "taken": names[column],
            "share": float(wrong[row, column] / matrix[row].sum()),
        }
        for row, column in cells
        if wrong[row, column]
    ]


def calibration_of(section: SemanticSection) -> Optional[dict[str, Any]]:
    """What the page says of the confidence; None where there is none."""
    from kseg.reporting.embedded import reliability

    counts, error = section.calibration, section.calibration_error
    if counts is None or error is None:
        return None
    return {"error": error, "verdict": verdict(counts), "drawing": reliability(counts)}
