import numpy as np
import pytest

from kseg.evaluation.metrics.reliability import (
    BINS,
    calibration_counts,
    expected_calibration_error,
    verdict,
)

MASK = np.array([[0, 1, 2], [0, 255, 255]])
LABELS = np.array([[0, 0, 2], [1, 0, 1]])
SURE = np.array([[0.95, 0.95, 0.7], [0.5, 0.3, 0.99]], np.float32)


def test_each_pixel_falls_into_its_fifteenth():
    """14 / 15 is 0.933; 0.7 * 15 is 10.5; 0.5 * 15 is 7.5; void is nowhere."""
    counts = calibration_counts(MASK, LABELS, SURE)
    expected = np.zeros((BINS, 3))
    expected[14] = 2, 1, 1.9  # one right, one wrong
    expected[10] = 1, 1, 0.7
    expected[7] = 1, 0, 0.5
    np.testing.assert_allclose(counts, expected, atol=1e-6)


def test_the_error_by_hand():
    """|1 - 1.9| / 4 + |1 - 0.7| / 4 + |0 - 0.5| / 4."""
    counts = calibration_counts(MASK, LABELS, SURE)
    assert expected_calibration_error(counts) == pytest.approx(0.425)


def test_the_error_is_that_of_the_paper():
    """Sum over bins of |B| / n * |accuracy(B) - confidence(B)|, bin by bin."""
    random = np.random.default_rng(3)
    mask, labels = random.integers(0, 3, (2, 50, 60))
    sure = random.uniform(0.34, 1, (50, 60))
    error = 0.0
    for low, high in zip(np.arange(15) / 15, np.arange(1, 16) / 15, strict=True):
        inside = (sure > low) & (sure <= high)
        if inside.any():
            right = (mask == labels)[inside].mean()
            error += inside.mean() * abs(right - sure[inside].mean())
    counts = calibration_counts(mask, labels, sure)
    assert expected_calibration_error(counts) == pytest.approx(error)


def test_counts_of_pictures_add_up():
    halves = [
        calibration_counts(*(part[rows] for part in (MASK, LABELS, SURE)))
        for rows in (slice(0, 1), slice(1, 2))
    ]
    whole = calibration_counts(MASK, LABELS, SURE)
    np.testing.assert_allclose(sum(halves), whole)


@pytest.mark.parametrize(("sure", "place"), [(1.0, 14), (1e-9, 0), (1 + 1e-7, 14)])
def test_the_outermost_confidences_have_a_bin(sure, place):
    counts = calibration_counts(*np.array([[[0]], [[0]], [[sure]]]))
    assert counts[:, 0].argmax() == place


def test_nothing_labelled_is_no_error():
    counts = calibration_counts(np.full((2, 2), 255), np.zeros((2, 2)), np.ones((2, 2)))
    assert np.isnan(expected_calibration_error(counts))
    assert "No labelled pixel" in verdict(counts)


@pytest.mark.parametrize(
    ("right", "sure", "said"),
    [
        (80, 91.5, "over-confident: .* probability of 91.5%, and 80.0% of them"),
        (80, 60, "under-confident: .* probability of 60.0%"),
        (80, 80.5, "as confident as it is right: "),
    ],
)
def test_the_verdict(right, sure, said):
    counts = np.zeros((BINS, 3))
    counts[4], counts[9] = (60, right - 20, sure - 10), (40, 20, 10)
    import re

    assert re.search(said, verdict(counts))
