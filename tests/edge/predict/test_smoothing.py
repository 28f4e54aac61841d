"""Vote smoothing with manual results."""

import numpy as np
import pytest

from edge.predict.results import SemanticMap
from edge.predict.smoothing import VoteSmoother


def smoother(count: int):
    """A VoteSmoother of plain labels (H, W)."""
    smooth = VoteSmoother(count)
    return lambda labels: smooth(SemanticMap(labels)).labels


def shown(count: int, given: list[int]) -> list[int]:
    """The smoothed classes of one pixel for these classes."""
    steady = smoother(count)
    return [int(steady(np.uint8([[label]]))[0, 0]) for label in given]


@pytest.mark.parametrize(
    ("count", "given", "expected"),
    [
        # One vote: every change appears at once.
        (1, [0, 1, 0, 2], [0, 1, 0, 2]),
        # One of two votes is not a majority: the second equal vote changes the class.
        (2, [0, 1, 1, 0], [0, 0, 1, 1]),
        # A change of 3 // 2 = 1 frame does not appear.
        (3, [0, 0, 1, 0, 0], [0, 0, 0, 0, 0]),
        # A lasting change appears 5 // 2 = 2 frames late.
        (5, [0, 0, 0, 0, 0, 1, 1, 1, 1], [0, 0, 0, 0, 0, 0, 0, 1, 1]),
        # Flicker does not appear.
        (4, [3, 4, 3, 4, 3, 4], [3, 3, 3, 3, 3, 3]),
        # At the end, 7 is current with one vote; 2 and 5 have two, 5 is more recent.
        (5, [7, 7, 7, 2, 2, 5, 5], [7, 7, 7, 7, 7, 7, 5]),
        (5, [7, 7, 7, 7, 7, 2, 5, 2, 5], [7, 7, 7, 7, 7, 7, 7, 7, 5]),
    ],
)
def test_a_pixel_keeps_its_class_until_another_has_more_votes(count, given, expected):
    assert shown(count, given) == expected


def brute(maps: list[np.ndarray], before: np.ndarray) -> np.ndarray:
    """The definition, pixel by pixel; `maps` newest first."""
    result = before.copy()
    for place in np.ndindex(before.shape):
        votes = [int(labels[place]) for labels in maps]
        best = max(votes, key=lambda v: (votes.count(v), -votes.index(v)))
        if votes.count(best) > votes.count(int(before[place])):
            result[place] = best
    return result


def test_votes_equal_the_definition_on_random_labels():
    random = np.random.default_rng(0)
    stream = random.choice(4, (30, 5, 7), p=(0.6, 0.2, 0.1, 0.1)).astype(np.uint8)
    steady, before = smoother(5), stream[0]
    for index, labels in enumerate(stream):
        given = labels.copy()
        now = steady(labels)
        before = brute(list(stream[max(0, index - 4) : index + 1][::-1]), before)
        np.testing.assert_array_equal(now, before)
        np.testing.assert_array_equal(labels, given)  # unchanged


def test_frames_of_another_size_start_again():
    steady = smoother(5)
    steady(np.zeros((2, 2), np.uint8))
    assert (steady(np.ones((3, 2), np.uint8)) == 1).all()
