"""The mean of several semantic models."""

from math import log

import numpy as np
import pytest

from edge.core.errors import InputError
from edge.model_file.info import ModelInfo
from edge.predict.base import Predictor
from edge.predict.ensemble import average
from edge.predict.open import SINGLE_PASS
from edge.predict.semantic import SemanticPredictor
from edge.predict.tta import TTA
from tests.support.engines import ArrayEngine

INFO = ModelInfo(class_names=("a", "b"), colors=((0, 0, 0), (9, 9, 9)), head="logits")
IMAGE = np.zeros((8, 6, 3), np.uint8)


class Odds(ArrayEngine):
    """The same scores everywhere: class 1 has these odds against class 0."""

    def __init__(self, odds, size=None):
        super().__init__(size)
        self.odds = odds

    def labels(self, image):
        scores = np.zeros((*image.shape[:2], 2), np.float32)
        scores[..., 1] = log(self.odds)
        return scores


class LeftRight(Odds):
    """Class 1 has the odds on the left half, class 0 on the right one."""

    def labels(self, image):
        scores = super().labels(image)
        half = image.shape[1] // 2
        scores[:, half:, 1] *= -1
        return scores


def mean_of(*engines, tta=SINGLE_PASS, info=INFO):
    members = [SemanticPredictor(engine, info) for engine in engines]
    return average(members, [f"run{n}" for n in range(len(members))], tta)


def test_probabilities_are_averaged():
    """Odds 1:9, 3:2 and 3:2 -> (0.1 + 0.6 + 0.6) / 3 = 0.4333 for class 1.

    The mean of logits would be ln(1/9 * 9/4) / 3 < 0 too, votes would be for class 1.
    """
    result = mean_of(Odds(1 / 9), Odds(1.5), Odds(1.5)).predict(IMAGE, confidence=True)
    assert not result.labels.any()
    np.testing.assert_allclose(result.confidence, 1 - 1.3 / 3, atol=1e-6)


def test_one_sure_model_does_not_outweigh_two_by_its_logits():
    """Odds 1e6, and twice 1:4: (1 + 0.2 + 0.2) / 3 = 0.467, though logits give 1."""
    assert not mean_of(Odds(1e6), Odds(0.25), Odds(0.25)).predict(IMAGE).labels.any()


def test_mirrored_passes_of_every_model_are_averaged():
    """Both halves become (0.75 + 0.25) / 2 in the first model; the other decides."""
    engines = LeftRight(3.0), Odds(4.0)
    result = mean_of(*engines, tta=TTA(flip=True)).predict(IMAGE, confidence=True)
    assert result.labels.all()
    np.testing.assert_allclose(result.confidence, (0.5 + 0.8) / 2, atol=1e-6)


def test_models_of_fixed_and_free_sizes_go_together():
    result = mean_of(Odds(9.0), Odds(1.0, size=(4, 4))).predict(IMAGE, confidence=True)
    assert result.labels.shape == (8, 6)
    np.testing.assert_allclose(result.confidence, (0.9 + 0.5) / 2, atol=1e-6)


def test_what_cannot_be_averaged_is_refused():
    other = ModelInfo(class_names=("a", "c"), colors=((0, 0, 0), (9, 9, 9)))
    members = [SemanticPredictor(Odds(2), INFO), SemanticPredictor(Odds(2), other)]
    with pytest.raises(InputError, match="y: has the classes a, c, but x has a, b;"):
        average(members, ["x", "y"], TTA())
    boxes = ModelInfo(class_names=("a",), colors=((0, 0, 0),), task="detection")
    with pytest.raises(InputError, match="x: several models of the task detection"):
        average([Predictor(Odds(2), boxes)] * 2, ["x", "y"], TTA())
    labels = ModelInfo(class_names=("a", "b"), colors=INFO.colors, head="labels")
    with pytest.raises(InputError, match="one of them outputs labels only"):
        mean_of(Odds(2), Odds(2), info=labels)
