"""Objects from the classes of proposed boxes: R-CNN and Fast R-CNN."""

from __future__ import annotations

from typing import Optional, Protocol, Tuple

import numpy as np

from edge.core.errors import InputError
from edge.core.timing import StageTimer
from edge.engines.base import Engine, Output
from edge.model_file.info import ModelInfo
from edge.predict.base import Placement, Predictor
from edge.predict.boxes import nms
from edge.predict.decoder import Decoder, decoder_of, output_indices
from edge.predict.detection import CANDIDATES, boxes_in_image, sigmoid
from edge.predict.region_boxes import WEIGHTS, decode_moves
from edge.predict.results import Detections

HINGE = "hinge"  # the classifier whose scores are margins and not logits


class ProposalEngine(Protocol):
    """An engine that proposes boxes and classifies them, besides `Engine`."""

    def propose(self, image: np.ndarray) -> np.ndarray:
        """(h, w, C) uint8 -> boxes (N, 4) float32 in its pixels."""
        ...

    def classify(self, image: np.ndarray, boxes: np.ndarray) -> Tuple[Output, ...]:
        """The outputs for boxes of an image: see ProposalPredictor."""
        ...


class ProposalPredictor(Predictor[Detections]):
    """Predicts objects from the scores of proposals.

    Outputs: `proposals` (N, 4) x0, y0, x1, y1 in input pixels; `boxes` (N, 4 (C + 1)),
    the moves of each class, the background first (edge.predict.region_boxes); `scores`
    (N, C + 1), logits of softmax. With the decoder's "classifier" "hinge", `margins`
    (N, C) take their place: an object's score is the sigmoid of its margin.
    """

    def __init__(
        self, engine: Engine, info: ModelInfo, stages: Optional[StageTimer] = None
    ):
        super().__init__(engine, info, stages)
        self.hinge = info.decoder.get("classifier") == HINGE
        self.scores = "margins" if self.hinge else "scores"
        needed = (self.scores, "boxes", "proposals")
        self.indices = output_indices(needed, info, engine.outputs)
        decoder_of(info)

    def run(
        self, image: np.ndarray, order: str = "RGB", scale: float = 1.0
    ) -> Tuple[Tuple[Output, ...], Placement]:
        """Propose boxes and classify them, each a stage of its own."""
        engine: ProposalEngine = self.engine  # type: ignore[assignment]
        with self.stages.stage("preprocess"):
            tiles, placement = self.prepare(image, order, scale)
        tile = tiles[0][0]
        with self.stages.stage("proposals"):
            boxes = engine.propose(tile)
        with self.stages.stage("inference"):
            outputs = engine.classify(tile, boxes)
        return outputs, placement

    def decode(
        self, outputs: Tuple[Output, ...], placement: Placement, confidence: bool
    ) -> Detections:
        with self.stages.stage("postprocess"):
            return self.find(outputs, placement)

    def find(self, outputs: Tuple[Output, ...], placement: Placement) -> Detections:
        """The objects of an image, highest score first."""
        decoder = decoder_of(self.info)
        scores, moves, proposals = (
            outputs[self.indices[role]].dequantize().astype(np.float32, copy=False)
            for role in (self.scores, "boxes", "proposals")
        )
        check_finite(scores, moves)
        values = sigmoid(scores) if self.hinge else softmax(scores)[:, 1:]
        rows, classes = np.nonzero(values >= decoder.score)
        best = np.argsort(-values[rows, classes], kind="stable")
        best = best[: CANDIDATES * decoder.max_detections]
        rows, classes = rows[best], classes[best]
        moves = moves.reshape(len(moves), -1, 4)[rows, classes + 1]
        weights = self.info.decoder.get("weights", WEIGHTS)
        boxes = decode_moves(moves[:, None], proposals[rows], weights)[:, 0]
        return suppressed(boxes, classes, values[rows, classes], placement, decoder)


def suppressed(
    boxes: np.ndarray,
    classes: np.ndarray,
    values: np.ndarray,
    placement: Placement,
    decoder: Decoder,
) -> Detections:
    """The best of boxes in input pixels, as boxes of the image."""
    boxes, inside = boxes_in_image(boxes, placement)
    found = Detections(
        boxes, classes[inside].astype(np.int32), values[inside], placement.image_size
    )
    kept = nms(
        found.boxes, found.scores, found.class_ids, decoder.nms, decoder.max_detections
    )
    return found[kept]


def softmax(logits: np.ndarray) -> np.ndarray:
    """(N, C) logits -> probabilities, whose rows sum to 1.

    >>> softmax(np.float32([[0, 0], [1000, 0]])).tolist()
    [[0.5, 0.5], [1.0, 0.0]]
    """
    powers = np.exp(logits - logits.max(axis=1, keepdims=True, initial=-np.inf))
    return powers / powers.sum(axis=1, keepdims=True)


def check_finite(scores: np.ndarray, moves: np.ndarray) -> None:
    """Raises InputError for outputs that are not numbers."""
    for name, values in (("scores", scores), ("boxes", moves)):
        wrong = int(np.count_nonzero(~np.isfinite(values).all(axis=1)))
        if wrong:
            raise InputError(
                f"output {name} has {wrong} of {len(values)} rows that are not "
                "numbers; the model is damaged"
            )
