"""Losses that are means over pixels, by hand and compared with scikit-learn."""

from functools import partial
from math import log

import numpy as np
import pytest
from keras import ops
from sklearn.metrics import log_loss

from kseg.training.losses.pixel import cross_entropy, focal
from kseg.training.losses.pixel import ohem as hard_pixel_loss
from kseg.training.losses.segmentation import (
    LOSSES,
    SegmentationLoss,
)
from tests.kseg.training.losses.cases import (
    EXPECTED,
    LOGITS,
    MASK,
    WEIGHT,
    WEIGHTED,
    gradient_of,
    loss_of,
    on_tensorflow,
    over_pixels,
    random_batch,
)


def test_worked_by_hand():
    assert loss_of(MASK, LOGITS) == pytest.approx(EXPECTED, rel=1e-6)


@on_tensorflow
def test_gradient_is_probability_minus_target_and_zero_in_void():
    by_hand = [
        [[1 / 4 - 0, 3 / 4 - 1], [3 / 4 - 0, 1 / 4 - 1]],
        [[1 / 2 - 1, 1 / 2 - 0], [0, 0]],
    ]
    gradient = gradient_of(cross_entropy, MASK, LOGITS)[0]
    np.testing.assert_allclose(gradient, np.array(by_hand) / 3, atol=1e-6)
    assert gradient[1, 1].tolist() == [0, 0]


def test_mean_is_over_the_pixels_of_the_batch():
    # Three valid pixels in the first image, one in the second: no mean of means.
    mask = np.concatenate([MASK, np.array([[[0, 255], [255, 255]]])])
    logits = np.concatenate([LOGITS, np.zeros_like(LOGITS)])
    expected = (3 * EXPECTED - log(1 / 2)) / 4
    assert loss_of(mask, logits) == pytest.approx(expected, rel=1e-6)


def test_weights_worked_by_hand():
    assert loss_of(MASK, LOGITS, weight=WEIGHT) == pytest.approx(WEIGHTED, rel=1e-6)
    loss = SegmentationLoss()(MASK.astype("uint8"), LOGITS, WEIGHT)
    assert float(loss) == pytest.approx(WEIGHTED, rel=1e-6)


@over_pixels
def test_weights_of_one_change_nothing(name):
    loss, weight = LOSSES[name], np.ones_like(WEIGHT)
    expected = float(loss(MASK, LOGITS))
    assert float(loss(MASK, LOGITS, weight=weight)) == expected
    assert float(loss(MASK, LOGITS, class_weights=(1, 1))) == expected


def test_a_weight_does_not_change_the_terms_of_other_pixels():
    heavier = WEIGHT.copy()
    heavier[0, 0, 0] += 3
    more = loss_of(MASK, LOGITS, weight=heavier) - loss_of(MASK, LOGITS, weight=WEIGHT)
    assert more == pytest.approx(3 * -log(3 / 4) / 3, rel=1e-5)


def test_class_weights_worked_by_hand():
    """Divided by the three valid pixels, not by their weights of 2, 2 and 0.5."""
    weights = (0.5, 2.0)
    expected = (2 * -log(3 / 4) + 2 * -log(1 / 4) + 0.5 * -log(1 / 2)) / 3
    found = loss_of(MASK, LOGITS, class_weights=weights)
    assert found == pytest.approx(expected, rel=1e-6)
    loss = SegmentationLoss("ce", weights)(MASK.astype("uint8"), LOGITS)
    assert float(loss) == pytest.approx(expected, rel=1e-6)


def test_both_weights_multiply():
    by_pixel = np.where(MASK == 1, 2.0, 0.5).astype(np.float32) * WEIGHT
    both = loss_of(MASK, LOGITS, weight=WEIGHT, class_weights=(0.5, 2.0))
    expected = loss_of(MASK, LOGITS, weight=by_pixel)
    assert both == pytest.approx(expected, rel=1e-6)


@over_pixels
def test_a_wrong_number_of_class_weights_is_refused(name):
    with pytest.raises(ValueError, match="for each of the 2 classes, got 3"):
        LOSSES[name](MASK, LOGITS, class_weights=(1, 2, 3))


def test_focal_worked_by_hand():
    # (1 - p)^2 of the true classes' 3/4, 1/4 and 1/2.
    terms = (1 / 16 * -log(3 / 4), 9 / 16 * -log(1 / 4), 1 / 4 * -log(1 / 2))
    assert float(focal(MASK, LOGITS)) == pytest.approx(sum(terms) / 3, rel=1e-5)


@pytest.mark.parametrize("weights", ({}, {"class_weights": (0.5, 2.0)}))
def test_focal_at_gamma_0_is_cross_entropy(weights):
    found = float(focal(MASK, LOGITS, gamma=0.0, **weights))
    assert found == pytest.approx(loss_of(MASK, LOGITS, **weights), rel=1e-6)


@on_tensorflow
@pytest.mark.parametrize("gamma", (0.0, 0.5, 1.0, 2.0))
def test_focal_has_a_finite_gradient_at_certain_predictions(gamma):
    certain = np.array([[[[40, -40], [-40, 40]]]], np.float32)  # 1 - p is 0 in float32
    mask = np.array([[[0, 0]]])
    assert np.isfinite(gradient_of(partial(focal, gamma=gamma), mask, certain)).all()


# The hardest share alone; thresholds are tested in test_hard_pixels.py.
ohem = partial(hard_pixel_loss, probability=0)


@pytest.mark.parametrize("share, count", ((0.1, 1), (1 / 3, 1), (0.5, 2), (0.99, 3)))
def test_ohem_worked_by_hand(share, count):
    hardest = sorted((-log(3 / 4), -log(1 / 4), -log(1 / 2)))[::-1][:count]
    found = float(ohem(MASK, LOGITS, share=share))
    assert found == pytest.approx(sum(hardest) / count, rel=1e-6)


def test_ohem_of_all_pixels_is_cross_entropy():
    for weights in ({}, {"weight": WEIGHT}, {"class_weights": (0.5, 2.0)}):
        found = float(ohem(MASK, LOGITS, share=1.0, **weights))
        assert found == pytest.approx(loss_of(MASK, LOGITS, **weights), rel=1e-6)


def test_ohem_weights_do_not_affect_the_selection():
    # p of 1/4 is the hardest pixel, although its weight is 1/2.
    found = float(ohem(MASK, LOGITS, share=1 / 3, weight=WEIGHT))
    assert found == pytest.approx(0.5 * -log(1 / 4), rel=1e-6)


def test_ohem_counts_ties_at_the_limit_in_equal_parts():
    logits = np.zeros((1, 1, 4, 2), np.float32)
    logits[..., 0, 1] = log(3)
    mask, weight = np.zeros((1, 1, 4), int), np.array([[[1.0, 1.0, 2.0, 3.0]]])
    # Two of four: the first, p = 1/4, and a third each of those whose p is 1/2.
    found = float(ohem(mask, logits, share=0.5, weight=weight))
    expected = (-log(1 / 4) + 1 / 3 * (1 + 2 + 3) * -log(1 / 2)) / 2
    assert found == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("share", (0, -1, 1.5))
def test_a_share_out_of_range_is_refused(share):
    with pytest.raises(ValueError, match="over 0 and at most 1"):
        ohem(MASK, LOGITS, share=share)


@pytest.mark.parametrize("dtype", ("float32", "float16", "bfloat16"))
def test_cross_entropy_equals_log_loss_of_scikit_learn(dtype):
    """Over the valid pixels, with the rounded logits."""
    mask, logits = random_batch(6)
    logits = ops.convert_to_tensor(logits, dtype)
    exact = ops.convert_to_numpy(ops.cast(logits, "float32")).astype(np.float64)
    odds = np.exp(exact)[mask != 255]
    expected = log_loss(mask[mask != 255], odds / odds.sum(-1, keepdims=True))
    assert loss_of(mask, logits) == pytest.approx(expected, rel=1e-5)
