"""One loop over a split: what it counts, and whom it names."""

from dataclasses import dataclass

import numpy as np
import pytest

from edge.core.constants import palette
from edge.core.errors import InputError
from edge.model_file.info import InputGeometry, ModelInfo
from edge.predict.semantic import SemanticPredictor
from kseg.data.sample import Sample
from kseg.evaluation.loop import REFERENCE, compare, evaluate
from kseg.evaluation.semantic import SemanticEvaluator
from tests.support.engines import ArrayEngine

NAMES = ("a", "b")
INFO = ModelInfo(
    class_names=NAMES, colors=palette(2), geometry=InputGeometry(minimum=4), max_side=64
)


@dataclass
class Masks:
    """A split of masks that are their own images: an ArrayEngine predicts them."""

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
    """Masks of 4x5 pixels of which so many are class 1."""
    lines = [(np.arange(20) < count).astype(np.uint8) for count in shares]
    return Masks([line.reshape(4, 5) for line in lines])


def test_every_image_is_counted_and_seen():
    seen = []

    class Note:
        def add(self, index, sample, result):
            seen.append((index, int(result.labels.sum())))

    predictor = SemanticPredictor(ArrayEngine(), INFO)
    found = evaluate(predictor, split_of(5, 10), SemanticEvaluator(NAMES), [Note()])
    assert found.value() == 1 and found.matrix.tolist() == [[25, 0], [0, 15]]
    assert seen == [(0, 5), (1, 10)]


def test_a_comparison_by_hand():
    """Zeros hits 25 of 25 and 0 of 15; it has 25 of 40 labels as the reference."""
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


@pytest.mark.parametrize("way", ["evaluate", "compare"])
def test_what_cannot_be_predicted_is_named(way):
    split = Masks([np.zeros((4, 5), np.uint8), np.zeros((3, 5), np.uint8)])
    predictor = SemanticPredictor(ArrayEngine(), INFO)
    with pytest.raises(InputError, match="^1.png: an image of 3x5 is smaller than"):
        if way == "evaluate":
            evaluate(predictor, split, SemanticEvaluator(NAMES))
        else:
            compare(predictor, {}, split, lambda: SemanticEvaluator(NAMES, fast=True))


@pytest.mark.parametrize("fast", [False, True])
def test_a_class_that_the_data_lack_is_named(fast):
    split = Masks([np.full((4, 5), 7, np.uint8)])
    predictor = SemanticPredictor(ArrayEngine(), INFO)
    with pytest.raises(
        InputError, match="^0.png: the model predicts class 7, the data"
    ):
        evaluate(predictor, split, SemanticEvaluator(NAMES, fast))


def test_void_alone_is_no_value_and_no_nan():
    split = Masks([np.full((4, 5), 255, np.uint8)])
    predictor = SemanticPredictor(Zeros(), INFO)
    found = evaluate(predictor, split, SemanticEvaluator(NAMES))
    assert found.figures()["mean_iou"] is None
    with pytest.raises(InputError, match="no pixel is labelled"):
        found.value()
