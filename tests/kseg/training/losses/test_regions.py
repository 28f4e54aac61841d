"""The loss of networks of regions: sampling and its terms, by hand."""

from math import log

import numpy as np
import pytest
from keras import ops

from kseg.training.losses.regions import (
    Sampled,
    box_terms,
    mask_targets,
    mask_term,
    sample_proposals,
)

# An object of 10 x 10 pixels, a crowd, and a place without an object.
TRUTH = {
    "classes": np.int32([[1, -2, -1]]),
    "boxes": np.float32([[[0, 0, 10, 10], [40, 0, 60, 20], [0, 0, 0, 0]]]),
}
# IoU with the object: 0.6, 0.5, 0.4, none; in the crowd; a place without a proposal.
PROPOSALS = np.float32(
    [
        *([0, 0, 6, 10], [0, 0, 5, 10], [0, 0, 4, 10], [20, 20, 30, 30]),
        *([45, 5, 55, 15], [0, 0, 0, 0]),
    ]
)[None]
QUALITY = np.float32([[0.9, 0.8, 0.7, 0.6, 0.5, 0]])


def numbers(x):
    return ops.convert_to_numpy(x)


def sampled_of(noise, count=4, quota=2):
    target = {**TRUTH, "noise": np.float32([noise])}
    target = {name: ops.convert_to_tensor(x) for name, x in target.items()}
    proposals, quality = map(ops.convert_to_tensor, (PROPOSALS, QUALITY))
    found = sample_proposals(target, proposals, quality, count, quota)
    return Sampled(*(numbers(x)[0] for x in found))


def test_the_largest_numbers_are_sampled_and_objects_come_first():
    """Proposals 0 and 1 and the object's own box are positive, at most two are taken.

    Of the background 2 and 3 are left: neither what is in the crowd nor empty places.
    """
    found = sampled_of([0.1, 0.3, 0.8, 0.2, 0.9, 0.9, 0.2, 0.9, 0.9])
    assert found.boxes[:2].tolist() == [[0, 0, 5, 10], [0, 0, 10, 10]]
    assert found.boxes[2:].tolist() == [[0, 0, 4, 10], [20, 20, 30, 30]]
    assert found.positive.tolist() == [1, 1, 0, 0]
    assert found.used.tolist() == [1, 1, 1, 1]
    assert found.owners[:2].tolist() == [0, 0]


def test_fewer_proposals_than_places():
    """Three of the object, two of the background, and three empty places."""
    found = sampled_of([0.5] * 6 + [0.6] * 3, count=8, quota=4)
    assert found.positive.sum() == 3 and found.used.sum() == 5
    assert found.used.tolist() == [1, 1, 1, 1, 1, 0, 0, 0]


def test_an_image_without_objects_has_background_alone():
    target = {"classes": np.full((1, 3), -1, np.int32), "noise": np.zeros((1, 9))}
    target["boxes"] = np.zeros((1, 3, 4), np.float32)
    tensors = {name: ops.convert_to_tensor(x) for name, x in target.items()}
    tensors["noise"] = ops.cast(tensors["noise"], "float32")
    given = map(ops.convert_to_tensor, (PROPOSALS, QUALITY))
    found = sample_proposals(tensors, *given, 8, 2)
    assert numbers(found.positive).sum() == 0 and numbers(found.used).sum() == 5


def test_classes_and_boxes_by_hand():
    """Two classes and the background. A proposal of class 1, one of the background."""
    boxes = np.float32([[[0, 0, 10, 10], [30, 30, 40, 40], [0, 0, 0, 0]]])
    sampled = Sampled(
        boxes, np.int32([[0, 0, 0]]), np.float32([[1, 0, 0]]), np.float32([[1, 1, 0]])
    )
    sampled = Sampled(*map(ops.convert_to_tensor, sampled))
    target = {name: ops.convert_to_tensor(x) for name, x in TRUTH.items()}
    logits = np.log(np.float32([[[1, 1, 2], [2, 1, 1], [1, 1, 1]]]))
    deltas = np.zeros((1, 3, 12), np.float32)
    deltas[0, 0, 8] = 1  # dx of class 1; the proposal is where its object is
    deltas[0, 0, 4] = deltas[0, 1, 0] = 9  # of another class, and of the background
    terms = box_terms(target, sampled, *map(ops.convert_to_tensor, (logits, deltas)))
    # Both classes have probability 1/2; the sums are divided by two proposals.
    assert numbers(terms["classes"]) == pytest.approx(log(2))
    assert numbers(terms["boxes"]) == pytest.approx((1 - 1 / 18) / 2)


def mask_case():
    """A mask of 4 x 4 cells over 8 x 8 pixels whose right half is inside."""
    masks = np.zeros((1, 1, 4, 4), np.uint8)
    masks[..., 2:] = 255
    target = {
        "classes": np.int32([[0]]),
        "masks": masks,
        "mask_spans": np.float32([[[10, 20, 18, 28]]]),
    }
    return {name: ops.convert_to_tensor(x) for name, x in target.items()}


def test_the_target_of_a_mask_is_that_part_of_the_object():
    """The whole box in two columns, and its right half, all inside."""
    boxes = np.float32([[[10, 20, 18, 28], [14, 20, 18, 28]]])
    ones = np.ones((1, 2), np.float32)
    sampled = Sampled(boxes, np.int32([[0, 0]]), ones, ones)
    sampled = Sampled(*map(ops.convert_to_tensor, sampled))
    found = numbers(mask_targets(mask_case(), sampled, 2))[0]
    # Samples at 0.5 and 1.5 cells from the left: 0 and, at the edge, bilinear 0.
    assert found[0].tolist() == [[0, 1], [0, 1]]
    # Samples at 2.25 cells and on, a quarter of the first from the cell outside.
    assert found[1].tolist() == [[0.875, 1], [0.875, 1]]


def test_masks_by_hand():
    """Logits 0 for the own class: log 2. Only the proposal of an object counts."""
    boxes = np.float32([[[10, 20, 18, 28], [0, 0, 9, 9]]])
    positive = np.float32([[1, 0]])
    sampled = Sampled(boxes, np.int32([[0, 0]]), positive, np.ones((1, 2), np.float32))
    sampled = Sampled(*map(ops.convert_to_tensor, sampled))
    logits = np.full((1, 2, 2, 2, 2), 9, np.float32)
    logits[..., 1] = 0
    found = mask_term(mask_case(), sampled, ops.convert_to_tensor(logits))
    assert numbers(found) == pytest.approx(log(2))
