"""Shifts: how images change with light and camera, to measure a model beyond its data.

Rounding can cost little on the validation images and much in another light. Each shift
is deterministic: the noise of an image depends on its content alone.
"""

from __future__ import annotations

import logging
import zlib
from dataclasses import replace
from functools import partial
from typing import Any, Callable, Mapping

import cv2
import numpy as np

from edge.core.errors import InputError
from edge.predict.base import Predictor, check_image
from edge.predict.resizing import resize
from kseg.core.progress import evenly_spaced, shown
from kseg.data.sample import Split
from kseg.evaluation.loop import Evaluator, decoding_for, errors_name_image

log = logging.getLogger(__name__)

Shift = Callable[[np.ndarray], np.ndarray]

MIDDLE = 127.5  # of the values 0..255
MOST_IMAGES = 40  # of a split, evenly spaced, on which shifts are measured


def gamma(image: np.ndarray, power: float) -> np.ndarray:
    """255 * (v / 255) ** power: brighter below a power of 1, darker above.

    >>> gamma(np.array([[0, 64, 255]], np.uint8), 0.5).tolist()
    [[0, 128, 255]]
    """
    values = 255 * (np.arange(256) / 255) ** power
    return np.rint(values).astype(np.uint8)[image]


def contrast(image: np.ndarray, factor: float) -> np.ndarray:
    """127.5 + factor * (v - 127.5), as in haze: a factor below 1 flattens.

    >>> contrast(np.array([[0, 100, 255]], np.uint8), 0.6).tolist()
    [[51, 111, 204]]
    """
    values = MIDDLE + factor * (np.arange(256) - MIDDLE)
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)[image]


def noise(image: np.ndarray, sigma: float) -> np.ndarray:
    """v + sigma * n, rounded and cut to 0..255; n is standard normal for each value.

    The seed is the checksum of the image (CRC-32).
    """
    random = np.random.default_rng(zlib.crc32(np.ascontiguousarray(image)))
    values = image + sigma * random.standard_normal(image.shape, np.float32)
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def blur(image: np.ndarray, sigma: float) -> np.ndarray:
    """Convolution with a Gaussian of `sigma` pixels; the image continues mirrored."""
    return cv2.GaussianBlur(image, (0, 0), sigma).reshape(image.shape)


# Name -> function of an image (h, w, C) uint8 that returns one of its shape and type.
SHIFTS: dict[str, Shift] = {
    "gamma 0.5": partial(gamma, power=0.5),
    "gamma 2": partial(gamma, power=2.0),
    "contrast 0.6": partial(contrast, factor=0.6),
    "noise 10": partial(noise, sigma=10.0),
    "blur 1.5": partial(blur, sigma=1.5),
}


class ShiftedPredictor(Predictor[Any]):
    """A predictor that sees each image shifted, after it is resized for the network.

    So a shift does not depend on the size of the images, and the padding stays as is.
    """

    def __init__(self, inner: Predictor[Any], shift: Shift):
        super().__init__(inner.engine, inner.info, inner.stages)
        self.inner, self.shift = inner, shift

    def with_decoder(self, changes: Mapping[str, Any]) -> ShiftedPredictor:
        return ShiftedPredictor(self.inner.with_decoder(changes), self.shift)

    def predict(
        self, image: np.ndarray, order: str = "RGB", confidence: bool = False
    ) -> Any:
        check_image(image)
        small = resize(image, self.inner.content_size_of(image.shape[:2]))
        tiles, placement = self.inner.prepare(self.shift(small), order)
        outputs = [[self.engine(tile) for tile in row] for row in tiles]
        placement = replace(placement, image_size=image.shape[:2])
        return self.inner.decode(self.inner.merge(outputs), placement, confidence)


def values_under_shifts(
    predictors: Mapping[str, Predictor[Any]],
    split: Split,
    new: Callable[[], Evaluator],
) -> dict[str, dict[str, float]]:
    """The headline metric of each predictor under each shift: name -> shift -> value.

    It is measured on at most MOST_IMAGES images. Empty if nothing is labelled in them.
    """
    keys = [(name, shift) for name in predictors for shift in SHIFTS]
    evaluators = {key: new() for key in keys}
    shifted = {
        (name, shift): decoding_for(
            evaluators[name, shift], ShiftedPredictor(predictors[name], SHIFTS[shift])
        )
        for name, shift in keys
    }
    indices = evenly_spaced(len(split.sizes), MOST_IMAGES)
    for index in shown(indices, "comparing in other light", len(indices)):
        image, target = split.read(index)
        with errors_name_image(split, index):
            for key, evaluator in evaluators.items():
                confidence = evaluator.needs_confidence
                result = shifted[key].predict(image, confidence=confidence)
                evaluator.add(target, result)
    try:
        return {
            name: {shift: evaluators[name, shift].value() for shift in SHIFTS}
            for name in predictors
        }
    except InputError:
        log.info(
            f"nothing is labelled in {len(indices)} images of the split, so the files "
            "are not compared in other light"
        )
        return {}
