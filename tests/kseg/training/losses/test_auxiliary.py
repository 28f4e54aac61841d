"""The losses of heads that only training has."""

from math import log

import numpy as np
import pytest
from keras import ops

from kseg.evaluation.metrics import boundary
from kseg.training.losses.auxiliary import (
    HeadLosses,
    balanced_cross_entropy,
    cell_cross_entropy,
    label_counts,
    near_boundary,
)
from kseg.training.losses.pixel import cross_entropy

VOID = 255


def random_case(size=(20, 30), classes=3):
    random = np.random.RandomState(0)
    mask = random.randint(0, classes, (2, *size)).astype(np.uint8)
    mask[random.uniform(size=mask.shape) < 0.2] = VOID
    return random, mask


def test_a_boundary_is_where_classes_meet_and_not_where_void_begins():
    mask = np.array([[[0, 0, 0, 1, 1, VOID, 2]]], np.uint8)
    near = ops.convert_to_numpy(near_boundary(mask, 1))
    assert near.tolist() == [[[0, 0, 1, 1, 0, VOID, 0]]]
    near = ops.convert_to_numpy(near_boundary(mask, 2))  # 1 and 2 are 2 apart
    assert near.tolist() == [[[0, 1, 1, 1, 1, VOID, 1]]]


def test_a_boundary_reaches_rows_and_columns():
    """The lower right pixel is 1: within 2 rows and columns of it all pixels are."""
    mask = np.zeros((1, 5, 6), np.uint8)
    mask[0, 4, 5] = 1
    expected = np.zeros((5, 6), int)
    expected[2:, 3:] = 1
    assert ops.convert_to_numpy(near_boundary(mask, 2))[0].tolist() == expected.tolist()


@pytest.mark.parametrize("distance", (1, 4))
def test_a_boundary_is_that_of_boundary_iou(distance):
    mask = np.repeat(np.repeat(random_case((6, 8))[1], 5, 1), 5, 2)
    found = ops.convert_to_numpy(near_boundary(mask, distance))
    for ids, near in zip(mask, found, strict=True):
        expected = boundary.near_boundary(ids, ids == VOID, distance)
        np.testing.assert_array_equal(near == 1, expected)
        np.testing.assert_array_equal(near == VOID, ids == VOID)


def test_counts_of_labels_in_cells():
    """Of 3x4 pixels in cells of 2x2; the third row has no pixels below it."""
    mask = np.array([[[0, 1, 1, VOID], [0, 0, 1, 1], [2, VOID, 2, 2]]], np.uint8)
    counts = ops.convert_to_numpy(label_counts(mask, 3, 2, np.zeros((1, 2, 2, 1))))
    expected = [[[3, 1, 0], [0, 3, 0]], [[0, 0, 1], [0, 0, 2]]]
    np.testing.assert_allclose(counts[0], expected, atol=1e-5)
    weight = np.full((1, 3, 4), 0.5, np.float32)
    counts = label_counts(mask, 3, 2, np.zeros((1, 2, 2, 1)), weight)
    np.testing.assert_allclose(counts[0], np.array(expected) / 2, atol=1e-5)


def test_cross_entropy_of_a_cell():
    """48 pixels of a class with p = 3 / 4, and 16 of void."""
    counts = np.array([[[[48.0, 0.0]]]], np.float32)
    logits = np.array([[[[log(3), 0.0]]]], np.float32)
    found = float(cell_cross_entropy(counts, logits, 48.0))
    assert found == pytest.approx(-log(3 / 4))
    assert float(cell_cross_entropy(0 * counts, logits, 0.0)) == 0


@pytest.mark.parametrize("weighted", (False, True))
def test_it_is_the_cross_entropy_of_repeated_scores(weighted):
    random, mask = random_case()
    outputs = {
        f"auxiliary{stride}": random.normal(size=(2, 32 // stride, 32 // stride, 3))
        for stride in (8, 16)
    }
    weight = random.uniform(0, 3, mask.shape).astype(np.float32) if weighted else None
    classes = (0.5, 1.0, 4.0) if weighted else None
    expected = 0.0
    for name, scores in outputs.items():
        stride = int(name.removeprefix("auxiliary"))
        whole = scores.repeat(stride, 1).repeat(stride, 2)[:, :20, :30]
        loss = cross_entropy(mask, whole, weight=weight, class_weights=classes)
        expected += 0.4 * float(loss)
    losses = HeadLosses(0.4, 0.0, classes)
    assert float(losses(mask, outputs, weight)) == pytest.approx(expected, rel=1e-5)


def test_boundary_and_other_pixels_have_equal_weight():
    """3 pixels elsewhere and 1 on a boundary, with p = 1 / 4."""
    counts = np.array([[[[3.0, 1.0]]]], np.float32)
    score = np.array([[[[-log(3)]]]], np.float32)
    expected = 0.5 * -log(1 / 4) + 0.5 * -log(3 / 4)
    assert float(balanced_cross_entropy(counts, score)) == pytest.approx(expected)
    none = np.array([[[[4.0, 0.0]]]], np.float32)
    found = float(balanced_cross_entropy(none, score))
    assert found == pytest.approx(0.5 * -log(3 / 4))
    assert float(balanced_cross_entropy(0 * none, score)) == 0


def test_the_losses_are_added_with_their_weights():
    random, mask = random_case((32, 32))
    mask = np.repeat(np.repeat(mask[:, ::8, ::8], 8, 1), 8, 2)
    outputs = {
        "auxiliary8": random.normal(size=(2, 4, 4, 3)),
        "auxiliary16": random.normal(size=(2, 2, 2, 3)),
        "boundary": random.normal(size=(2, 4, 4, 1)),
    }
    first = float(HeadLosses(1.0, 0.0)(mask, outputs))
    second = float(HeadLosses(0.0, 1.0)(mask, outputs))
    both = float(HeadLosses(0.4, 2.0)(mask, outputs))
    assert min(first, second) > 0
    assert both == pytest.approx(0.4 * first + 2 * second, rel=1e-5)


def test_void_has_no_loss():
    mask = np.full((1, 16, 16), VOID, np.uint8)
    outputs = {
        "auxiliary8": np.ones((1, 2, 2, 3), np.float32),
        "auxiliary16": np.ones((1, 1, 1, 3), np.float32),
        "boundary": np.ones((1, 2, 2, 1), np.float32),
    }
    assert float(HeadLosses(1.0, 1.0)(mask, outputs)) == 0
