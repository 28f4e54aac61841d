"""Geometry of images with objects: what holds for every random move."""

import numpy as np
import pytest

from edge.video import scenes
from kseg.data.objects import label_map, mask_window, objects_of_map
from kseg.data.sample import Objects
from kseg.data.transforms.boxes import (
    Move,
    move_image,
    move_objects,
    random_move,
)


def scene(index=0):
    image, instances, class_ids = scenes.scene_objects(3, index)
    return image, instances, objects_of_map(instances, class_ids, 16)


def moves(count, **options):
    random = np.random.default_rng(0)
    for _ in range(count):
        yield random_move(random, (128, 128), (96, 112), **options)


MIRRORED = Move(np.array([[-1.0, 0, 128], [0, 1, 0]]), (128, 128))
UNCHANGED = Move(np.array([[1.0, 0, 0], [0, 1, 0]]), (128, 128))


def test_a_move_by_nothing_is_the_identity():
    image, _, found = scene()
    moved = move_objects(found, UNCHANGED)
    np.testing.assert_array_equal(move_image(image, UNCHANGED), image)
    np.testing.assert_array_equal(moved.boxes, found.boxes)
    for before, after in zip(found.masks, moved.masks, strict=True):
        np.testing.assert_array_equal(before, after)


def test_mirroring_by_hand():
    image, instances, found = scene()
    moved = move_objects(found, MIRRORED)
    np.testing.assert_array_equal(move_image(image, MIRRORED), image[:, ::-1])
    np.testing.assert_array_equal(
        label_map(moved, (128, 128)) > 0, label_map(found, (128, 128))[:, ::-1] > 0
    )


def test_mirroring_twice_is_the_identity():
    _, _, found = scene(1)
    twice = move_objects(move_objects(found, MIRRORED), MIRRORED)
    np.testing.assert_array_equal(twice.boxes, found.boxes)
    for before, after in zip(found.masks, twice.masks, strict=True):
        np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("degrees", (0.0, 10.0))
def test_boxes_are_inside_and_masks_fit_their_boxes(degrees):
    options = {"largest": 1.5, "flip": True, "degrees": degrees}
    for index, move in enumerate(moves(30, **options)):
        _, _, found = scene(index)
        moved = move_objects(found, move)
        assert set(moved.class_ids) <= set(found.class_ids)
        for box, mask in zip(moved.boxes, moved.masks, strict=True):
            top, bottom, left, right = mask_window(box)
            assert 0 <= top < bottom <= 96 and 0 <= left < right <= 112
            assert mask.shape == (bottom - top, right - left)
            assert all((mask[0].any(), mask[-1].any(), mask[:, 0].any()))


def test_the_box_of_a_mask_is_within_a_pixel_of_the_moved_box():
    """Of rectangles, without rotation."""
    instances = np.zeros((128, 128), np.uint16)
    instances[20:61, 30:55], instances[70:90, 80:120] = 1, 2
    found = objects_of_map(instances, [0, 1])
    boxes = Objects(found.boxes, found.class_ids, found.crowd)
    for move in moves(20, largest=1.5, flip=True):
        with_masks, without = move_objects(found, move), move_objects(boxes, move)
        left = [each.boxes[~each.crowd] for each in (with_masks, without)]
        np.testing.assert_allclose(*left, atol=1)


def test_the_image_moves_with_its_objects():
    """A bright square stays under its mask, at every scale and angle."""
    image = np.zeros((128, 128, 3), np.uint8)
    instances = np.zeros((128, 128), np.uint16)
    image[40:70, 50:90], instances[40:70, 50:90] = 255, 1
    found = objects_of_map(instances, [0])
    for move in moves(20, largest=1.5, flip=True, degrees=10.0):
        crop, moved = move_image(image, move), move_objects(found, move)
        if not len(moved.boxes):
            continue
        covered = label_map(moved, move.size) > 0
        bright = crop[..., 0] > 191  # outside the image it is grey
        assert (covered & bright).sum() / (covered | bright).sum() > 0.9


def test_little_left_of_an_object_becomes_a_crowd():
    instances = np.zeros((64, 64), np.uint16)
    instances[10:30, 10:30] = 1
    found = objects_of_map(instances, [0])
    shift = Move(np.array([[1.0, 0, -26], [0, 1, 0]]), (64, 64))  # 4 of 20 columns left
    moved = move_objects(found, shift)
    assert moved.crowd.tolist() == [True] and moved.boxes.tolist() == [[0, 10, 4, 30]]
    less = Move(np.array([[1.0, 0, -24], [0, 1, 0]]), (64, 64))  # 6 of 20
    assert move_objects(found, less).crowd.tolist() == [False]
    gone = Move(np.array([[1.0, 0, -40], [0, 1, 0]]), (64, 64))
    assert not len(move_objects(found, gone).boxes)


def test_the_same_seed_gives_the_same_move():
    first, second = (next(moves(1, largest=1.5, flip=True)) for _ in range(2))
    np.testing.assert_array_equal(first.matrix, second.matrix)


def test_a_smaller_image_is_inside_the_crop():
    random = np.random.default_rng(1)
    for _ in range(20):
        move = random_move(random, (40, 50), (64, 64), 1.0, flip=True)
        corners = (
            np.array([[0, 0], [50, 40]]) @ move.matrix[:, :2].T + move.matrix[:, 2]
        )
        assert corners.min() >= -1e-9 and corners.max() <= 64 + 1e-9
