"""Boxes in shares: the inverse of what the predictor reads."""

import numpy as np
import pytest
from keras import ops

from edge.predict.listed_boxes import from_shares
from kseg.models.boxes.shares import corners, to_shares


def test_by_hand():
    box = np.float32([[0, 8, 32, 24]])
    found = ops.convert_to_numpy(to_shares(box, (32, 64)))
    assert found.tolist() == [[0.5, 0.25, 0.5, 0.5]]
    assert ops.convert_to_numpy(corners(found)).tolist() == [[0, 0.25, 0.5, 0.75]]


def test_the_predictor_reads_them_back():
    random = np.random.RandomState(0)
    low = random.uniform(0, 50, (1000, 2))
    boxes = np.float32(np.hstack([low, low + random.uniform(1, 50, (1000, 2))]))
    shares = ops.convert_to_numpy(to_shares(boxes, (96, 128)))
    np.testing.assert_allclose(from_shares(shares, (96, 128)), boxes, atol=1e-4)
    same = ops.convert_to_numpy(corners(shares)) * np.float32([128, 96, 128, 96])
    assert same == pytest.approx(boxes, abs=1e-4)
