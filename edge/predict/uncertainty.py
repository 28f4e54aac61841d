"""How uncertain a model is about a frame, in [0, 1]; of tasks, by UNCERTAINTY.

- Of a map with confidence: 1 less the mean confidence of the pixels that have a class.
  The confidence has the temperature of the model file.
- Of a map without it, as files that return labels give: the share of the image that
  changed its class since the frame before, as far as the shares of the classes tell.
- Of objects: how near the scores of the LEAST least certain objects are to the least
  score that is shown: 1 at that score, 0 at a score of 1. Without objects it is 0.
"""

from __future__ import annotations

from typing import Any, Callable, Optional

import numpy as np

from edge.core.constants import IGNORE_INDEX
from edge.model_file.info import ModelInfo
from edge.predict.results import Detections, SemanticMap

LEAST = 3  # objects

# (result, that of the frame before or None, info) -> uncertainty, None if it is unknown
Measure = Callable[[Any, Any, ModelInfo], Optional[float]]


def of_map(
    result: SemanticMap, before: Optional[SemanticMap], info: ModelInfo
) -> Optional[float]:
    """The uncertainty of a map; None for the first frame of labels alone.

    >>> info = ModelInfo(class_names=("a", "b"), colors=((0, 0, 1), (0, 1, 0)))
    >>> one, two = SemanticMap(np.uint8([[0, 0]])), SemanticMap(np.uint8([[0, 1]]))
    >>> of_map(one, None, info), of_map(two, one, info)
    (None, 0.5)
    """
    confidence = mean_confidence(result)
    if confidence is not None:
        return 1 - confidence
    return None if before is None else change(result.labels, before.labels)


def mean_confidence(result: SemanticMap) -> Optional[float]:
    """The mean confidence of the pixels that have a class; None if it is unknown."""
    if result.confidence is None:
        return None
    known = result.confidence[result.labels != IGNORE_INDEX]
    return float(known.mean()) if known.size else None


def change(labels: np.ndarray, before: np.ndarray) -> float:
    """Half of the sum of the changes of the classes' shares, in [0, 1]."""
    shares = [
        np.bincount(each.ravel(), minlength=IGNORE_INDEX + 1) / each.size
        for each in (labels, before)
    ]
    return float(np.abs(shares[0] - shares[1]).sum() / 2)


def of_objects(result: Detections, before: Any, info: ModelInfo) -> float:
    """The uncertainty of objects.

    >>> info = ModelInfo(("a",), ((0, 0, 1),), decoder={"score": 0.5})
    >>> boxes = np.zeros((2, 4), np.float32)
    >>> found = Detections(boxes, np.int32([0, 0]), np.float32([1, 0.5]), (8, 8))
    >>> of_objects(found, None, info)
    0.5
    """
    if not len(result):
        return 0.0
    least = float(info.decoder.get("score", 0.0))
    lowest = np.sort(np.asarray(result.scores, np.float64))[:LEAST]
    margins = (lowest - least) / max(1e-6, 1 - least)
    return float(1 - np.clip(margins, 0, 1).mean())


def score_of_objects(result: Detections) -> Optional[float]:
    """The mean score of the objects; None without objects."""
    return float(np.mean(result.scores)) if len(result) else None


# Task -> its measure; other tasks have none.
UNCERTAINTY: dict[str, Measure] = {
    "semantic": of_map,
    "detection": of_objects,
    "instance": of_objects,
}

# Task -> result -> its mean confidence in [0, 1], None if it is unknown; others: None.
CONFIDENCE: dict[str, Callable[[Any], Optional[float]]] = {
    "semantic": mean_confidence,
    "detection": score_of_objects,
    "instance": score_of_objects,
}
