"""Images in other light, worked out by hand, and a model measured on them."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from edge.core.constants import PADDING
from edge.engines.base import Output, TensorSpec
from edge.model_file.info import ModelInfo
from edge.predict.semantic import SemanticPredictor
from kseg.data.sample import Dataset, Sample
from kseg.evaluation import EVALUATORS
from kseg.evaluation.shifts import (
    MOST_IMAGES,
    SHIFTS,
    ShiftedPredictor,
    blur,
    contrast,
    gamma,
    noise,
    values_under_shifts,
)

GREY = np.full((64, 64, 3), 128, np.uint8)
INFO = ModelInfo(class_names=("dark", "bright"), colors=((0, 0, 0), (255, 0, 0)))


class BrightPixels:
    """An engine of the size 8x8: class 1 where the first channel is over 127."""

    size, channels = (8, 8), 3
    input = TensorSpec("image", (1, 8, 8, 3), np.dtype(np.uint8))
    outputs = (TensorSpec("labels", (1, 8, 8), np.dtype(np.uint8)),)

    def __call__(self, image: np.ndarray) -> tuple[Output, ...]:
        self.seen = image
        return (Output((image[..., 0] > 127).astype(np.uint8), self.outputs[0]),)


@dataclass
class Pictures:
    """A split of images whose left half has the value 150, of class 1."""

    count: int
    void: bool = False
    read_indices: list[int] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)

    @property
    def sizes(self) -> list[tuple[int, int]]:
        return [(8, 8)] * self.count

    @property
    def names(self) -> list[str]:
        return [str(index) for index in range(self.count)]

    def read(self, index: int) -> Sample:
        self.read_indices.append(index)
        mask = np.zeros((8, 8), np.uint8)
        mask[:, :4] = 1
        image = np.repeat(mask[..., None] * np.uint8(150), 3, axis=2)
        return Sample(image, np.full_like(mask, 255) if self.void else mask)


def predictor() -> SemanticPredictor:
    return SemanticPredictor(BrightPixels(), INFO)


def measured(split: Pictures) -> dict:
    data = Dataset("pictures", INFO.class_names, INFO.colors, {"val": split})
    new = lambda: EVALUATORS["semantic"](data, fast=True)  # noqa: E731
    return values_under_shifts({"keras": predictor()}, split, new)


def test_gamma_contrast_are_functions_of_a_value():
    values = np.array([[0, 51, 128, 255]], np.uint8)
    assert gamma(values, 2).tolist() == [[0, 10, 64, 255]]  # 51 / 5 = 10.2
    assert gamma(values, 0.5).tolist() == [[0, 114, 181, 255]]
    assert contrast(values, 0.6).tolist() == [[51, 82, 128, 204]]


def test_noise_has_its_deviation_and_depends_on_the_image_alone():
    found = noise(GREY, 10)
    assert found.dtype == np.uint8 and np.array_equal(found, noise(GREY, 10))
    difference = found.astype(float) - 128
    assert abs(difference.mean()) < 0.3 and 9.7 < difference.std() < 10.3
    other = noise(GREY + 1, 10).astype(float) - 129
    assert np.corrcoef(difference.ravel(), other.ravel())[0, 1] < 0.05


def test_blur_spreads_a_point_by_its_sigma():
    point = np.zeros((33, 33, 1), np.uint8)
    point[16, 16] = 255
    found = blur(point, 1.5)
    assert found.shape == point.shape
    assert found[16, 16, 0] == pytest.approx(255 / (2 * np.pi * 1.5**2), abs=1)
    assert found[16, 16, 0] > found[16, 18, 0] > found[16, 20, 0]


@pytest.mark.parametrize("name", SHIFTS)
@pytest.mark.parametrize("channels", [1, 3])
def test_every_shift_gives_a_changed_image_of_the_same_shape(name, channels):
    image = np.zeros((9, 12, channels), np.uint8)
    image[2:5, 3:7] = 150
    before = image.copy()
    found = SHIFTS[name](image)
    assert found.shape == image.shape and found.dtype == np.uint8
    assert np.array_equal(image, before) and not np.array_equal(found, image)


def test_the_network_sees_the_resized_image_shifted_and_its_padding_as_it_is():
    shifted = ShiftedPredictor(predictor(), SHIFTS["gamma 2"])
    result = shifted.predict(np.full((16, 32, 3), 150, np.uint8))
    seen = shifted.engine.seen  # 4 rows of the image: 150 becomes 88
    assert (seen[:4] == 88).all() and (seen[4:] == PADDING).all()
    assert result.labels.shape == (16, 32) and not result.labels.any()


def test_a_model_of_bright_pixels_loses_them_in_the_dark():
    """150 becomes 88 with a gamma of 2: class 1 is never found, 0 in half the image."""
    found = measured(Pictures(3))["keras"]
    assert list(found) == list(SHIFTS)
    assert found["gamma 0.5"] == found["contrast 0.6"] == 1
    assert found["gamma 2"] == pytest.approx((0.5 + 0) / 2)


def test_at_most_so_many_images_are_used():
    split = Pictures(200)
    measured(split)
    assert len(split.read_indices) == MOST_IMAGES
    assert split.read_indices[0] == 0 and split.read_indices[-1] == 199


def test_images_without_a_label_give_no_values(caplog):
    caplog.set_level("INFO")
    assert measured(Pictures(2, void=True)) == {}
    assert "nothing is labelled in 2 images of the split" in caplog.text
