"""From the scores of proposals to objects, by hand."""

from dataclasses import replace

import numpy as np
import pytest

from edge.core.errors import InputError
from edge.engines.base import Output, TensorSpec
from edge.model_file.info import ModelInfo
from edge.predict.proposals import ProposalPredictor

PROPOSALS = np.float32([[0, 0, 10, 10], [1, 0, 11, 10], [40, 30, 70, 50]])
DECODER = {"kind": "fast_rcnn", "score": 0.3, "nms": 0.3}
INFO = ModelInfo(
    ("cat", "dog"), ((0, 0, 1), (0, 1, 0)), task="detection", decoder=DECODER
)


class Given:
    """An engine that gives the same numbers for every image."""

    size, channels = None, 3

    def __init__(self, **values):
        self.values = {"proposals": PROPOSALS, **values}
        self.outputs = tuple(
            TensorSpec(name, (1, *x.shape), x.dtype) for name, x in self.values.items()
        )

    def propose(self, image):
        return PROPOSALS

    def classify(self, image, boxes):
        return tuple(Output(self.values[x.name], x) for x in self.outputs)


def logits(*rows):
    return np.log(np.maximum(np.float32(rows), 1e-9))


def found(engine, info=INFO, size=(50, 60)):
    return ProposalPredictor(engine, info).predict(np.zeros((*size, 3), np.uint8))


def test_the_best_of_overlapping_boxes_of_a_class_is_kept_and_clipped():
    """The first two overlap by 9/11; the third is cut at the image's right edge."""
    scores = logits([0.2, 0.8, 0.0], [0.1, 0.9, 0.0], [0.5, 0.0, 0.5])
    result = found(Given(scores=scores, boxes=np.zeros((3, 12), np.float32)))
    assert result.scores == pytest.approx([0.9, 0.5])
    assert result.class_ids.tolist() == [0, 1]
    assert result.boxes.tolist() == [[1, 0, 11, 10], [40, 30, 60, 50]]


def test_each_class_has_its_own_move():
    """The class dog moves the box by 5 / 10 of its width, cat does not."""
    moves = np.zeros((3, 12), np.float32)
    moves[0, 8] = 5
    scores = logits([0.0, 0.4, 0.6], [1, 0, 0], [1, 0, 0])
    result = found(Given(scores=scores, boxes=moves))
    assert result.class_ids.tolist() == [1, 0]
    assert result.boxes.tolist() == [[5, 0, 15, 10], [0, 0, 10, 10]]


def test_margins_take_the_place_of_scores_for_linear_classifiers():
    """The sigmoid of the margin 0 is 0.5, that of -1 under the threshold of 0.3."""
    info = replace(INFO, decoder={**DECODER, "kind": "rcnn", "classifier": "hinge"})
    margins = np.float32([[-9, -9], [-9, -9], [0, -1]])
    engine = Given(
        scores=np.zeros((3, 3), np.float32),
        boxes=np.zeros((3, 12), np.float32),
        margins=margins,
    )
    result = found(engine, info)
    assert result.scores.tolist() == [0.5] and result.class_ids.tolist() == [0]


def test_numbers_that_are_not_finite_are_refused():
    scores = np.full((3, 3), np.nan, np.float32)
    with pytest.raises(InputError, match="output scores has 3 of 3 rows"):
        found(Given(scores=scores, boxes=np.zeros((3, 12), np.float32)))


def test_missing_outputs_and_wrong_parameters_are_refused():
    with pytest.raises(InputError, match="no output scores"):
        ProposalPredictor(Given(boxes=np.zeros((3, 12), np.float32)), INFO)
    info = replace(INFO, decoder={**DECODER, "nms": 2})
    values = {"scores": logits([1, 0, 0]), "boxes": np.zeros((1, 12), np.float32)}
    with pytest.raises(InputError, match="nms is 2"):
        ProposalPredictor(Given(**values), info)
