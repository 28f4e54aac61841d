"""Semantic segmentation: from a network's scores or labels to class ids."""

from __future__ import annotations

import logging
from functools import reduce
from typing import Any, Mapping, Optional, Sequence, Tuple

import numpy as np

from edge.core.errors import InputError
from edge.core.timing import StageTimer
from edge.engines.base import Engine, Output, TensorSpec
from edge.model_file.info import ModelInfo
from edge.predict.base import Placement, Predictor
from edge.predict.map_values import (
    MAX_CLASSES,
    channels_last,
    check_numbers,
    check_threshold,
    head_of,
    over_threshold,
    to_labels,
)
from edge.predict.resizing import (
    crop_padding,
    resize_labels,
    resize_plane,
    resized_planes,
)
from edge.predict.results import SemanticMap
from edge.predict.temperature import plane_at, softened, temperature_of

log = logging.getLogger(__name__)

HEADS = ("labels", "logits", "probabilities")  # the roles of a semantic map


class SemanticPredictor(Predictor[SemanticMap]):
    """Predicts the class of each pixel from the semantic map among the outputs."""

    has_threshold = True

    def __init__(
        self, engine: Engine, info: ModelInfo, stages: Optional[StageTimer] = None
    ):
        super().__init__(engine, info, stages)
        self.index = map_index(engine.outputs, info)
        self.layout = info.decoder.get("layout", "NHWC")
        # What the scores are; of files made by others perhaps seen from their values.
        self.head = info.head
        self.known = bool(info.decoder.get("known"))
        self.temperature = temperature_of(info)
        self.threshold: Optional[float] = info.decoder.get("threshold")
        if self.threshold is not None:
            check_threshold(engine.outputs[self.index], info, self.layout)

    def with_decoder(self, changes: Mapping[str, Any]) -> SemanticPredictor:
        result = super().with_decoder(changes)
        result.threshold = result.info.decoder.get("threshold")
        result.temperature = temperature_of(result.info)
        if result.threshold is not None:
            spec = result.engine.outputs[result.index]
            check_threshold(spec, result.info, result.layout)
        return result

    def decode(
        self, outputs: Tuple[Output, ...], placement: Placement, confidence: bool
    ) -> SemanticMap:
        height, width = placement.image_size
        with self.stages.stage("postprocess"):
            values, full_size = self.crop_map(outputs, placement, placement.image_size)
            if values.ndim == 2:
                return SemanticMap(resize_labels(values, full_size)[:height, :width])
            if self.threshold is not None:
                return self.divided(values, full_size, confidence, (height, width))
            labels = scores_to_labels(values, full_size)[:height, :width]
        if not confidence:
            return SemanticMap(labels)
        with self.stages.stage("confidence"):
            options = (self.head, self.temperature)
            certainty = scores_to_confidence(values, full_size, *options)
        return SemanticMap(labels, certainty[:height, :width])

    def divided(
        self,
        scores: np.ndarray,
        full_size: Tuple[int, int],
        confidence: bool,
        size: Tuple[int, int],
    ) -> SemanticMap:
        """The result of (h, w, 2) scores by the threshold of class 1, at `size`."""
        share = probabilities(scores, self.head)
        share = share / np.maximum(share.sum(axis=2, keepdims=True), 1e-6)
        plane = resize_plane(share, 1, full_size)[: size[0], : size[1]]
        check_numbers(plane)
        labels = over_threshold(plane, self.threshold)
        if not confidence:
            return SemanticMap(labels)
        plane = plane_at(plane, self.temperature)
        return SemanticMap(labels, np.where(labels == 1, plane, 1 - plane))

    def crop_map(
        self, outputs: Tuple[Output, ...], placement: Placement, size: Tuple[int, int]
    ) -> Tuple[np.ndarray, Tuple[int, int]]:
        """The map without padding, and the size to enlarge it to; see `crop_padding`.

        The map is (h, w) labels or (h, w, C) float32 scores.
        """
        values = self.read_map(outputs[self.index])
        sizes = (placement.input_size, placement.content_size)
        return crop_padding(values, *sizes, size)

    def read_map(self, output: Output) -> np.ndarray:
        """The map as labels (h, w), or float32 scores (h, w, C) of the kind `head`."""
        if "layout" not in self.info.decoder:
            return to_map(output)
        values = channels_last(output.raw, self.layout)
        if self.head == "labels":
            return to_labels(values)
        values = np.asarray(output.spec.dequantize(values), np.float32)
        values = values[..., None] if values.ndim == 2 else values
        single = values.shape[2] == 1
        if not self.known:
            self.head = head_of(values, self.head, output.spec.name)
            self.known = not single  # that of several channels shows at once
        if not single:
            return values
        rest = 1 - values if self.head == "probabilities" else np.zeros_like(values)
        return np.concatenate([rest, values], axis=2)


def map_index(outputs: Sequence[TensorSpec], info: ModelInfo) -> int:
    """The index of the semantic map: by role, else the first output of such a shape.

    If there are several, the one used is logged. Raises InputError if there is none, or
    if it has too many classes.
    """
    roles = [index for index, role in enumerate(info.outputs) if role in HEADS]
    maps = roles or [index for index, spec in enumerate(outputs) if is_map(spec)]
    if not maps or maps[0] >= len(outputs):
        shapes = [list(spec.shape) for spec in outputs]
        raise InputError(
            f"no semantic map among the outputs {shapes}; is it a segmentation model?"
        )
    spec = outputs[maps[0]]
    if len(spec.shape) == 4 and spec.shape[3] > MAX_CLASSES:
        raise InputError(f"more than {MAX_CLASSES} classes are not supported")
    if len(maps) > 1 and not roles:
        others = ", ".join(outputs[index].name for index in maps[1:])
        log.info(
            "the model has %d maps: %s is used, %s ignored",
            len(maps),
            spec.name,
            others,
        )
    return maps[0]


def is_map(spec: TensorSpec) -> bool:
    """Whether an output is a numeric [1, h, w] or [1, h, w, C]; free sides are -1."""
    shape = spec.shape
    numbers = spec.dtype.kind in "iuf"
    return numbers and len(shape) in (3, 4) and shape[0] == 1 and 0 not in shape


def to_map(output: Output) -> np.ndarray:
    """An output (h, w[, C]) -> labels (h, w) or float32 scores (h, w, C).

    Integers without a scale are labels. A single channel of scores is a sigmoid: the
    probability of class 1.
    """
    values = output.raw
    if values.dtype.kind in "iu" and not output.spec.scale:
        return values[..., 0] if values.ndim == 3 else values
    values = output.dequantize()
    if values.ndim == 2:
        values = values[..., None]
    if values.dtype != np.float32:  # OpenCV does not resize half precision
        values = values.astype(np.float32)
    if values.shape[2] == 1:
        return np.concatenate([1 - values, values], axis=2)
    return values


def scores_to_labels(scores: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(h, w, C) scores -> (H, W) uint8: bilinear to `size`, then argmax.

    Of equal scores the first class wins.
    """
    labels = np.zeros(size, np.uint8)
    best: Optional[np.ndarray] = None
    for index, plane in enumerate(resized_planes(scores, size)):
        if best is None:
            best = plane
            continue
        better = plane > best
        labels[better] = index
        np.maximum(best, plane, out=best)
    if best is not None:
        check_numbers(best)
    return labels


def scores_to_confidence(
    scores: np.ndarray,
    size: tuple[int, int],
    head: str = "logits",
    temperature: float = 1.0,
) -> np.ndarray:
    """(h, w, C) scores -> (H, W) float32 in (0, 1]: the highest class probability.

    Bilinear to `size` as for the labels, then the maximum of the softmax of the logits
    divided by `temperature`; with `head` "probabilities" the scores are probabilities
    already, and their logarithms are the logits if the temperature is not 1.

    >>> scores_to_confidence(np.log(np.float32([[[1, 3]]])), (1, 1)).round(4).tolist()
    [[0.75]]
    """
    planes = resized_planes(scores, size)
    if head == "probabilities" and temperature == 1:
        return reduce(np.maximum, planes)
    if temperature != 1:
        planes = softened(planes, head, temperature)
    best = next(planes)
    total = np.ones_like(best)  # of exp(score - best)
    for plane in planes:
        larger = np.maximum(best, plane)
        total = total * np.exp(best - larger) + np.exp(plane - larger)
        best = larger
    return 1 / total


def probabilities(scores: np.ndarray, head: str) -> np.ndarray:
    """(h, w, C) scores of a head -> probabilities float32: the softmax of logits."""
    scores = scores.astype(np.float32, copy=False)
    if head == "probabilities":
        return scores
    odds = np.exp(scores - scores.max(axis=2, keepdims=True))
    odds /= odds.sum(axis=2, keepdims=True)
    return odds
