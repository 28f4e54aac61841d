"""The losses of proposals, by hand."""

from math import log

import numpy as np
import pytest

from kseg.training.losses.proposals import ClassLoss, ProposalLoss, smooth_l1


def logits(*rows):
    return np.log(np.float32(rows))[None]


def test_smooth_l1_is_a_parabola_and_then_a_line():
    found = np.array(smooth_l1(np.float32([0, 0.5, -1, 3])))
    assert found.tolist() == pytest.approx([0, 0.125, 0.5, 2.5])


def test_the_mean_cross_entropy_of_places_that_count():
    target = {"classes": np.int32([[0, 2, -1]])}
    scores = logits([0.5, 0.25, 0.25], [0.5, 0.25, 0.25], [0.9, 0.05, 0.05])
    expected = (log(2) + log(4)) / 2
    assert float(ClassLoss()(target, {"scores": scores})) == pytest.approx(expected)
    rows = {"scores": scores[0]}  # R-CNN has a row for each crop
    assert float(ClassLoss()(target, rows)) == pytest.approx(expected)


def test_boxes_count_for_the_own_class_of_objects_only():
    """Class 2 is off by (1, 0, 0, 2): 0.5 + 1.5, over 2 places that count."""
    moves = np.zeros((1, 3, 4), np.float32)
    boxes = np.full((1, 3, 3, 4), 7, np.float32)
    boxes[0, 1, 2] = (1, 0, 0, 2)
    target = {"classes": np.int32([[0, 2, -1]]), "moves": moves}
    outputs = {"scores": logits(*[[1 / 3] * 3] * 3), "boxes": boxes.reshape(1, 3, 12)}
    parts = ProposalLoss().parts(target, outputs)
    assert float(parts["scores"]) == pytest.approx(log(3))
    assert float(parts["boxes"]) == pytest.approx(2 / 2)
    total = float(ProposalLoss()(target, outputs))
    assert total == pytest.approx(log(3) + 1)


def test_a_batch_without_proposals_has_no_loss():
    target = {"classes": np.full((2, 4), -1, np.int32), "moves": np.zeros((2, 4, 4))}
    outputs = {"scores": np.zeros((2, 4, 3)), "boxes": np.ones((2, 4, 12))}
    assert float(ProposalLoss()(target, outputs)) == 0
