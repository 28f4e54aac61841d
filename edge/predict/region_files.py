"""Networks of regions in several files: `rpn`, `faster_rcnn` and `mask_rcnn` exported.

The first file gives features and the scores and moves of anchors. Proposals are chosen
from them here; the file "heads" gives their classes and moves, the file "masks" the
masks of the objects that are found. `rpn` has no other files.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any, Mapping, Optional, Tuple, TypeVar

import numpy as np

from edge.core.errors import InputError
from edge.core.timing import StageTimer
from edge.engines.base import Engine, Output, TensorSpec
from edge.model_file.info import ModelInfo
from edge.predict.decoder import decoder_of, output_indices
from edge.predict.region_choice import (
    Boxes,
    in_chunks,
    objects,
    proposals,
    settings_of,
)
from edge.predict.regions import (
    RegionDetectionPredictor,
    RegionInstancePredictor,
    RegionPredictor,
)

HEADS, MASKS = "heads", "masks"  # the parts after the first
FIRST = ("objectness", "deltas")  # outputs of the first part, besides features

P = TypeVar("P", bound="RegionFilePredictor")


class RegionFiles:
    """The parts as one engine, whose outputs are those of the Keras network.

    Only places with an object have a row, of a score of at least `info.decoder`'s, so
    that no time is spent on the masks of others. `stages` gets the times of the parts:
    network, proposals, heads and masks.
    """

    def __init__(self, first: Engine, info: ModelInfo, stages: StageTimer):
        self.first, self.stages = first, stages
        self.parts: Mapping[str, Any] = getattr(first, "parts", {})
        missing = [role for role in info.decoder.get("parts", {}) if role not in self]
        if missing:
            raise InputError(
                f"its part {missing[0]} is not open; open the model by its path"
            )
        self.score = decoder_of(info).score
        self.settings = settings_of(info.decoder)
        self.multiple = max(1, info.geometry.minimum)
        self.roles = info.outputs
        self.indices = output_indices(FIRST, info, first.outputs)
        self.name, self.threads = first.name, first.threads
        self.size, self.channels = first.size, first.channels
        self.input, self.accelerator = first.input, first.accelerator
        engines = (first, *self.parts.values())
        shares = [each.share for each in engines]
        self.share = None if None in shares else min(shares)
        millis = [each.first_millis for each in engines]
        self.first_millis = None if None in millis else sum(millis)
        self.outputs = tuple(self._specs())

    def __contains__(self, role: str) -> bool:
        return role in self.parts

    def _specs(self) -> Any:
        """The specifications of the outputs; the number of rows is free."""
        yield TensorSpec("boxes", (1, -1, 4), np.dtype(np.float32))
        yield TensorSpec("scores", (1, -1), np.dtype(np.float32))
        yield TensorSpec("class_ids", (1, -1), np.dtype(np.int32))
        if MASKS in self:
            shape = (1, -1, *self.parts[MASKS].outputs[0].shape[2:])
            yield TensorSpec("masks", shape, np.dtype(np.float32))

    def with_score(self, score: float) -> RegionFiles:
        """A copy with another score threshold; it shares the parts and the times."""
        result = copy.copy(self)
        result.score = score
        return result

    def blank(self) -> np.ndarray:
        return self.first.blank()

    def __call__(self, image: np.ndarray) -> Tuple[Output, ...]:
        with self.stages.stage("network"):
            outputs = self.first(image)
        with self.stages.stage("proposals"):
            found = self._propose(outputs, image.shape[:2])
        features = {
            role: x.raw for role, x in zip(self.roles, outputs) if role not in FIRST
        }
        if HEADS in self:
            with self.stages.stage("heads"):
                found = self._classify(found, features, image.shape[:2])
        found = Boxes(*(x[found.scores >= self.score] for x in found))
        results = list(found)
        if MASKS in self:
            with self.stages.stage("masks"):
                results.append(self._masks(found, features))
        return tuple(Output(x, spec) for x, spec in zip(results, self.outputs))

    def _propose(self, outputs: Tuple[Output, ...], size: Tuple[int, int]) -> Boxes:
        objectness, deltas = (
            outputs[self.indices[role]].dequantize().astype(np.float32, copy=False)
            for role in FIRST
        )
        return proposals(objectness, deltas, size, self.multiple, self.settings)

    def _classify(
        self, found: Boxes, features: Mapping[str, np.ndarray], size: Tuple[int, int]
    ) -> Boxes:
        """The objects among the proposals `found`."""
        if not len(found.boxes):
            return found
        heads = self.parts[HEADS]
        rows = [
            heads({"boxes": boxes, **features})
            for (boxes,) in in_chunks([found.boxes], box_count(heads))
        ]
        logits, deltas = (
            np.concatenate([each[role] for each in rows])[: len(found.boxes)]
            for role in ("class_logits", "box_deltas")
        )
        return objects(logits, deltas, found.boxes, size, self.settings)

    def _masks(self, found: Boxes, features: Mapping[str, np.ndarray]) -> np.ndarray:
        """The masks (N, h, w) of objects, logits."""
        masks = self.parts[MASKS]
        chunks = in_chunks([found.boxes, found.class_ids], box_count(masks))
        rows = [
            masks({"boxes": boxes, "class_ids": ids, **features})["masks"]
            for boxes, ids in chunks
        ]
        if not rows:
            return np.zeros((0, *self.outputs[-1].shape[2:]), np.float32)
        return np.concatenate(rows)[: len(found.boxes)]


def box_count(part: Any) -> int:
    """The number of boxes that a part takes at a time."""
    return part.inputs["boxes"].shape[1]


class RegionFilePredictor(RegionPredictor):
    """What the predictors of these files have in common."""

    engine: RegionFiles

    def __init__(
        self, engine: Engine, info: ModelInfo, stages: Optional[StageTimer] = None
    ):
        stages = stages or StageTimer()
        # The engine of another predictor has its times.
        first = engine.first if isinstance(engine, RegionFiles) else engine
        files = RegionFiles(first, info, stages)
        roles = tuple(spec.name for spec in files.outputs)
        super().__init__(files, replace(info, outputs=roles), stages)
        self.info = info

    def with_decoder(self: P, changes: Mapping[str, Any]) -> P:
        result = super().with_decoder(changes)
        result.engine = self.engine.with_score(decoder_of(result.info).score)
        return result


class RegionFileDetectionPredictor(RegionFilePredictor, RegionDetectionPredictor):
    """Predicts the boxes of objects."""


class RegionFileInstancePredictor(RegionFilePredictor, RegionInstancePredictor):
    """Predicts the boxes and masks of objects."""
