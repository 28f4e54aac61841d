"""Suppression with a fixed number of outputs: by hand, and equal to edge's."""

import numpy as np
import pytest
from keras import ops

from edge.predict.boxes import nms
from kseg.models.boxes.nms import best_first, nms_padded

NONE = -float("inf")


def padded(boxes, scores, iou, limit, groups=None):
    tensors = [ops.convert_to_tensor(np.asarray(x)[None]) for x in (boxes, scores)]
    if groups is not None:
        groups = ops.convert_to_tensor(np.asarray(groups)[None])
    found = nms_padded(*tensors, iou, limit, groups)
    return tuple(ops.convert_to_numpy(x)[0] for x in found)


def test_a_box_that_was_left_out_suppresses_nothing():
    """Boxes of 10 pixels, each 4 further: neighbours have 6 / 14 in common."""
    boxes = np.float32([[4 * i, 0, 4 * i + 10, 10] for i in range(3)])
    order, scores = padded(boxes, np.float32([0.9, 0.8, 0.7]), 0.4, 4)
    assert order.tolist()[:2] == [0, 2]
    assert scores.tolist() == pytest.approx([0.9, 0.7, NONE, NONE])


def test_boxes_that_do_not_exist_are_not_kept():
    boxes = np.float32([[0, 0, 4, 4], [8, 8, 9, 9]])
    assert padded(boxes, np.float32([NONE, 0.1]), 0.5, 2)[0].tolist()[0] == 1
    assert np.isinf(padded(boxes, np.float32([NONE, NONE]), 0.5, 2)[1]).all()


def test_groups_do_not_suppress_each_other():
    boxes = np.float32([[0, 0, 4, 4]] * 3)
    order, scores = padded(boxes, np.float32([0.5, 0.9, 0.7]), 0.5, 3, [0, 1, 0])
    assert order.tolist()[:2] == [1, 2] and np.isinf(scores[2])


@pytest.mark.parametrize(("count", "limit"), [(500, 100), (500, 500), (600, 100)])
def test_the_order_of_boxes_is_that_of_edge(count, limit):
    """Scores of two digits, so that many are equal. 600 are too many for one step."""
    random = np.random.RandomState(0)
    start, sides = random.uniform(0, 100, (count, 2)), random.uniform(5, 40, (count, 2))
    boxes = np.hstack([start, start + sides]).astype(np.float32)
    scores = random.uniform(0, 1, count).round(2).astype(np.float32)
    groups = random.randint(0, 3, count).astype(np.int32)
    expected = nms(boxes, scores, groups, 0.5, limit)
    order, kept = padded(boxes, scores, 0.5, limit, groups)
    assert order[: len(expected)].tolist() == expected.tolist()
    assert np.isfinite(kept).sum() == len(expected)


def test_fewer_scores_than_asked_for():
    order, scores = best_first(ops.convert_to_tensor(np.float32([[1, 3, 3]])), 4)
    assert ops.convert_to_numpy(order).tolist() == [[1, 2, 0, 0]]
    assert ops.convert_to_numpy(scores).tolist() == [[3, 3, 1, NONE]]
