"""Semantic maps: a network's scores or labels -> the class of each pixel."""

from __future__ import annotations

import logging
from functools import reduce
from typing import Optional, Sequence, Tuple

import numpy as np

from edge.core.errors import InputError
from edge.core.timing import StageTimer
from edge.engines.base import Engine, Output, TensorSpec
from edge.model_file.info import ModelInfo
from edge.predict.base import Placement, Predictor
from edge.predict.resizing import crop_padding, enlarged_planes, resize_labels
from edge.predict.results import SemanticMap

log = logging.getLogger(__name__)

MOST_CLASSES = 256
HEADS = ("labels", "logits", "probabilities")  # the roles that the map may have


class SemanticPredictor(Predictor[SemanticMap]):
    """Finds the map among a network's outputs, and says the class of each pixel."""

    def __init__(
        self, engine: Engine, info: ModelInfo, stages: Optional[StageTimer] = None
    ):
        super().__init__(engine, info, stages)
        self.index = map_index(engine.outputs, info)

    def decode(
        self, outputs: Tuple[Output, ...], placement: Placement, confidence: bool
    ) -> SemanticMap:
        height, width = placement.image_size
        with self.stages.stage("postprocess"):
            values, whole = self.cut(outputs, placement, placement.image_size)
            if values.ndim == 2:
                return SemanticMap(resize_labels(values, whole)[:height, :width])
            labels = scores_to_labels(values, whole)[:height, :width]
        if not confidence:
            return SemanticMap(labels)
        with self.stages.stage("confidence"):
            known = scores_to_confidence(values, whole, self.info.head)
        return SemanticMap(labels, known[:height, :width])

    def cut(
        self, outputs: Tuple[Output, ...], placement: Placement, size: Tuple[int, int]
    ) -> Tuple[np.ndarray, Tuple[int, int]]:
        """The map without padding, and the size to enlarge it to for `size`.

        (h, w) labels or (h, w, C) float32 scores; see `crop_padding`.
        """
        values = to_map(outputs[self.index])
        sizes = (placement.input_size, placement.content_size)
        return crop_padding(values, *sizes, size)


def map_index(outputs: Sequence[TensorSpec], info: ModelInfo) -> int:
    """Which output is the map: that with such a role, else the first that may be one.

    Where several may be, what is read and what is not is said. Raises InputError where
    none is, and for more classes than ids.
    """
    roles = [index for index, role in enumerate(info.outputs) if role in HEADS]
    maps = roles or [index for index, spec in enumerate(outputs) if is_map(spec)]
    if not maps or maps[0] >= len(outputs):
        shapes = [list(spec.shape) for spec in outputs]
        raise InputError(f"gives {shapes}, no map; is it a segmentation model?")
    spec = outputs[maps[0]]
    if len(spec.shape) == 4 and spec.shape[3] > MOST_CLASSES:
        raise InputError(f"gives over {MOST_CLASSES} classes")
    if len(maps) > 1 and not roles:
        others = ", ".join(outputs[index].name for index in maps[1:])
        log.info(
            "the model gives %d maps: %s is read, %s not", len(maps), spec.name, others
        )
    return maps[0]


def is_map(spec: TensorSpec) -> bool:
    """Whether an output is [1, h, w] or [1, h, w, C], of numbers; -1 is a free side."""
    shape = spec.shape
    numbers = spec.dtype.kind in "iuf"
    return numbers and len(shape) in (3, 4) and shape[0] == 1 and 0 not in shape


def to_map(output: Output) -> np.ndarray:
    """(h, w[, C]) as the network gives it -> labels (h, w) or float32 scores (h, w, C).

    Integers without a scale are labels. One channel of scores is a sigmoid: the
    probability of class 1.
    """
    values = output.raw
    if values.dtype.kind in "iu" and not output.spec.scale:
        return values[..., 0] if values.ndim == 3 else values
    values = output.dequantize()
    if values.ndim == 2:
        values = values[..., None]
    if values.shape[2] == 1:
        return np.concatenate([1 - values, values], axis=2)
    return values


def scores_to_labels(scores: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(h, w, C) scores -> (H, W) uint8: bilinear to `size`, then the largest.

    The first of equals wins, as in argmax.
    """
    labels = np.zeros(size, np.uint8)
    best: Optional[np.ndarray] = None
    for index, plane in enumerate(enlarged_planes(scores, size)):
        if best is None:
            best = plane
            continue
        better = plane > best
        labels[better] = index
        np.maximum(best, plane, out=best)
    return labels


def scores_to_confidence(
    scores: np.ndarray, size: tuple[int, int], head: str = "logits"
) -> np.ndarray:
    """(h, w, C) scores -> (H, W) float32 in (0, 1]: the largest class's probability.

    Bilinear to `size` as for the labels, then the largest of softmax; `head`
    "probabilities" says that scores are softmax already.

    >>> scores_to_confidence(np.log(np.float32([[[1, 3]]])), (1, 1)).round(4).tolist()
    [[0.75]]
    """
    planes = enlarged_planes(scores, size)
    if head == "probabilities":
        return reduce(np.maximum, planes)
    best = next(planes)
    total = np.ones_like(best)  # of exp(score - best)
    for plane in planes:
        larger = np.maximum(best, plane)
        total = total * np.exp(best - larger) + np.exp(plane - larger)
        best = larger
    return 1 / total


def probabilities(scores: np.ndarray, head: str) -> np.ndarray:
    """(h, w, C) what a head gives -> probabilities float32, softmax of logits."""
    scores = scores.astype(np.float32, copy=False)
    if head == "probabilities":
        return scores
    odds = np.exp(scores - scores.max(axis=2, keepdims=True))
    odds /= odds.sum(axis=2, keepdims=True)
    return odds
