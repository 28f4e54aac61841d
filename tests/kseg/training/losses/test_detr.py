"""The loss of DETR, with values worked out by hand."""

from math import log

import numpy as np
import pytest
from keras import ops

from kseg.training.losses.detr import DetrLoss

SIZE = (100, 200)
LEFT = [0.5, 0.25, 1.0, 0.5]  # cy, cx, h, w: the left half
RIGHT = [0.5, 0.75, 1.0, 0.5]
LEFT_PIXELS, RIGHT_PIXELS = [0, 0, 100, 100], [100, 0, 200, 100]


def parts(boxes, classes, truth, logits=None, layers=1):
    """The terms for one image; logits are 0 unless given: two classes and none."""
    if logits is None:
        logits = np.zeros((len(boxes), 3))
    outputs = {}
    for number in range(1, layers + 1):
        outputs[f"logits{number}"] = ops.convert_to_tensor(np.float32([logits]))
        outputs[f"boxes{number}"] = ops.convert_to_tensor(np.float32([boxes]))
    target = {"classes": np.int32([classes]), "boxes": np.float32([truth])}
    loss = DetrLoss(SIZE)
    found = loss.parts(target, outputs)
    total = float(ops.convert_to_numpy(loss(target, outputs)))
    found = {name: float(ops.convert_to_numpy(x)) for name, x in found.items()}
    assert total == pytest.approx(sum(found.values()))
    return found


def test_exact_boxes_have_a_loss_of_classes_alone():
    found = parts([RIGHT, LEFT], [0, 1], [LEFT_PIXELS, RIGHT_PIXELS])
    assert found["classes"] == pytest.approx(log(3))  # p = 1/3 for all
    assert found["l1"] == pytest.approx(0, abs=1e-5)
    assert found["giou"] == pytest.approx(0, abs=1e-5)


def test_a_shifted_box_by_hand():
    shifted = [0.5, 0.35, 1.0, 0.5]
    found = parts([shifted, RIGHT], [0, -1], [LEFT_PIXELS, [0] * 4])
    assert found["l1"] == pytest.approx(5 * 0.1, rel=1e-5)
    # 80 of 120 columns are common, and the box around both is their union.
    assert found["giou"] == pytest.approx(2 * (1 - 80 / 120), rel=1e-5)


def test_distant_boxes_by_hand():
    found = parts([RIGHT], [0], [LEFT_PIXELS])
    # They touch: IoU 0, and the box around both is their union. L1 is that of cx.
    assert found["giou"] == pytest.approx(2)
    assert found["l1"] == pytest.approx(5 * 0.5)


def test_queries_without_an_object_count_a_tenth():
    sure = 20.0  # the probability of that class is 1
    logits = [[0, 0, 0], [sure, 0, 0]]
    found = parts([LEFT, RIGHT], [0, -1], [LEFT_PIXELS, [0] * 4], logits)
    # log 3 with weight 1, and 20 with weight 0.1: the right class was the last one.
    assert found["classes"] == pytest.approx((log(3) + 0.1 * sure) / 1.1, rel=1e-4)


def test_queries_in_a_crowd_do_not_count():
    logits = [[0, 0, 0], [20, 0, 0]]
    found = parts([LEFT, RIGHT], [0, -2], [LEFT_PIXELS, RIGHT_PIXELS], logits)
    assert found["classes"] == pytest.approx(log(3))
    assert found["l1"] == pytest.approx(0, abs=1e-5)


def test_the_class_decides_between_equal_boxes():
    """Query 1 is sure of class 1, so it gets that object although both boxes fit."""
    logits = [[0, 0, 0], [0, 20, 0]]
    found = parts([LEFT, LEFT], [1, 0], [LEFT_PIXELS, LEFT_PIXELS], logits)
    assert found["classes"] == pytest.approx(log(3) / 2)


def test_the_losses_of_all_layers_are_added_up():
    arguments = [[0.5, 0.35, 1.0, 0.5], RIGHT], [0, -1], [LEFT_PIXELS, [0] * 4]
    one, three = parts(*arguments), parts(*arguments, layers=3)
    assert three == pytest.approx({name: 3 * x for name, x in one.items()})


def test_an_image_without_objects_has_a_loss_of_classes_alone():
    found = parts([LEFT, RIGHT], [-1, -1], [[0] * 4] * 2)
    assert found["classes"] == pytest.approx(log(3))
    assert found["l1"] == found["giou"] == 0


def test_gradients_are_finite_and_reach_boxes_and_logits():
    tf = pytest.importorskip("tensorflow")
    boxes = tf.Variable(np.float32([[LEFT, RIGHT]]) + 0.01)
    logits = tf.Variable(np.zeros((1, 2, 3), np.float32))
    target = {
        "classes": np.int32([[0, -1]]),
        "boxes": np.float32([[LEFT_PIXELS, [0] * 4]]),
    }
    with tf.GradientTape() as tape:
        value = DetrLoss(SIZE)(target, {"logits1": logits, "boxes1": boxes})
    of_boxes, of_logits = tape.gradient(value, [boxes, logits])
    assert np.isfinite(of_boxes).all() and np.any(of_boxes[0, 0])
    assert not np.any(of_boxes[0, 1])  # it has no object
    assert np.all(np.any(of_logits, axis=-1))
