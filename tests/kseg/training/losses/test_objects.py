"""The loss of objects, with values worked out by hand."""

from math import log

import numpy as np
import pytest
from keras import ops

from kseg.training.losses.boxes import binary_cross_entropy, mask_loss, quality_focal
from kseg.training.losses.objects import ObjectLoss, sample

CENTERS = [[8.0, 8.0], [8.0, 24.0]]
SIDES = [16.0, 16.0]


def number(x):
    return float(ops.convert_to_numpy(x))


def test_cross_entropy_and_quality_focal_by_hand():
    # p = 1/2: the cross-entropy is log 2 for every target.
    assert number(binary_cross_entropy(0.3, 0.0)) == pytest.approx(log(2))
    # p = 3/4, y = 1: -log(3/4), times (1/4) squared.
    logit = np.float32(log(3))
    assert number(quality_focal(1.0, logit)) == pytest.approx(-log(0.75) / 16)
    assert number(binary_cross_entropy(0.0, np.float32(500))) == pytest.approx(500)


def test_mask_loss_by_hand():
    target = np.float32([[1, 0], [1, 1]])
    logits = np.zeros((2, 2), np.float32)
    # p = 1/2 everywhere: cross-entropy log 2; Dice 1 - (2 * 1.5 + 1) / (3 + 2 + 1).
    found = number(mask_loss(target, logits))
    assert found == pytest.approx(log(2) + 1 / 3)


def blank_target(masks=True):
    target = {
        "classes": np.full((1, 2), -1, np.int32),
        "boxes": np.zeros((1, 2, 4), np.float32),
    }
    if masks:
        target |= {
            "mask_cells": np.full((1, 2), -1, np.int32),
            "masks": np.zeros((1, 2, 4, 4), np.uint8),
            "mask_boxes": np.zeros((1, 2, 4), np.float32),
        }
    return target


def outputs(classes=2, masks=True):
    found = {
        "scores": np.zeros((1, 2, classes), np.float32),
        "boxes": np.zeros((1, 2, 4), np.float32),
    }
    if masks:
        found["coefficients"] = np.zeros((1, 2, 3), np.float32)
        found["prototypes"] = np.zeros((1, 4, 8, 3), np.float32)
    return found


def test_an_image_without_objects_has_a_loss_of_scores_alone():
    parts = ObjectLoss(CENTERS, SIDES).parts(blank_target(), outputs())
    # Four scores of 1/2 where 0 is right: log(2) / 4 each, divided by 1.
    assert number(parts["scores"]) == pytest.approx(log(2))
    assert number(parts["boxes"]) == 0 and number(parts["masks"]) == 0


def test_a_positive_cell_by_hand():
    target = blank_target(masks=False)
    target["classes"][0, 0] = 1
    target["boxes"][0, 0] = [0, 0, 16, 8]  # the upper half of the anchor
    parts = ObjectLoss(CENTERS, SIDES).parts(target, outputs(masks=False))
    # IoU 1/2 = generalized IoU, as one is in the other: 2 * (1 - 1/2).
    assert number(parts["boxes"]) == pytest.approx(1, abs=1e-6)
    # The quality 1/2 equals the score 1/2: no loss there; log(2) / 4 for the others.
    assert number(parts["scores"]) == pytest.approx(3 * log(2) / 4, abs=1e-6)


def test_ignored_cells_have_no_loss():
    target = blank_target(masks=False)
    target["classes"][:] = -2
    parts = ObjectLoss(CENTERS, SIDES).parts(target, outputs(masks=False))
    assert number(sum(parts.values())) == 0


def test_a_mask_is_the_sum_of_its_prototypes():
    target, found = blank_target(), outputs()
    target["classes"][0, 1] = 0
    target["boxes"][0, 1] = [16, 0, 32, 16]
    target["mask_cells"][0, 0] = 1
    target["mask_boxes"][0, 0] = [4, 0, 8, 4]
    target["masks"][0, 0, :, :2] = 1  # the left half of the box
    found["coefficients"][0, 1] = [1, -1, 0]
    found["prototypes"][0, :, 4:6, 0] = 100  # right: inside
    found["prototypes"][0, :, 6:8, 1] = 100  # right: outside
    found["prototypes"][0, :, :4, 0] = 100  # outside the box: does not count
    loss = ObjectLoss(CENTERS, SIDES)
    assert number(loss.parts(target, found)["masks"]) == pytest.approx(0, abs=1e-5)
    found["coefficients"][0, 1] = [-1, 1, 0]
    assert number(loss.parts(target, found)["masks"]) > 50


def test_the_loss_is_the_sum_of_its_parts():
    loss = ObjectLoss(CENTERS, SIDES)
    parts = loss.parts(blank_target(), outputs())
    assert number(loss(blank_target(), outputs())) == pytest.approx(
        sum(map(number, parts.values()))
    )


def test_points_of_a_box_are_bilinear():
    maps = np.float32([[0, 1, 2, 3], [10, 11, 12, 13]])
    box = np.float32([0.5, 0, 3.5, 2])  # points at x = 1, 2, 3 and y = 1/3, 1, 5/3
    found = ops.convert_to_numpy(sample(maps, box, 3))
    # Cells have their centres at 0.5, 1.5, ...: beyond these values stay.
    row = np.float32([0.5, 1.5, 2.5])
    np.testing.assert_allclose(found, [row, row + 5, row + 10], rtol=1e-6)


def test_a_map_is_its_own_sample_at_its_cells():
    maps = np.random.RandomState(0).normal(size=(2, 3, 5, 5)).astype(np.float32)
    boxes = np.broadcast_to(np.float32([0, 0, 5, 5]), (2, 3, 4))
    found = ops.convert_to_numpy(sample(maps, boxes, 5))
    np.testing.assert_allclose(found, maps, atol=1e-6)
