"""Boxes in Keras operations equal those of edge.predict.boxes."""

from pathlib import Path

import numpy as np
import pytest
from keras import ops

from edge.predict.boxes import anchor_grid, decode_boxes, iou_matrix
from kseg.models.boxes.codec import (
    ANCHOR_WEIGHTS,
    PROPOSAL_WEIGHTS,
    apply_deltas,
    decode,
    deltas_between,
)
from kseg.models.boxes.iou import iou_and_giou


def test_a_box_worked_out_by_hand():
    # An anchor of side 32 around (8, 8): dy = 2.5 moves by 0.1 * 2.5 * 32 = 8 pixels,
    # dh = log(0.5) / 0.2 halves the height.
    deltas = np.float32([[2.5, 0, np.log(0.5) / 0.2, 0]])
    found = decode(deltas, np.float32([[8, 8]]), np.float32([32]))
    np.testing.assert_allclose(
        ops.convert_to_numpy(found), [[8 - 16, 16 - 8, 8 + 16, 16 + 8]], rtol=1e-6
    )


def test_equals_the_boxes_of_the_device():
    random = np.random.RandomState(0)
    centers, sides = anchor_grid((128, 160), (4, 8, 16))
    chosen = random.permutation(len(sides))[:1000]
    deltas = random.normal(0, 3, (1000, 4)).astype(np.float32)
    expected = decode_boxes(deltas, centers[chosen], sides[chosen])
    found = decode(deltas, centers[chosen], sides[chosen])
    np.testing.assert_allclose(
        ops.convert_to_numpy(found), expected, rtol=1e-5, atol=1e-4
    )


def test_iou_and_generalized_iou_by_hand():
    a = np.float32([[0, 0, 2, 2], [0, 0, 1, 1], [0, 0, 1, 1]])
    b = np.float32([[1, 0, 3, 2], [2, 0, 3, 1], [0, 0, 1, 1]])
    iou, giou = (ops.convert_to_numpy(x) for x in iou_and_giou(a, b))
    # 2 of 6 shared, and the box around both is their union; apart: 1 of 3 is neither's.
    np.testing.assert_allclose(iou, [1 / 3, 0, 1], atol=1e-6)
    np.testing.assert_allclose(giou, [1 / 3, -1 / 3, 1], atol=1e-6)


def test_iou_equals_that_of_the_device():
    random = np.random.RandomState(1)
    start = random.uniform(0, 50, (1000, 2, 2))
    boxes = np.concatenate([start, start + random.uniform(1, 50, start.shape)], 2)
    a, b = np.float32(boxes).transpose(1, 0, 2)
    iou, _ = iou_and_giou(a, b)
    expected = np.array(
        [iou_matrix(x[None], y[None])[0, 0] for x, y in zip(a, b, strict=True)]
    )
    np.testing.assert_allclose(ops.convert_to_numpy(iou), expected, atol=1e-5)


def test_boxes_without_an_area_have_no_overlap():
    empty = np.zeros((1, 4), np.float32)
    iou, giou = (ops.convert_to_numpy(x) for x in iou_and_giou(empty, empty))
    assert iou[0] == pytest.approx(0) and np.isfinite(giou[0])


STORED = np.load(Path(__file__).parents[3] / "support" / "roi_align.npz")


@pytest.mark.parametrize("weights", (ANCHOR_WEIGHTS, PROPOSAL_WEIGHTS), ids=str)
def test_deltas_of_any_box_are_those_of_torchvision(weights):
    boxes, which = STORED["reference"], f"{weights[0]:.0f}"
    moved = apply_deltas(STORED["deltas"] * weights[0], boxes, weights)
    expected = STORED[f"decoded_{which}"]
    assert ops.convert_to_numpy(moved) == pytest.approx(expected, rel=1e-5, abs=1e-4)
    found = ops.convert_to_numpy(deltas_between(boxes[::-1], boxes, weights))
    assert found == pytest.approx(STORED[f"encoded_{which}"], abs=1e-5)


def test_deltas_by_hand():
    """A box of 10 x 20 moves by 1 and 4 pixels and doubles its width."""
    box, truth = np.float32([[0, 0, 10, 20]]), np.float32([[-4, 4, 16, 24]])
    found = ops.convert_to_numpy(deltas_between(truth, box, PROPOSAL_WEIGHTS))
    assert found[0].tolist() == pytest.approx([1, 2, 5 * np.log(2), 0])
    moved = ops.convert_to_numpy(apply_deltas(found, box, PROPOSAL_WEIGHTS))
    assert moved == pytest.approx(truth, abs=1e-4)
