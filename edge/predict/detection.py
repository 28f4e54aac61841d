"""Object detection: from scores and boxes of anchors to the objects of an image."""

from __future__ import annotations

import logging
from typing import Any, ClassVar, Mapping, NamedTuple, Optional, Tuple, TypeVar

import numpy as np

from edge.core.errors import InputError
from edge.core.images import format_size
from edge.core.timing import StageTimer
from edge.engines.base import Engine, Output
from edge.model_file.info import ModelInfo
from edge.predict.base import Placement, Predictor
from edge.predict.boxes import (
    Size,
    anchor_grid,
    cell_count,
    decode_boxes,
    nms,
    padded_size,
    padded_to,
)
from edge.predict.decoder import Decoder, decoder_of, output_indices
from edge.predict.results import Detections

log = logging.getLogger(__name__)

CANDIDATES = 3  # cells that suppression looks at, for each object that is kept
LEAST_SIDE = 1.0  # pixels of the image
LOGITS = "logits"  # the head of a network whose scores are not probabilities yet

D = TypeVar("D", bound=Detections)
P = TypeVar("P", bound="ObjectPredictor")


class Found(NamedTuple):
    """The objects of an image, the rows (N,) of the outputs that they come from, and
    the input size with the network's own padding."""

    detections: Detections
    rows: np.ndarray
    padded: Size


class ObjectPredictor(Predictor[D]):
    """Base class of the predictors of objects.

    `roles` are the outputs that a task needs: "scores" (A, C), for each cell of all
    levels, logits with the head "logits" and else probabilities; "boxes" (A, 4), deltas
    to the cells' anchors. The parameters are those of `info.decoder`.
    """

    roles: ClassVar[Tuple[str, ...]] = ("scores", "boxes")
    cell_roles: ClassVar[Tuple[str, ...]] = ("boxes",)  # with as many rows as scores

    def __init__(
        self, engine: Engine, info: ModelInfo, stages: Optional[StageTimer] = None
    ):
        super().__init__(engine, info, stages)
        self.indices = output_indices(self.roles, info, engine.outputs)
        self._check()
        self._reported = False

    def with_decoder(self: P, changes: Mapping[str, Any]) -> P:
        result = super().with_decoder(changes)
        result._check()
        result._reported = "max_detections" in changes  # the caller knows the limit
        return result

    def _check(self) -> None:
        """Raises InputError for a description that this task cannot use."""
        self._check_decoder()
        if self.info.geometry.valid_border:
            raise InputError(
                "a network of valid convolutions predicts in tiles, and objects cannot "
                "be put together from tiles"
            )

    def _check_decoder(self) -> None:
        """Raises InputError for a decoder without what this task needs."""
        if not decoder_of(self.info).strides:
            raise InputError(
                "the decoder has no strides; they are needed to decode boxes"
            )

    def find(self, outputs: Tuple[Output, ...], placement: Placement) -> Found:
        """The objects of an image, as boxes, highest score first.

        Raises InputError for outputs that do not fit the description.
        """
        decoder = decoder_of(self.info)
        self._check_shapes(outputs)
        scores, boxes = (outputs[self.indices[role]] for role in ("scores", "boxes"))
        padded = self._padded(placement.input_size, decoder, len(scores.raw))
        limit = raw_limit(scores, decoder.score, self._logits())
        best = best_scores(scores.raw)
        rows = select_best(best, limit, CANDIDATES * decoder.max_detections)
        decoded = self._decoded(finite_rows(boxes, rows), rows, padded, decoder)
        decoded, inside = boxes_in_image(decoded, placement)
        rows = rows[inside]
        class_ids = scores.raw[rows].argmax(axis=1).astype(np.int32)
        values = scores.spec.dequantize(best[rows]).astype(np.float32)
        kept = self._suppress(decoded, values, class_ids, decoder)
        probabilities = values[kept]
        if self._logits():
            probabilities = sigmoid(probabilities)
        detections = Detections(
            decoded[kept], class_ids[kept], probabilities, placement.image_size
        )
        return Found(detections, rows[kept], padded)

    def _logits(self) -> bool:
        """Whether the output "scores" is logits instead of probabilities."""
        return self.info.head == LOGITS

    def _padded(self, size: Size, decoder: Decoder, count: int) -> Size:
        """The input size with the network's own padding; `count` rows of scores."""
        return padded_input(size, decoder, count, self.info.geometry.minimum)

    def _decoded(
        self, values: np.ndarray, rows: np.ndarray, padded: Size, decoder: Decoder
    ) -> np.ndarray:
        """The boxes (N, 4) in input pixels of `values`, the `rows` of "boxes"."""
        anchors = anchor_grid(padded, decoder.strides, decoder.anchor_scale)
        return decode_boxes(values, *(x[rows] for x in anchors), decoder.variances)

    def _suppress(
        self,
        boxes: np.ndarray,
        scores: np.ndarray,
        class_ids: np.ndarray,
        decoder: Decoder,
    ) -> np.ndarray:
        """The indices of the boxes kept; logs once that there are more than that.

        The boxes are sorted, highest score first.
        """
        most = decoder.max_detections
        if decoder.nms < 1:
            kept = nms(boxes, scores, class_ids, decoder.nms, most + 1)
        else:
            kept = np.arange(min(len(boxes), most + 1))
        if len(kept) > most and not self._reported:
            log.warning(
                "more than %d objects are found in an image: the %d with the highest "
                "scores are kept; --max-objects changes that",
                most,
                most,
            )
            self._reported = True
        return kept[:most]

    def _check_shapes(self, outputs: Tuple[Output, ...]) -> None:
        """Raises InputError for outputs whose shapes do not fit each other."""
        scores, boxes = (outputs[self.indices[x]].raw for x in ("scores", "boxes"))
        if scores.ndim != 2 or boxes.ndim != 2 or boxes.shape[1] != 4:
            raise InputError(
                f"outputs scores and boxes are {list(scores.shape)} and "
                f"{list(boxes.shape)}; they must be [cells, classes] and [cells, 4]"
            )
        names = len(self.info.class_names)
        if scores.shape[1] > names:
            raise InputError(
                f"output scores has {scores.shape[1]} classes, and {names} are named; "
                "export it again"
            )
        for role in self.cell_roles:
            count = len(outputs[self.indices[role]].raw)
            if count != len(scores):
                raise InputError(
                    f"output {role} has {count} rows, and output scores "
                    f"{len(scores)}; export it again"
                )


class DetectionPredictor(ObjectPredictor[Detections]):
    """Predicts the boxes of objects."""

    def decode(
        self, outputs: Tuple[Output, ...], placement: Placement, confidence: bool
    ) -> Detections:
        with self.stages.stage("postprocess"):
            return self.find(outputs, placement).detections


def padded_input(size: Size, decoder: Decoder, count: int, multiple: int = 1) -> Size:
    """The size to which a network pads its input of `size`, from the rows of scores.

    A `multiple` over 1 is the one that the network pads to, as files of kseg say; wrong
    strides then cannot be mistaken for another padding. Raises InputError if no padding
    gives so many rows.
    """
    padded = padded_size(size, decoder.strides, count, multiple)
    if padded is None:
        expected = cell_count(padded_to(size, multiple), decoder.strides)
        raise InputError(
            f"output scores has {count} rows, and strides "
            f"{', '.join(map(str, decoder.strides))} give {expected} for an input of "
            f"{format_size(size)}; is the decoder that of this model?"
        )
    return padded


def best_scores(scores: np.ndarray) -> np.ndarray:
    """(A, C) scores as stored -> (A,), those of each cell's best class.

    Raises InputError for scores that are not numbers.
    """
    best = scores.max(axis=1)
    wrong = int(np.count_nonzero(np.isnan(best))) if best.dtype.kind == "f" else 0
    if wrong:
        raise InputError(
            f"output scores has {wrong} of {len(best)} rows that are not numbers; the "
            "model is damaged"
        )
    return best


def raw_limit(scores: Output, score: float, logits: bool) -> float:
    """The score threshold in the numbers of the output as stored.

    Scores are compared as stored, so that only those of objects are dequantized.
    """
    with np.errstate(divide="ignore"):
        limit = float(np.log(score) - np.log1p(-score)) if logits else score
    scale = scores.spec.scale
    return limit / scale + scores.spec.zero_point if scale else limit


def select_best(values: np.ndarray, limit: float, count: int) -> np.ndarray:
    """The indices of the best values (A,) of at least `limit`, best first.

    At most `count`; of equal values the lower index is first.

    >>> select_best(np.uint8([5, 9, 7, 1, 7]), limit=5, count=2).tolist()
    [1, 2]
    """
    places = np.flatnonzero(values >= limit)
    kept = values[places].astype(np.float32)  # uint8 cannot be negated
    if len(places) > count:
        least = np.partition(kept, -count)[-count]
        above, ties = places[kept > least], places[kept == least]
        places = np.concatenate([above, ties[: count - len(above)]])
        kept = values[places].astype(np.float32)
    return places[np.argsort(-kept, kind="stable")]


def finite_rows(output: Output, rows: np.ndarray) -> np.ndarray:
    """Rows of the output "boxes" as float32. Raises InputError if one is not finite."""
    values = output.dequantize(rows).astype(np.float32, copy=False)
    wrong = int(np.count_nonzero(~np.isfinite(values).all(axis=1)))
    if wrong:
        raise InputError(
            f"output boxes has {wrong} of {len(rows)} boxes that are not numbers; the "
            "model is damaged"
        )
    return values


def scale_to_image(placement: Placement) -> np.ndarray:
    """(2,) float32: image pixels for each input pixel, along y and x."""
    return np.float32(placement.image_size) / np.float32(placement.content_size)


def boxes_in_image(
    boxes: np.ndarray, placement: Placement
) -> Tuple[np.ndarray, np.ndarray]:
    """Boxes (N, 4) in input pixels -> boxes in image pixels, and the indices kept.

    Boxes are clipped to the image; those with a side below 1 pixel are left out.
    """
    y, x = scale_to_image(placement)
    height, width = placement.image_size
    boxes = boxes * np.float32([x, y, x, y])
    np.clip(boxes, 0, np.float32([width, height, width, height]), out=boxes)
    sides = boxes[:, 2:] - boxes[:, :2]
    kept = np.flatnonzero((sides >= LEAST_SIDE).all(axis=1))
    return boxes[kept], kept


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """Logits -> probabilities, without overflow.

    >>> sigmoid(np.float32([-1000, 0, 1000])).tolist()
    [0.0, 0.5, 1.0]
    """
    return 0.5 + 0.5 * np.tanh(0.5 * logits)
