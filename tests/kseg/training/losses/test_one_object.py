"""The loss of one object, with values worked out by hand."""

from math import log

import numpy as np
import pytest
from keras import ops

from kseg.training.losses.one_object import OneObjectLoss

SIZE = (32, 64)


def batch(*objects, places=2):
    """An image for each object (class, box), in its last place."""
    classes = np.full((len(objects), places), -1, np.int32)
    boxes = np.zeros((len(objects), places, 4), np.float32)
    for row, (label, box) in enumerate(objects):
        classes[row, -1], boxes[row, -1] = label, box
    return {"classes": classes, "boxes": boxes}


def outputs(*rows):
    """(logits of two classes, cy, cx, h, w) of each image."""
    values = np.float32(rows)[:, None]
    return {"logits": values[..., :2], "boxes": values[..., 2:]}


def parts(target, found, **weights):
    terms = OneObjectLoss(SIZE, **weights).parts(target, found)
    return {name: float(ops.convert_to_numpy(x)) for name, x in terms.items()}


# Rows 8 to 24 of 32 and columns 0 to 32 of 64: cy 1/2, cx 1/4, h 1/2, w 1/2.
OBJECT = (1, (0, 8, 32, 24))
# p = 3/4 for class 1; 0.1 too far down, 0.2 too high.
FOUND = (0, log(3), 0.6, 0.25, 0.7, 0.5)


def test_both_terms_by_hand():
    found = parts(batch(OBJECT), outputs(FOUND))
    assert found["scores"] == pytest.approx(-log(3 / 4))
    assert found["boxes"] == pytest.approx(50 * (0.1**2 + 0.2**2), rel=1e-5)


def test_the_loss_is_the_sum_and_a_mean_over_images():
    right = (-100, 100, 0.5, 0.25, 0.5, 0.5)
    loss = OneObjectLoss(SIZE)(batch(OBJECT, OBJECT), outputs(FOUND, right))
    expected = (-log(3 / 4) + 50 * 0.05) / 2
    assert float(ops.convert_to_numpy(loss)) == pytest.approx(expected, rel=1e-5)


def test_each_term_can_be_trained_alone():
    alone = parts(batch(OBJECT), outputs(FOUND), class_weight=0.0, box_weight=1.0)
    assert alone == pytest.approx({"scores": 0, "boxes": 0.05}, rel=1e-5)


def test_images_whose_object_was_cut_off_do_not_count():
    none = (-1, (0, 0, 0, 0)), (-2, (0, 0, 64, 32))
    one = parts(batch(OBJECT), outputs(FOUND))
    assert parts(batch(*none, OBJECT), outputs(FOUND, FOUND, FOUND)) == one
    assert parts(batch(*none), outputs(FOUND, FOUND)) == {"scores": 0, "boxes": 0}


def test_the_first_of_several_counts():
    target = batch(OBJECT)
    target["classes"][0, 0], target["boxes"][0, 0] = 0, (0, 0, 64, 32)
    found = parts(target, outputs(FOUND))
    assert found["scores"] == pytest.approx(-log(1 / 4))
