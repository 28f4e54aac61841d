"""The loop over a split: counts, observers and error messages."""

from copy import copy
from dataclasses import dataclass, replace

import numpy as np
import pytest

from edge.core.constants import palette
from edge.core.errors import InputError
from edge.model_file.info import InputGeometry, ModelInfo
from edge.predict.results import SemanticMap
from edge.predict.semantic import SemanticPredictor
from kseg.data.sample import Sample
from kseg.evaluation.loop import REFERENCE, Comparison, compare, evaluate
from kseg.evaluation.semantic import SemanticEvaluator
from tests.support.engines import ArrayEngine

NAMES = ("a", "b")
INFO = ModelInfo(
    class_names=NAMES, colors=palette(2), geometry=InputGeometry(minimum=4), max_side=64
)


@dataclass
class Masks:
    """A split whose images are its masks, so that an ArrayEngine predicts them."""

    masks: list[np.ndarray]

    @property
    def names(self) -> list[str]:
        return [f"{index}.png" for index in range(len(self.masks))]

    @property
    def sizes(self) -> list[tuple[int, int]]:
        return [mask.shape for mask in self.masks]

    def read(self, index: int) -> Sample:
        mask = self.masks[index]
        return Sample(np.repeat(mask[..., None], 3, axis=2), mask)


class Zeros(ArrayEngine):
    def labels(self, image):
        return np.zeros(image.shape[:2], np.uint8)


def split_of(*shares: int) -> Masks:
    """Masks of 4x5 pixels with these numbers of pixels of class 1."""
    lines = [(np.arange(20) < count).astype(np.uint8) for count in shares]
    return Masks([line.reshape(4, 5) for line in lines])


def test_every_image_is_counted_and_observed():
    observed = []

    class Recorder:
        def add(self, index, sample, result):
            observed.append((index, int(result.labels.sum())))

    predictor = SemanticPredictor(ArrayEngine(), INFO)
    found = evaluate(predictor, split_of(5, 10), SemanticEvaluator(NAMES), [Recorder()])
    assert found.value() == 1 and found.matrix.tolist() == [[25, 0], [0, 15]]
    assert observed == [(0, 5), (1, 10)]


def test_a_comparison_by_hand():
    """Zeros is correct in 25 of 25 and 0 of 15 pixels; 25 of 40 equal the reference."""
    reference = SemanticPredictor(ArrayEngine(), INFO)
    others = {"zeros": SemanticPredictor(Zeros(), INFO)}
    found = compare(
        reference, others, split_of(5, 10), lambda: SemanticEvaluator(NAMES, fast=True)
    )
    assert list(found) == [REFERENCE, "zeros"]
    assert found[REFERENCE].evaluator.value() == 1
    assert found["zeros"].evaluator.value() == (25 / 40 + 0) / 2
    assert (found["zeros"].equal, found["zeros"].total) == (25, 40)
    assert found["zeros"].agreement == 25 / 40


class Counting:
    """Of two numbers: their difference, if both are over 0."""

    headline, needs_confidence, decoder = "none", False, {}

    def add(self, target, result):
        pass

    def agreement(self, expected, found):
        return 0, 0

    def differences(self, expected, found):
        return {"difference": [found - expected] if min(expected, found) > 0 else []}


def test_differences_are_averaged_over_all_elements():
    each = Comparison(Counting())
    assert each.differences() == {} and each.agreement == 1  # there are no elements
    each.add(None, 0, 5)
    assert each.differences() == {"difference": None}
    each.add(None, 1, 2)
    each.add(None, 1, 5)
    assert each.differences() == {"difference": 2.5}


class Adjustable(SemanticPredictor):
    """Its decoder has the class of every pixel."""

    def with_decoder(self, changes):
        result = copy(self)
        result.info = replace(self.info, decoder={**self.info.decoder, **changes})
        return result

    def decode(self, outputs, placement, confidence):
        labels = super().decode(outputs, placement, confidence).labels
        return SemanticMap(np.full_like(labels, self.info.decoder["class_id"]))


def test_the_evaluator_chooses_the_decoding():
    """All pixels are class 1, which 5 of 20 are, instead of class 0."""
    predictor = Adjustable(ArrayEngine(), replace(INFO, decoder={"class_id": 0}))
    split = split_of(5)

    def new() -> SemanticEvaluator:
        return SemanticEvaluator(NAMES, fast=True, decoder={"class_id": 1})

    assert evaluate(predictor, split, new()).matrix.tolist() == [[0, 15], [0, 5]]
    found = compare(predictor, {"same": predictor}, split, new)
    for each in found.values():
        assert each.evaluator.matrix.tolist() == [[0, 15], [0, 5]]
    assert predictor.info.decoder == {"class_id": 0}


@pytest.mark.parametrize("function", ["evaluate", "compare"])
def test_the_error_names_an_image_that_cannot_be_predicted(function):
    split = Masks([np.zeros((4, 5), np.uint8), np.zeros((3, 5), np.uint8)])
    predictor = SemanticPredictor(ArrayEngine(), INFO)
    with pytest.raises(InputError, match="^1.png: an image of 3x5 is smaller than"):
        if function == "evaluate":
            evaluate(predictor, split, SemanticEvaluator(NAMES))
        else:
            compare(predictor, {}, split, lambda: SemanticEvaluator(NAMES, fast=True))


@pytest.mark.parametrize("fast", [False, True])
def test_a_predicted_class_outside_the_data_is_refused(fast):
    split = Masks([np.full((4, 5), 7, np.uint8)])
    predictor = SemanticPredictor(ArrayEngine(), INFO)
    with pytest.raises(
        InputError, match="^0.png: the model predicts class 7, but the data"
    ):
        evaluate(predictor, split, SemanticEvaluator(NAMES, fast))


def test_metrics_of_void_only_are_none_and_the_value_is_refused():
    split = Masks([np.full((4, 5), 255, np.uint8)])
    predictor = SemanticPredictor(Zeros(), INFO)
    found = evaluate(predictor, split, SemanticEvaluator(NAMES))
    assert found.metrics()["mean_iou"] is None
    with pytest.raises(InputError, match="no pixel is labelled"):
        found.value()


def test_labels_of_scores_that_are_not_finite_are_refused():
    """The largest of scores that are nan is the first: class 0 everywhere."""
    result = SemanticMap(
        np.zeros((2, 2), np.uint8), np.full((2, 2), np.nan, np.float32)
    )
    with pytest.raises(InputError, match="the model's scores are not finite"):
        SemanticEvaluator(NAMES).add(np.zeros((2, 2), np.uint8), result)
