"""The last stages of R-CNN's training."""

import numpy as np
import pytest

from kseg.training.detection import rcnn
from kseg.training.detection.linear import Linear
from kseg.training.detection.rcnn import Boxes, Examples


def boxes_of_image():
    """Two objects of the classes 0 and 1, and four proposals."""
    labels = np.int8([[1, -1], [-1, 1], [0, -1], [-1, -1], [-1, -1], [-1, 0]])
    return Boxes(
        boxes=np.float32([[0, 0, 10, 10]] * 6),
        last=np.arange(6, dtype=np.float32)[:, None],
        pooled=np.arange(6, dtype=np.float32)[:, None],
        labels=labels,
        owner=np.int64([0, 1, 0, 0, 0, 1]),
        overlap=np.float32([1, 1, 0.5, 0.1, 0.2, 0.7]),
        truth=np.float32([[0, 0, 10, 10], [0, 0, 20, 10]]),
        class_ids=np.int32([0, 1]),
    )


def test_the_first_examples_are_objects_and_boxes_far_from_all():
    examples = Examples()
    rcnn.add_random(examples, boxes_of_image(), np.random.default_rng(0))
    (features,) = examples.features
    assert features[:2, 0].tolist() == [0, 1]
    assert sorted(features[2:, 0].tolist()) == [3, 4]
    # Boxes with an IoU of 0.6 or more learn to move: the second object is twice as
    # wide as its boxes, so dw is 5 ln 2.
    (classes,), (moves,) = examples.classes, examples.moves
    assert sorted(classes.tolist()) == [0, 1, 1]
    assert moves[:, 2] == pytest.approx(np.where(classes == 1, 3.4657, 0), abs=1e-3)


def test_negatives_with_large_margins_are_added():
    """The margin is the row minus 4.5 for both classes: only 4 and 5 are over -1."""
    examples = Examples()
    margins = Linear(np.ones((1, 2)), np.full(2, -4.5))
    rcnn.add_hard(examples, boxes_of_image(), margins)
    assert examples.features[0][:, 0].tolist() == [5, 4]


def test_the_background_is_not_moved():
    examples = Examples()
    found = boxes_of_image()
    examples.add_moves(found, np.arange(2))
    kernel, bias = rcnn.moves_of_classes(examples, 3)
    assert kernel.shape == (1, 16) and bias[:4].tolist() == [0] * 4
    assert bias[8:12] == pytest.approx([5, 0, 3.466, 0], abs=1e-3)  # class 1
    assert not bias[12:].any()  # a class without boxes
