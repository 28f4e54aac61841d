"""The loss of YOLO v1: each of its five terms by hand."""

import numpy as np
import pytest
from keras import ops

from kseg.models.detection.yolo import GridBoxes
from kseg.training.losses.grid import GridLoss

SIZE = (64, 64)  # two by two cells of 32 pixels
BOX = (8, 40, 24, 56)  # cy 3/4, cx 1/4, h = w = 1/4: the centre of cell 2
TERMS = ["centers", "sides", "confidences", "empty", "classes"]


def target(*objects, places=3):
    """Objects (class, box); the other places have none."""
    result = {
        "classes": np.full((1, places), -1, np.int32),
        "boxes": np.zeros((1, places, 4), np.float32),
    }
    for place, (label, box) in enumerate(objects):
        result["classes"][0, place], result["boxes"][0, place] = label, box
    return result


def outputs(classes=(), confidences=(), places=()):
    """Outputs of two classes and two boxes a cell; those of (cell, box) are set."""
    found = {
        "classes": np.zeros((1, 2, 2, 2), np.float32),
        "confidences": np.zeros((1, 2, 2, 2), np.float32),
        "places": np.zeros((1, 2, 2, 8), np.float32),
    }
    for cell, values in classes:
        found["classes"].reshape(4, 2)[cell] = values
    for cell, box, value in confidences:
        found["confidences"].reshape(4, 2)[cell, box] = value
    for cell, box, values in places:
        found["places"].reshape(4, 2, 4)[cell, box] = values
    found["boxes"] = ops.convert_to_numpy(GridBoxes()(found["places"]))
    return found


def terms(target, outputs):
    parts = GridLoss(SIZE).parts(target, outputs)
    assert list(parts) == TERMS
    return {name: float(ops.convert_to_numpy(x)) for name, x in parts.items()}


# In cell 2: a box of a quarter of the object's sides in its middle, IoU 1/16, and one
# of its width, an eighth to the right, and of h = 0.6 squared = 0.36.
PLACES = [(2, 0, (0.5, 0.5, 0.25, 0.25)), (2, 1, (0.5, 0.75, 0.6, 0.5))]
IOU = (1 / 8 * 1 / 4) / (0.36 / 4 + 1 / 16 - 1 / 32)  # 0.2577, the responsible box


def test_the_five_terms_by_hand():
    confidences = [(2, 1, 0.5), (2, 0, 0.4), (0, 1, 0.2)]
    found = terms(
        target((1, BOX)), outputs([(2, (0.3, 0.6)), (1, (9, 9))], confidences, PLACES)
    )
    # 5 times: y is right, x is 3/4 of the cell instead of 1/2.
    assert found["centers"] == pytest.approx(5 * (3 / 4 - 1 / 2) ** 2)
    # 5 times: the root of h is 0.6 instead of the root of 1/4.
    assert found["sides"] == pytest.approx(5 * (0.6 - 0.5) ** 2)
    assert found["confidences"] == pytest.approx((0.5 - IOU) ** 2, rel=1e-5)
    # Half: the other box of the cell, and a box of an empty cell.
    assert found["empty"] == pytest.approx(0.5 * (0.4**2 + 0.2**2))
    # Only of the cell with the object: 0.3 instead of 0, 0.6 instead of 1.
    assert found["classes"] == pytest.approx(0.3**2 + 0.4**2)


def test_the_loss_is_their_sum_and_a_mean_over_images():
    one, other = (target((1, BOX)), outputs(places=PLACES))
    loss = GridLoss(SIZE)
    single = float(ops.convert_to_numpy(loss(one, other)))
    assert single == pytest.approx(sum(terms(one, other).values()), rel=1e-6)
    twice = [{k: np.repeat(v, 2, axis=0) for k, v in x.items()} for x in (one, other)]
    assert float(ops.convert_to_numpy(loss(*twice))) == pytest.approx(single, rel=1e-6)


def test_an_image_without_objects_has_only_empty_boxes():
    found = terms(target(), outputs([(0, (1, 1))], [(3, 0, 0.6)], PLACES))
    assert found == pytest.approx(dict.fromkeys(TERMS, 0) | {"empty": 0.5 * 0.36})


def test_a_perfect_grid_has_no_loss():
    perfect = outputs([(2, (0, 1))], [(2, 0, 1.0)], [(2, 0, (0.5, 0.5, 0.5, 0.5))])
    assert sum(terms(target((1, BOX)), perfect).values()) == pytest.approx(0, abs=1e-9)


def test_the_first_of_two_objects_in_a_cell_is_trained():
    right = outputs([(2, (0, 1))], [(2, 0, 1.0)], [(2, 0, (0.5, 0.5, 0.5, 0.5))])
    small = (0, (14, 46, 18, 50))
    assert sum(terms(target((1, BOX), small), right).values()) < 1e-9
    assert terms(target(small, (1, BOX)), right)["classes"] == pytest.approx(2)


def test_cells_in_a_crowd_may_have_any_confidence():
    crowd = (-2, (0, 0, 64, 32))  # the centres of cells 0 and 1
    found = terms(target(crowd), outputs(confidences=[(0, 0, 0.8), (3, 1, 0.4)]))
    assert found["empty"] == pytest.approx(0.5 * 0.16)


def test_a_centre_on_the_last_edge_is_in_the_last_cell():
    found = terms(target((0, (48, 48, 80, 80))), outputs([(3, (1, 0))]))
    assert found["classes"] == 0


def test_the_confidence_to_learn_has_no_gradient():
    """Boxes are not moved to make their confidence right."""
    import tensorflow as tf

    loss, wanted = GridLoss(SIZE), target((1, BOX))
    places = tf.Variable(outputs(places=PLACES)["places"])
    with tf.GradientTape() as tape:
        made = outputs(places=PLACES) | {"boxes": GridBoxes()(places)}
        value = loss.parts(wanted, made)["confidences"]
    assert tape.gradient(value, places) is None
