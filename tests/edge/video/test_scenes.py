"""Procedural scenes: equal on every machine, with every class."""

import hashlib

import numpy as np
import pytest

from edge.video.scenes import CLASSES, COLORS, SIZE, UNIT, bounce, objects, scene

# NumPy 1.26 and 2.4 gave it on x86_64. The stream of RandomState is frozen (NEP 19)
# and the rest is integer arithmetic, so it is the same on every machine.
FIRST_MASK = "c3b6ecb982551ad522c1d51d3a28f38599dfec68d170fe801cb48e6e018caf3e"


def test_the_first_mask_equals_the_recorded_digest():
    _, mask = scene(0, 0)
    assert hashlib.sha256(mask.tobytes()).hexdigest() == FIRST_MASK


def assert_equal_scenes(first, second) -> None:
    """A digest of image and mask."""
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1], second[1])


def test_a_scene_is_the_same_each_time():
    assert_equal_scenes(scene(3, 5), scene(3, 5))


@pytest.mark.parametrize("other", [(0, 1), (1, 0)])
def test_other_seeds_and_indices_are_other_scenes(other):
    assert (scene(0, 0)[1] != scene(*other)[1]).any()


def test_time_0_is_the_training_scene():
    assert_equal_scenes(scene(2, 4, time=0), scene(2, 4))


def test_time_moves_the_scene():
    image, mask = scene(0, 0)
    later_image, later_mask = scene(0, 0, time=10)
    assert (later_mask != mask).any()
    assert (later_image != image).any()


def test_time_keeps_the_objects():
    """Positions and angles change, classes and radii do not."""
    kept = [(label, radius) for label, _, _, radius, _ in objects(0, 0, SIZE, 0)]
    later = objects(0, 0, SIZE, 100)
    assert [(label, radius) for label, _, _, radius, _ in later] == kept


def test_every_class_occurs_in_50_scenes():
    pixels = sum(
        np.bincount(scene(0, index)[1].ravel(), minlength=len(CLASSES))
        for index in range(50)
    )
    assert len(pixels) == len(CLASSES) == len(COLORS) == 6
    assert (pixels > 0).all()


def test_objects_are_from_6_pixels_to_half_the_image():
    diameters = [
        2 * radius / UNIT
        for index in range(500)
        for _, _, _, radius, _ in objects(0, index, SIZE, 0)
    ]
    # The smallest radius is 3 px; the largest is under 128 / 4 = 32 px.
    assert min(diameters) == 6
    assert 60 < max(diameters) < 64


@pytest.mark.parametrize("time", [0, 1, 10_000])
def test_objects_stay_in_the_image(time):
    height, width = (UNIT * side for side in SIZE)
    for index in range(50):
        for _, x, y, _, _ in objects(0, index, SIZE, time):
            assert 0 <= x <= width
            assert 0 <= y <= height


def test_bounce_turns_at_both_walls():
    # Between 0 and 3, back and forth.
    assert [bounce(p, 3) for p in range(-2, 8)] == [2, 1, 0, 1, 2, 3, 2, 1, 0, 1]


@pytest.mark.parametrize("size", [(101, 77), (480, 640), (16, 200)])
def test_any_size(size):
    image, mask = scene(0, 1, size)
    assert (image.shape, image.dtype) == ((*size, 3), np.uint8)
    assert (mask.shape, mask.dtype) == (size, np.uint8)
    assert mask.max() < len(CLASSES)
