"""The loop over a split."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

import numpy as np

from edge.core.errors import InputError
from edge.predict.semantic import Segmenter
from kseg.core.progress import bar
from kseg.data.sample import Dataset, Split
from kseg.evaluation.grouping import Naming
from kseg.evaluation.semantic import Evaluation


def evaluate_split(
    segmenter: Segmenter,
    split: Split,
    names: tuple[str, ...],
    name: Optional[Naming] = None,
    into: Optional[Evaluation] = None,
) -> Evaluation:
    """Predicts every image of a split and counts it against its mask, `into` or anew.

    `name` turns (labels, mask) into class ids where the labels are none yet. Raises
    InputError for pictures that the network cannot take, and for predictions outside
    the classes.
    """
    evaluation = into or Evaluation(names)
    for index in bar(range(len(split.sizes)), "evaluating"):
        image, mask = split.read(index)
        try:
            labels, confidence = segmenter.predict_with_confidence(image)
        except InputError as error:
            raise InputError(f"{split.names[index]}: {error}") from None
        if name:
            labels = name(labels, mask)
        elif labels.max() >= len(names):
            raise InputError(
                f"{split.names[index]}: the model predicts class {labels.max()}, the "
                f"data have {len(names)} classes; give data of its own classes"
            )
        evaluation.add(mask, labels, confidence)
    return evaluation


REFERENCE, MIXED = "keras", "mended"


@dataclass
class Comparison:
    """What one engine did over a split."""

    segmenter: Segmenter
    matrix: np.ndarray
    agreeing: int = 0


def tally(
    segmenters: dict[str, Segmenter], data: Dataset, text: str = "comparing"
) -> tuple[dict[str, Comparison], int]:
    """Every engine over the val split, picture by picture; how many pixels it has."""
    from kseg.evaluation.metrics.confusion import confusion_matrix

    classes, split, pixels = data.num_classes, data.split("val"), 0
    empty = np.zeros((classes, classes), np.int64)
    tallies = {name: Comparison(s, empty.copy()) for name, s in segmenters.items()}
    for index in bar(range(len(split.sizes)), text):
        image, mask = split.read(index)
        pixels += mask.size
        expected = segmenters[REFERENCE].predict(image)
        for name, each in tallies.items():
            same = name == REFERENCE
            labels = expected if same else each.segmenter.predict(image)
            each.matrix += confusion_matrix(mask, labels, classes)
            each.agreeing += int((labels == expected).sum())
    return tallies, pixels
