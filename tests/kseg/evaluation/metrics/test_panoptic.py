"""Panoptic quality by hand."""

import numpy as np
import pytest

from kseg.evaluation.metrics.panoptic import (
    PanopticQuality,
    overlaps,
    without_overlaps,
)

NOT_CROWD = np.zeros(2, bool)


def row(*numbers: int) -> np.ndarray:
    return np.uint16([numbers])


def test_quality_by_hand():
    """One match with IoU 3/4, one object missed, one false result: 0.75 / 2."""
    found = PanopticQuality(1)
    found.add(
        row(1, 1, 1, 1, 0, 2, 2, 0),
        np.array([0, 0]),
        NOT_CROWD,
        row(1, 1, 1, 0, 0, 0, 0, 2),
        np.array([0, 0]),
    )
    assert found.sums.tolist() == [[0.75, 1, 1, 1]]
    assert found.mean() == 0.75 / (1 + 0.5 + 0.5)


def test_an_iou_of_exactly_half_is_no_match():
    found = PanopticQuality(1)
    one = np.array([0])
    found.add(row(1, 1, 1, 1), one, NOT_CROWD[:1], row(1, 1, 0, 0), one)
    assert found.sums.tolist() == [[0, 0, 1, 1]] and found.mean() == 0


def test_classes_count_equally():
    """Class 0 is right, class 1 is found as class 2: (1 + 0 + 0) / 3."""
    found = PanopticQuality(4)
    found.add(row(1, 2, 2), np.array([0, 1]), NOT_CROWD, row(1, 2, 2), np.array([0, 2]))
    assert found.per_class() == [1, 0, 0, None]
    assert found.mean() == pytest.approx(1 / 3)


def test_results_in_a_crowd_of_their_class_are_no_errors():
    """Both results are inside the crowd of class 0; only that of class 1 is wrong."""
    found = PanopticQuality(2)
    found.add(
        row(1, 1, 1, 1, 1),
        np.array([0]),
        np.array([True]),
        row(1, 0, 2, 2, 0),
        np.array([0, 1]),
    )
    assert found.sums.tolist() == [[0, 0, 0, 0], [0, 0, 1, 0]]
    assert found.mean() is None  # nothing is labelled but the crowd


def test_no_image_and_no_object_have_no_quality():
    found = PanopticQuality(2)
    assert found.mean() is None
    nothing = np.zeros(0, int)
    found.add(row(0, 0), nothing, nothing.astype(bool), row(0, 0), nothing)
    assert found.mean() is None and found.per_class() == [None, None]


def test_better_results_are_on_top_and_hidden_ones_are_dropped():
    everything = slice(0, 1)
    parts = [
        (everything, slice(0, 4), np.ones((1, 4), bool)),
        (everything, slice(2, 6), np.ones((1, 4), bool)),  # half of it is left
        (everything, slice(1, 5), np.ones((1, 4), bool)),  # nothing is left
        (everything, slice(5, 8), np.ones((1, 3), bool)),  # two thirds are left
    ]
    painted = without_overlaps(parts, (1, 8))
    assert painted.tolist() == [[1, 1, 1, 1, 2, 2, 4, 4]]


def test_overlaps_count_shared_pixels():
    shared = overlaps(row(0, 1, 1, 2), np.int32([[3, 3, 0, 1]]), 2, 3)
    assert shared.tolist() == [[0, 0, 0, 1], [1, 0, 0, 1], [0, 1, 0, 0]]
