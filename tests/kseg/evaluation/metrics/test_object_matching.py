"""Matching, kinds of errors and thresholds by hand."""

import numpy as np
import pytest

from kseg.evaluation.metrics.object_matching import (
    BACKGROUND,
    DUPLICATE,
    IN_CROWD,
    KINDS,
    NONE,
    POORLY_PLACED,
    WRONG_CLASS,
    best_f1,
    match,
    object_accuracy,
    outcome_of,
)
from kseg.evaluation.metrics.regions import (
    iou_matrix,
    regions_of_objects,
    regions_of_result,
)
from tests.support.objects import detections_of, objects_of

# Two objects of class 0 and one of class 1, far from each other.
BOXES = [(0, 0, 10, 10), (30, 0, 40, 10), (60, 0, 70, 10)]
IDS = [0, 0, 1]


def outcome(truth, result):
    objects = regions_of_objects(truth, result.size, False)
    found = regions_of_result(result)
    return outcome_of(iou_matrix(found, objects, False), found, objects)


def test_each_kind_of_error():
    """The scores fall; only the first covers its object."""
    found = outcome(
        objects_of(BOXES, IDS),
        detections_of(
            [
                (0, 0, 10, 10),  # right
                (0, 0, 10, 9),  # the same object again
                (60, 0, 70, 10),  # covers the object of class 1 as class 0
                (35, 0, 45, 10),  # IoU 50 / 150 with the second
                (80, 80, 90, 90),  # nothing is there
                (59, 0, 69, 10),  # right, but its score is too low to count
            ],
            [0, 0, 0, 0, 0, 1],
            [0.9, 0.8, 0.7, 0.6, 0.5, 0.2],
        ),
    )
    assert found.errors.tolist() == [
        *(NONE, DUPLICATE, WRONG_CLASS, POORLY_PLACED, BACKGROUND, NONE)
    ]
    assert found.found.tolist() == [True, False, False]
    assert not found.missed.any()  # both others have a result that nearly fits
    assert dict(zip(KINDS, found.kinds().tolist(), strict=True)) == {
        "wrong_class": 1,
        "poorly_placed": 1,
        "duplicate": 1,
        "background": 1,
        "missed": 0,
    }
    assert found.hits().tolist() == [1, 4, 2]
    assert (found.counted, found.labelled) == (5, 3)


def test_without_results_every_object_is_missed():
    found = outcome(objects_of(BOXES, IDS), detections_of([], [], []))
    assert found.missed.all() and found.kinds().tolist() == [0, 0, 0, 0, 3]
    assert found.hits().tolist() == [0, 0, 3]


def test_crowds_are_neither_found_nor_missed():
    """A result in the crowd is ignored; its IoU is the share that is inside."""
    found = outcome(
        objects_of([(0, 0, 50, 50)], [0], [True]),
        detections_of([(0, 0, 5, 5), (0, 0, 5, 5)], [0, 1], [0.9, 0.8]),
    )
    assert found.matches.tolist() == [IN_CROWD, NONE]
    assert found.errors.tolist() == [NONE, BACKGROUND]
    assert found.hits().tolist() == [0, 1, 0] and found.labelled == 0


def test_the_better_result_chooses_first():
    iou = np.array([[0.6, 0.55], [0.9, 0.1]])
    free = np.zeros(2, bool)
    assert match(iou, iou > 0, free).tolist() == [0, NONE]
    assert match(iou, iou < 0.7, free).tolist() == [0, NONE]
    assert match(iou, iou > 0, free, 0.9).tolist() == [NONE, 0]


@pytest.mark.parametrize("shape", [(0, 0), (0, 2), (2, 0)])
def test_nothing_matches_nothing(shape):
    iou = np.zeros(shape)
    result = match(iou, iou > 0, np.zeros(shape[1], bool))
    assert result.tolist() == [NONE] * shape[0]


@pytest.mark.parametrize(
    ("scores", "right", "labelled", "expected"),
    [
        ([0.9, 0.8, 0.7], [1, 0, 1], 2, (0.7, 4 / 5)),
        ([0.7, 0.9, 0.8], [1, 1, 0], 2, (0.7, 4 / 5)),  # in any order
        ([0.9, 0.8, 0.7], [1, 0, 0], 1, (0.9, 1.0)),
        # Equal scores pass together: 2 of 3 of 3 objects, never 2 of 2.
        ([0.9, 0.9, 0.9], [1, 1, 0], 3, (0.9, 4 / 6)),
        ([0.9], [0], 3, (None, 0.0)),
        ([], [], 3, (None, 0.0)),
        ([0.9], [0], 0, (None, None)),
    ],
)
def test_the_best_threshold_by_hand(scores, right, labelled, expected):
    found = best_f1(np.array(scores), np.array(right, bool), labelled)
    assert found == (expected[0], pytest.approx(expected[1]))


def test_accuracy_by_hand():
    assert object_accuracy(3, 1, 2) == 0.5
    assert object_accuracy(0, 0, 0) is None
