"""Inference times of engines that sleep for a known time."""

import time

import numpy as np

from benchmarks.inference import time_on_images
from edge.model_file.info import ModelInfo
from edge.predict.semantic import SemanticPredictor
from kseg.data.shapes import ShapesSplit
from tests.support.engines import ArrayEngine

INFO = ModelInfo(class_names=("dark", "bright"), colors=((0, 0, 9), (200, 100, 0)))


class Engine(ArrayEngine):
    """Sleeps for `seconds`, then labels bright pixels."""

    def __init__(self, name: str, seconds: float, order: list[str]):
        super().__init__((16, 16))
        self.name, self.seconds, self.order = name, seconds, order

    def labels(self, image: np.ndarray) -> np.ndarray:
        self.order.append(self.name)
        time.sleep(self.seconds)
        return (image[..., 0] > 127).astype(np.uint8)


def test_predictors_alternate_on_each_image():
    order: list[str] = []
    predictors = {
        name: SemanticPredictor(Engine(name, seconds, order), INFO)
        for name, seconds in (("fast", 0.0), ("slow", 0.02))
    }
    millis = time_on_images(predictors, ShapesSplit(0, 3), count=2)
    assert order == ["fast", "fast", "slow", "slow"] * 2
    assert 20 <= millis["slow"].engine <= millis["slow"].total
    assert 0 < millis["fast"].engine <= millis["fast"].total


def test_all_images_of_a_small_split_are_used():
    order: list[str] = []
    predictors = {"one": SemanticPredictor(Engine("one", 0.0, order), INFO)}
    time_on_images(predictors, ShapesSplit(0, 3), count=50)
    assert len(order) == 2 * 3
