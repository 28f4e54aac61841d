import numpy as np
import pytest

from kseg.evaluation.metrics.temperature import (
    LARGEST,
    SMALLEST,
    calibration_error,
    fit_temperature,
)


def known(temperature, count=40_000, classes=5, seed=1):
    """Logits whose labels are drawn from the softmax of logits / temperature."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 3, (count, classes)).astype(np.float32)
    noise = random.gumbel(size=logits.shape)  # Gumbel's maximum: a sample of a softmax
    return logits, (logits / temperature + noise).argmax(axis=1)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 1.7, 4.0])
def test_a_known_temperature_is_found(temperature):
    found = fit_temperature(*known(temperature))
    assert found == pytest.approx(temperature, rel=0.03)


def test_two_classes_by_hand():
    """Three of four are correct at odds of 9: T = log 9 / log 3 gives 3 / 4."""
    logits = np.log([[9.0, 1.0]] * 4)
    assert fit_temperature(logits, np.array([0, 0, 0, 1])) == pytest.approx(2.0)


def test_no_other_temperature_is_more_likely():
    logits, labels = known(2.3, count=2000)

    def loss(temperature):
        scaled = logits / temperature
        total = np.log(np.exp(scaled).sum(axis=1))
        return (total - scaled[np.arange(len(labels)), labels]).mean()

    best = fit_temperature(logits, labels)
    assert loss(best) == min(loss(best * f) for f in (0.9, 0.99, 1, 1.01, 1.1))


def test_a_shift_of_a_pixel_changes_nothing():
    logits, labels = known(1.5, count=1000)
    shifts = np.random.default_rng(0).normal(0, 50, (1000, 1))
    moved = fit_temperature(logits + shifts, labels)
    assert moved == pytest.approx(fit_temperature(logits, labels), rel=1e-3)


@pytest.mark.parametrize(
    ("label", "expected"), [(0, SMALLEST), (1, LARGEST)], ids=["correct", "wrong"]
)
def test_pixels_that_are_all_correct_or_all_wrong_have_the_limit(label, expected):
    logits = np.float32([[5, 0], [700, 0]])
    assert fit_temperature(logits, np.array([label] * 2)) == expected


def test_equal_scores_have_any_temperature():
    assert fit_temperature(np.zeros((3, 4)), np.array([0, 1, 2])) == LARGEST


def test_no_pixel_is_an_error():
    with pytest.raises(ValueError, match="no pixel"):
        fit_temperature(np.zeros((0, 3)), np.zeros(0, int))


def test_the_error_of_four_pixels_by_hand():
    """Odds of 9: all have the confidence 0.9, three are correct: |0.75 - 0.9|.

    At T = 2 the odds are 3 and the confidence is 0.75, as the accuracy.
    """
    logits = np.log([[9.0, 1.0], [1.0, 9.0], [9.0, 1.0], [9.0, 1.0]])
    labels = np.array([0, 1, 0, 1])
    assert calibration_error(logits, labels, 1.0) == pytest.approx(0.15)
    assert calibration_error(logits, labels, 2.0) == pytest.approx(0.0)


def test_pixels_in_two_bins_by_hand():
    """Confidences 0.9, 0.9 (one correct) and 0.6 (correct): (0.8 + 0.4) / 3."""
    logits = np.log([[9.0, 1.0], [9.0, 1.0], [3.0, 2.0]])
    found = calibration_error(logits, np.array([0, 1, 0]), 1.0)
    assert found == pytest.approx((abs(1 - 1.8) + abs(1 - 0.6)) / 3)
