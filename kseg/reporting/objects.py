"""The report of objects: images, precision and recall, classes, sizes, errors."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Optional, Sequence

import numpy as np

from edge.core.images import with_channels, write_image
from edge.model_file.info import ModelInfo
from edge.predict.base import Predictor
from edge.predict.resizing import fit_within
from edge.predict.results import Detections
from kseg.core.progress import evenly_spaced
from kseg.data.sample import Dataset, Sample, Split
from kseg.evaluation.metrics.coco_ap import PREFIXES
from kseg.evaluation.metrics.object_matching import (
    COUNTED_SCORE,
    KINDS,
    MISSED,
    Outcome,
    object_accuracy,
)
from kseg.evaluation.objects import ObjectEvaluator
from kseg.evaluation.result_transforms import ResultTransform, unchanged
from kseg.reporting import figures
from kseg.reporting.object_figures import (
    KIND_NAMES,
    error_figure,
    precision_recall_figure,
    size_counts,
    size_figure,
)
from kseg.reporting.object_pictures import truth_and_prediction
from kseg.reporting.templates import render

SAMPLES = 6  # images evenly spaced over the split
WORST = 12  # images with the lowest accuracy
PICTURE = (480, 640)  # largest height and width in the page
CELL = (320, 426)  # the same in samples.png
PRECISION_RECALL, ERRORS, SHEET = "precision_recall.png", "errors.png", "samples.png"


@dataclass(kw_only=True)
class ObjectSection:
    """Collects what the page shows of a split, as an `Observer` of the evaluation.

    `accuracies` are TP / (TP + FP + FN) of each image, None without objects and
    results. `results` are those of the images to show, by index, without low scores.
    """

    data: Dataset
    split: str
    evaluator: ObjectEvaluator
    accuracies: list[Optional[float]] = field(default_factory=list)
    results: dict[int, Detections] = field(default_factory=dict, repr=False)
    worst: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        count = len(self.data.split(self.split).sizes)
        self.samples = evenly_spaced(count, SAMPLES)

    def add(self, index: int, sample: Sample, result: Detections) -> None:
        """Adds an image after the evaluator has added it."""
        self.accuracies.append(object_accuracy(*self.outcome(index).hits().tolist()))
        wrong = [i for i in (*self.worst, index) if self.has_errors(i)]
        self.worst = sorted(wrong, key=self.rank)[:WORST]
        self.results[index] = result[result.scores >= COUNTED_SCORE]
        kept = {*self.samples, *self.worst}
        self.results = {k: v for k, v in self.results.items() if k in kept}

    def outcome(self, index: int) -> Outcome:
        """What was right and wrong in an image."""
        return self.evaluator.outcomes[index]

    def has_errors(self, index: int) -> bool:
        return bool(self.outcome(index).kinds().any())

    def rank(self, index: int) -> tuple[float, int, int]:
        """Sorts images with errors: the lowest accuracy first, then most errors."""
        accuracy = self.accuracies[index] or 0.0
        return accuracy, -int(self.outcome(index).kinds().sum()), index

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """The content of metrics.json."""
        return self.evaluator.metrics()

    def all_metrics(self) -> dict[str, Any]:
        """All values of the page, as JSON."""
        names = self.data.split(self.split).names
        return {
            "split": self.split,
            **self.metrics,
            "per_picture_accuracy50": dict(zip(names, self.accuracies, strict=True)),
        }

    def summary(self) -> str:
        """The values below the headline, as HTML."""
        return render(
            "objects_summary.html",
            metrics=self.metrics,
            prefix=PREFIXES[self.evaluator.kind],
            masks=self.evaluator.masks,
        )

    def html(self) -> str:
        """The sections of the page, as HTML."""
        from kseg.reporting.embedded import drawn

        names, errors = self.data.class_names, self.metrics["errors"]
        counts = size_counts(self.evaluator.outcomes)
        precision = self.evaluator.precision(self.evaluator.kind)
        return render(
            "objects.html",
            metrics=self.metrics,
            classes=class_rows(self.data, self.metrics),
            masks=self.evaluator.masks,
            samples=[image_entry(self, index) for index in self.samples],
            worst=[image_entry(self, index) for index in self.worst],
            curves=drawn(lambda: precision_recall_figure(precision, names)),
            sizes=drawn(lambda: size_figure(counts)) if counts.any() else None,
            errors={KIND_NAMES[kind]: count for kind, count in errors.items()},
            error_drawing=drawn(lambda: error_figure(errors)),
        )


def open_section(
    data: Dataset, split: str, evaluator: ObjectEvaluator
) -> ObjectSection:
    """See `ObjectSection`: an entry of SECTIONS."""
    return ObjectSection(data=data, split=split, evaluator=evaluator)


def class_rows(data: Dataset, metrics: dict[str, Any]) -> list[dict[str, Any]]:
    """Makes a row of the table for each class; undefined values are None."""
    return [
        {"name": name, "color": "#{:02x}{:02x}{:02x}".format(*color)}
        | metrics["per_class"][name]
        for name, color in zip(data.class_names, data.colors, strict=True)
    ]


def image_entry(section: ObjectSection, index: int) -> dict[str, Any]:
    """Makes the entry of an image: its name, its pictures and what is wrong."""
    from kseg.reporting.embedded import photo

    split = section.data.split(section.split)
    sample, info = split.read(index), section.data.info
    views = truth_and_prediction(*sample, section.results[index], info, PICTURE)
    return {
        "name": split.names[index],
        "accuracy": section.accuracies[index],
        "errors": describe_errors(section.outcome(index), info.class_names),
        "views": {caption: photo(view) for caption, view in views.items()},
    }


def describe_errors(outcome: Outcome, names: Sequence[str]) -> str:
    """Lists the errors of an image by kind, each with its classes; "" if none.

    The classes are those of the results, and for missed objects those of the objects.
    """
    texts = []
    for kind in range(len(KINDS)):
        wrong = outcome.class_ids[outcome.errors == kind]
        ids = outcome.truth_ids[outcome.missed] if kind == MISSED else wrong
        if len(ids):
            counts = Counter(names[class_id] for class_id in ids).most_common()
            listed = ", ".join(f"{n} × {k}" if n > 1 else k for k, n in counts)
            texts.append(f"{KIND_NAMES[KINDS[kind]]}: {listed}")
    return "; ".join(texts)


def write_figures(
    folder: Path,
    predictor: Predictor,
    split: Split,
    evaluator: ObjectEvaluator,
    transform: ResultTransform = unchanged,
) -> tuple[str, ...]:
    """Writes three figures into a folder and returns their names: an entry of FIGURES.

    samples.png shows images, precision_recall.png the curves, errors.png the kinds of
    errors.
    """
    sample_sheet(folder / SHEET, predictor, split, transform)
    precision = evaluator.precision(evaluator.kind)
    curves = precision_recall_figure(precision, evaluator.names)
    figures.save_figure(curves, folder / PRECISION_RECALL)
    errors = evaluator.counts()["errors"]
    figures.save_figure(error_figure(errors), folder / ERRORS)
    return SHEET, PRECISION_RECALL, ERRORS


def sample_sheet(
    path: Path,
    predictor: Predictor,
    split: Split,
    transform: ResultTransform = unchanged,
) -> None:
    """Draws rows of image, ground truth and prediction, evenly spaced over a split."""
    chosen = evenly_spaced(len(split.sizes), SAMPLES)
    sizes = [fit_within(split.sizes[index], CELL) for index in chosen]
    cell = max(h for h, _ in sizes), max(w for _, w in sizes)
    rows = []
    for index in chosen:
        sample = split.read(index)
        result = transform(sample, predictor.predict(sample.image))
        rows.append(sample_row(sample, result, predictor.info, cell))
    titles = [figures.title(t, cell) for t in ("image", "ground truth", "prediction")]
    sheet = np.concatenate([np.concatenate(titles, axis=1), *rows])
    write_image(path, figures.with_names(sheet, predictor.info))


def sample_row(
    sample: Sample, result: Detections, info: ModelInfo, cell: tuple[int, int]
) -> np.ndarray:
    """Draws a row of a sample sheet, of results that are counted."""
    counted = result[result.scores >= COUNTED_SCORE]
    views = truth_and_prediction(*sample, counted, info, cell)
    image = with_channels(sample.image, 3)
    return np.concatenate(
        [figures.to_cell(view, cell) for view in (image, *views.values())], axis=1
    )
