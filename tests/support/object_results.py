"""Hand-made results of objects, and an engine and a predictor that give them."""

from typing import Any

import numpy as np

from edge.engines.base import Output
from edge.model_file.info import ModelInfo
from edge.predict.base import Predictor
from edge.predict.results import Detections, Instances
from tests.support.engines import ArrayEngine

NAMES, COLORS = ("dog", "cat", "bird"), ((200, 0, 60), (255, 255, 0), (0, 0, 255))
DETECTION = ModelInfo(NAMES, COLORS, task="detection")
INSTANCE = ModelInfo(NAMES, COLORS, task="instance")


def detections(*rows: Any, size=(100, 200), tracks=None) -> Detections:
    """(class id, score, x0, y0, x1, y1) of each object -> the result."""
    table = np.float32(rows).reshape(-1, 6)
    numbers = None if tracks is None else np.int32(tracks)
    ids = table[:, 0].astype(np.int32)
    return Detections(table[:, 2:], ids, table[:, 1], size, numbers)


def instances(*rows: Any, size=(100, 200), tracks=None, crops=None) -> Instances:
    """The same with masks: by default the whole box, or the logits `crops` over it."""
    found = detections(*rows, size=size, tracks=tracks)
    crops = crops or [[[4.0]]] * len(found)
    return Instances(
        found.boxes,
        found.class_ids,
        found.scores,
        size,
        found.track_ids,
        tuple(np.float32(crop) for crop in crops),
        found.boxes,
    )


class Repeated(Predictor):
    """Predicts the same objects in each frame."""

    def __init__(self, result: Any, info: ModelInfo):
        super().__init__(ArrayEngine(result.size), info)
        self.result = result

    def decode(self, outputs: tuple[Output, ...], placement: Any, confidence: bool):
        with self.stages.stage("postprocess"):
            return self.result


class Counted:
    """Counts as if the objects crossed a line: each frame adds a dog that goes up."""

    def __init__(self):
        self.frames = 0

    def __call__(self, result: Any) -> None:
        self.frames += 1

    def counts(self, info: ModelInfo) -> dict[str, dict[str, int]]:
        return {"dog": {"down": 0, "up": self.frames}}
