from math import log

import numpy as np
import pytest

from edge.core.errors import InputError
from kseg.core.names import CLASS_WEIGHTS
from kseg.data.class_weights import (
    RULES,
    Counts,
    class_weights,
    count_pixels,
    inverse_log,
    median_frequency,
)
from kseg.data.shapes import ShapesSplit

# Two images of four pixels, one of them void; class 3 is in none of them.
MASKS = (np.array([[0, 0], [0, 1]]), np.array([[0, 2], [2, 255]]))
PIXELS, AROUND = [4, 1, 2, 0], [7, 4, 3, 0]


class MaskSplit:
    """A split of masks."""

    def __init__(self, masks):
        self.masks = masks
        self.names = [f"image {index}" for index in range(len(masks))]
        self.sizes = [mask.shape for mask in masks]

    def read(self, index):
        mask = self.masks[index]
        return np.zeros((*mask.shape, 3), np.uint8), mask.astype(np.uint8)


@pytest.fixture
def counts():
    return count_pixels(MaskSplit(MASKS), 4)


def test_counts_by_hand(counts):
    assert counts.pixels.tolist() == PIXELS
    assert counts.around.tolist() == AROUND
    assert counts.pixels.dtype == counts.around.dtype == np.int64


def test_median_frequency_by_hand(counts):
    # Frequencies of 4/7, 1/4 and 2/3: the median is 4/7.
    expected = [1, 4 / 7 * 4, 4 / 7 * 3 / 2, np.nan]
    np.testing.assert_allclose(median_frequency(counts), expected)


def test_inverse_log_by_hand(counts):
    shares = (4 / 7, 1 / 7, 2 / 7, 0)
    expected = [1 / log(1.02 + share) for share in shares]
    np.testing.assert_allclose(inverse_log(counts), expected)
    assert inverse_log(counts).max() < 50.6


@pytest.mark.parametrize("rule", RULES)
def test_mean_weight_of_the_training_pixels_is_1(rule, counts):
    weights = class_weights(rule, counts)
    assert np.dot(weights, counts.pixels) / sum(PIXELS) == pytest.approx(1, rel=1e-5)
    assert weights[1] == max(weights)  # the rarest class
    published = RULES[rule](counts)
    assert weights[1] / weights[0] == pytest.approx(published[1] / published[0], 1e-5)


@pytest.mark.parametrize("rule", RULES)
def test_class_without_pixels_has_weight_1(rule, counts):
    assert class_weights(rule, counts)[3] == 1
    nothing = Counts(np.zeros(3, np.int64), np.zeros(3, np.int64))
    assert class_weights(rule, nothing) == (1, 1, 1)


@pytest.mark.parametrize("rule", RULES)
def test_equally_frequent_classes_have_weight_1(rule):
    equal = Counts(np.full(5, 10), np.full(5, 50))
    assert class_weights(rule, equal) == (1,) * 5


def test_shapes_are_counted():
    split = ShapesSplit(seed=0, count=6)
    masks = np.stack([split.read(index)[1] for index in range(6)])
    expected = np.bincount(masks.ravel(), minlength=6)
    assert count_pixels(split, 6).pixels.tolist() == expected.tolist()


def test_error_of_a_mask_is_raised():
    class Damaged(MaskSplit):
        def read(self, index):
            raise InputError(f"{self.names[index]}: the file is truncated")

    with pytest.raises(InputError, match="image 0: the file is truncated"):
        count_pixels(Damaged(MASKS), 4)


def test_option_choices_are_the_rules():
    assert set(CLASS_WEIGHTS) == {"none", *RULES}
