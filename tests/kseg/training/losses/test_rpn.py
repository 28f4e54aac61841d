"""The loss of region proposal networks, by hand."""

from math import log

import numpy as np
import pytest
from keras import ops

from kseg.training.losses.boxes import smooth_l1
from kseg.training.losses.rpn import RpnLoss


def number(x):
    return float(ops.convert_to_numpy(x))


def test_smooth_l1_is_squared_near_zero():
    """Beta 0.5: 0.5 * 0.25 ** 2 / 0.5, and 2 - 0.25."""
    found = ops.convert_to_numpy(smooth_l1(np.float32([0.25, -2, 0]), 0.5))
    assert found.tolist() == pytest.approx([0.0625, 1.75, 0])


def target(anchors, labels, deltas=None):
    count = len(anchors)
    return {
        "anchors": np.int32([anchors]),
        "anchor_labels": np.float32([labels]),
        "anchor_deltas": np.float32([deltas or [[0] * 4] * count]),
    }


def outputs(logits, deltas=None):
    empty = np.zeros((1, len(logits), 4), np.float32)
    given = empty if deltas is None else np.float32([deltas])
    return {"objectness": np.float32([logits]), "deltas": given}


def test_only_sampled_anchors_count():
    """Of anchors 2 (an object's, p = 3/4) and 0 (none, p = 1/2); two places empty."""
    found = RpnLoss().parts(
        target([2, 0, -1, -1], [1, 0, 0, 0]), outputs([0, 9, log(3), -9])
    )
    expected = (-log(3 / 4) + log(2)) / 2
    assert number(found["anchor_scores"]) == pytest.approx(expected)
    assert number(found["anchor_boxes"]) == 0


def test_only_anchors_of_objects_have_boxes():
    """The difference of 1 costs 1 - 1 / 18, over two sampled anchors."""
    found = RpnLoss().parts(
        target([1, 0], [1, 0], [[1, 0, 0, 0], [0, 0, 0, 0]]),
        outputs([0, 0], [[5, 5, 5, 5], [2, 0, 0, 0]]),
    )
    assert number(found["anchor_boxes"]) == pytest.approx((1 - 1 / 18) / 2)


def test_no_sampled_anchor_has_no_loss():
    assert number(RpnLoss()(target([-1], [0]), outputs([7]))) == 0
