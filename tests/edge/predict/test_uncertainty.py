"""Uncertainty of results, with values worked out by hand."""

import numpy as np
import pytest

from edge.core.constants import IGNORE_INDEX
from edge.model_file.info import ModelInfo
from edge.predict.results import SemanticMap
from edge.predict.tasks import PREDICTORS
from edge.predict.uncertainty import CONFIDENCE, UNCERTAINTY, of_map, of_objects
from tests.support.object_results import detections

INFO = ModelInfo(("road", "car"), ((0, 0, 1), (0, 1, 0)))
OBJECTS = ModelInfo(("dog",), ((0, 0, 1),), task="detection", decoder={"score": 0.4})


def test_every_task_has_a_measure():
    assert set(UNCERTAINTY) == set(CONFIDENCE) == set(PREDICTORS)


def test_of_a_map_it_is_one_less_the_mean_confidence():
    labels = np.uint8([[0, 1, 1, IGNORE_INDEX]])
    confidence = np.float32([[1, 0.5, 0.75, 0.1]])  # void does not count
    found = of_map(SemanticMap(labels, confidence), None, INFO)
    assert found == pytest.approx(1 - 2.25 / 3)


def test_a_map_of_void_alone_is_compared_with_the_one_before():
    void = SemanticMap(np.uint8([[IGNORE_INDEX]]), np.float32([[0.5]]))
    assert of_map(void, None, INFO) is None
    assert of_map(void, void, INFO) == 0


@pytest.mark.parametrize(
    ("before", "labels", "expected"),
    [
        ([[0, 0, 1, 1]], [[0, 0, 1, 1]], 0),
        ([[0, 0, 0, 0]], [[0, 0, 0, 1]], 1 / 4),
        ([[0, 0, 0, 0]], [[1, 1, 1, 1]], 1),
        ([[0, 0]], [[0, 0, 1, 1]], 1 / 2),  # of another size
    ],
)
def test_of_labels_alone_it_is_the_share_that_changed(before, labels, expected):
    maps = SemanticMap(np.uint8(labels)), SemanticMap(np.uint8(before))
    assert of_map(*maps, INFO) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([], 0),
        ([1.0], 0),
        ([0.4], 1),
        ([0.7], 1 / 2),
        ([1.0, 0.7, 0.4], 1 / 2),
        ([1.0, 1.0, 1.0, 0.7, 0.7, 0.7], 1 / 2),  # the three lowest
        ([0.1], 1),  # of a track, under the least score
    ],
)
def test_of_objects_it_is_how_near_their_scores_are_to_the_least(scores, expected):
    found = detections(*((0, score, 0, 0, 5, 5) for score in scores))
    assert of_objects(found, None, OBJECTS) == pytest.approx(expected)


def test_the_confidence_of_objects_is_their_mean_score():
    mean = CONFIDENCE["detection"]
    assert mean(detections()) is None
    found = detections((0, 1, 0, 0, 5, 5), (0, 0.5, 0, 0, 5, 5))
    assert mean(found) == pytest.approx(0.75)
