"""Engines made from a function, for tests of predictors."""

from typing import Any

import numpy as np

from edge.engines.base import Output, TensorSpec
from edge.predict.base import Predictor


class ArrayEngine:
    """Returns `labels(image)` as its only output, a map of ids or scores."""

    name, threads, accelerator = "test", 1, ""
    share = first_millis = None
    input = TensorSpec("image", (1, -1, -1, 3), np.dtype(np.uint8))
    outputs = (TensorSpec("map", (1, -1, -1), np.dtype(np.uint8)),)

    def __init__(self, size=None, channels=3):
        self.size, self.channels = size, channels

    def blank(self) -> np.ndarray:
        return np.zeros((*(self.size or (64, 64)), self.channels), np.uint8)

    def __call__(self, image: np.ndarray) -> tuple[Output, ...]:
        return (Output(self.labels(image), self.outputs[0]),)

    def labels(self, image: np.ndarray) -> np.ndarray:
        return image[..., 0].astype(np.int64)


def labels_and_confidence(predictor: Predictor, image: np.ndarray) -> tuple[Any, Any]:
    """The labels and the confidence of a semantic result."""
    result = predictor.predict(image, confidence=True)
    return result.labels, result.confidence


def only(engine: Any, image: np.ndarray) -> np.ndarray:
    """The values of an engine's only output, dequantized to float32."""
    (output,) = engine(image)
    return output.dequantize()
