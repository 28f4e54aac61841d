import numpy as np
import pytest

from kseg.evaluation.metrics.reliability import (
    BINS,
    calibration_counts,
    describe_calibration,
    expected_calibration_error,
)

MASK = np.array([[0, 1, 2], [0, 255, 255]])
LABELS = np.array([[0, 0, 2], [1, 0, 1]])
CONFIDENCE = np.array([[0.95, 0.95, 0.7], [0.5, 0.3, 0.99]], np.float32)


def test_each_pixel_is_counted_in_its_bin():
    """14 / 15 is 0.933; 0.7 * 15 is 10.5; 0.5 * 15 is 7.5; void is not counted."""
    counts = calibration_counts(MASK, LABELS, CONFIDENCE)
    expected = np.zeros((BINS, 3))
    expected[14] = 2, 1, 1.9  # one correct, one wrong pixel
    expected[10] = 1, 1, 0.7
    expected[7] = 1, 0, 0.5
    np.testing.assert_allclose(counts, expected, atol=1e-6)


def test_the_error_by_hand():
    """|1 - 1.9| / 4 + |1 - 0.7| / 4 + |0 - 0.5| / 4."""
    counts = calibration_counts(MASK, LABELS, CONFIDENCE)
    assert expected_calibration_error(counts) == pytest.approx(0.425)


def test_the_error_equals_the_formula_of_the_paper():
    """Sum over bins of |B| / n * |accuracy(B) - confidence(B)|, bin by bin."""
    random = np.random.default_rng(3)
    mask, labels = random.integers(0, 3, (2, 50, 60))
    confidence = random.uniform(0.34, 1, (50, 60))
    error = 0.0
    for low, high in zip(np.arange(15) / 15, np.arange(1, 16) / 15, strict=True):
        inside = (confidence > low) & (confidence <= high)
        if inside.any():
            correct = (mask == labels)[inside].mean()
            error += inside.mean() * abs(correct - confidence[inside].mean())
    counts = calibration_counts(mask, labels, confidence)
    assert expected_calibration_error(counts) == pytest.approx(error)


def test_counts_of_images_add_up():
    halves = [
        calibration_counts(*(part[rows] for part in (MASK, LABELS, CONFIDENCE)))
        for rows in (slice(0, 1), slice(1, 2))
    ]
    whole = calibration_counts(MASK, LABELS, CONFIDENCE)
    np.testing.assert_allclose(sum(halves), whole)


@pytest.mark.parametrize(
    ("confidence", "index"), [(1.0, 14), (1e-9, 0), (1 + 1e-7, 14)]
)
def test_the_extreme_confidences_have_a_bin(confidence, index):
    counts = calibration_counts(*np.array([[[0]], [[0]], [[confidence]]]))
    assert counts[:, 0].argmax() == index


def test_the_error_without_labelled_pixels_is_nan():
    counts = calibration_counts(np.full((2, 2), 255), np.zeros((2, 2)), np.ones((2, 2)))
    assert np.isnan(expected_calibration_error(counts))
    assert "No pixel is labelled" in describe_calibration(counts)


@pytest.mark.parametrize(
    ("correct", "confidence", "expected"),
    [
        (80, 91.5, "over-confident: its mean confidence is 91.5%, and 80.0% of"),
        (80, 60, "under-confident: its mean confidence is 60.0%"),
        (80, 80.5, "well calibrated on average: "),
    ],
)
def test_the_description_of_the_calibration(correct, confidence, expected):
    counts = np.zeros((BINS, 3))
    counts[4], counts[9] = (60, correct - 20, confidence - 10), (40, 20, 10)
    import re

    assert re.search(expected, describe_calibration(counts))
