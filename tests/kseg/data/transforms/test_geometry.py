"""Flips, rotations and elastic deformations."""

import numpy as np
import pytest
import tensorflow as tf

from kseg.data.transforms.geometry import (
    deform,
    elastic,
    flip,
    flip_vertical,
    rotate,
)
from tests.kseg.data.transforms.helpers import (
    CROP,
    VOID,
    applied,
    blocks,
    coordinates,
    many,
    mirrored,
    photo,
)

# --- flip ---


def test_flip_mirrors_half_of_the_pairs():
    image, mask = photo(6, 9), blocks(6, 9, side=2)
    flips = 0
    for flipped, cut in many(flip(), image, mask, 64):
        is_flipped = np.array_equal(cut, mask[:, ::-1])
        flips += is_flipped
        step = -1 if is_flipped else 1
        np.testing.assert_array_equal(flipped, image[:, ::step])
        np.testing.assert_array_equal(cut, mask[:, ::step])
    assert 16 <= flips <= 48  # of 64: four standard deviations about 32


def test_flip_vertical_mirrors_half_of_the_pairs():
    image, mask = photo(9, 6), blocks(9, 6, side=2)
    flips = 0
    for flipped, cut in many(flip_vertical(), image, mask, 64):
        is_flipped = np.array_equal(cut, mask[::-1])
        flips += is_flipped
        step = -1 if is_flipped else 1
        np.testing.assert_array_equal(flipped, image[::step])
        np.testing.assert_array_equal(cut, mask[::step])
    assert 16 <= flips <= 48  # of 64: four standard deviations about 32


# --- elastic ---


def shifted(row, column, image, mask):
    """`deform` by the same shift everywhere."""
    shifts = np.full((3, 3, 2), (row, column), np.float32)
    return deform(image, mask, shifts)


@pytest.mark.parametrize("row, column", ((0, 0), (2, -3), (-9, 0), (0, 20), (-70, 31)))
@pytest.mark.parametrize("channels", (1, 3))
def test_equal_shifts_translate_and_pad_by_reflection(row, column, channels):
    image, mask = photo(10, 12, channels), blocks(10, 12, side=3)
    whole, ids = mirrored(image, *[80] * 4), mirrored(mask[..., None], *[80] * 4)
    window = np.s_[80 + row : 90 + row, 80 + column : 92 + column]
    warped, warped_mask = shifted(row, column, image, mask)
    np.testing.assert_allclose(warped, whole[window], atol=0.01)
    np.testing.assert_array_equal(warped_mask, ids[window][..., 0])


@pytest.mark.parametrize("shift, nearest", ((0.25, 0), (0.75, 1)))
def test_image_is_bilinear_and_mask_nearest(shift, nearest):
    image, mask = photo(10, 12), blocks(10, 12, side=1)
    warped, ids = shifted(shift, 0, image, mask)
    between = (1 - shift) * image[:-1] + shift * image[1:]
    np.testing.assert_allclose(warped[:-1], between, rtol=1e-4, atol=1e-2)
    np.testing.assert_array_equal(ids[:-1], mask[nearest : nearest + 9])


def test_grid_points_move_by_their_shift():
    image = coordinates(65, 97)
    shifts = np.random.RandomState(0).uniform(-9, 9, (3, 3, 2)).astype(np.float32)
    # Inwards at the edges, as the outside is reflected.
    shifts[0, :, 0], shifts[2, :, 0] = 3.5, -4.25
    shifts[:, 0, 1], shifts[:, 2, 1] = 7.5, -1.0
    warped, _ = deform(image, blocks(65, 97), shifts)
    moved = warped[::32, ::48, :2] - image[::32, ::48, :2]
    np.testing.assert_allclose(moved, shifts, atol=0.04)  # OpenCV 4 has 32nds


def test_shifts_are_interpolated_bicubically():
    """A quarter of the way down, values a, b, c give 0.5 a + 0.5625 b - 0.0625 c."""
    image = coordinates(65, 97)
    shifts = np.zeros((3, 3, 2), np.float32)
    shifts[..., 0] = np.array([8, 4, -16])[:, None]
    warped, _ = deform(image, blocks(65, 97), shifts)
    np.testing.assert_allclose(warped[16, :, 0] - 16, 4 + 2.25 + 1, atol=0.04)
    np.testing.assert_allclose(warped[:, :, 1], image[:, :, 1], atol=0.04)


def test_sigma_is_the_standard_deviation_in_pixels():
    size = (121, 161)
    image, mask = coordinates(*size), blocks(*size)
    warped = [
        i[60, 80, :2] - (60, 80) for i, _ in many(elastic(10.0), image, mask, 200)
    ]
    # For 200 samples, standard errors of 0.5 of the deviation and 0.7 of the mean.
    np.testing.assert_allclose(np.std(warped, axis=0), 10, atol=2)
    np.testing.assert_allclose(np.mean(warped, axis=0), 0, atol=2.8)


def test_elastic_of_zero_strength_changes_nothing():
    image, mask = photo(), blocks()
    warped, ids = applied(elastic(0.0), image, mask)
    np.testing.assert_array_equal(warped, image)
    np.testing.assert_array_equal(ids, mask)


def test_elastic_creates_no_void():
    for _, mask in many(elastic(30.0), photo(), blocks()):
        assert VOID not in mask


@pytest.mark.parametrize("height, width", ((1, 1), (1, 200), (2, 3), (41, 47)))
def test_elastic_accepts_any_size(height, width):
    for image, mask in many(
        elastic(10.0), photo(height, width), blocks(height, width), 2
    ):
        assert image.shape == (height, width, 3)
        assert mask.shape == (height, width)


def test_elastic_keeps_the_static_shapes():
    for size in (CROP, (None, None)):
        spec = (
            tf.TensorSpec((*size, 3), tf.float32),
            tf.TensorSpec(size, tf.uint8),
            tf.TensorSpec((2,), tf.int32),
        )
        graph = tf.function(elastic(10.0), input_signature=spec)
        image, mask = graph.get_concrete_function().outputs
        assert image.shape.as_list() == [*size, 3]
        assert mask.shape.as_list() == list(size)


# --- rotation ---


@pytest.mark.parametrize("turns", (-1, 0, 1, 2))
@pytest.mark.parametrize("side", (9, 10))
def test_quarter_turns_are_those_of_numpy(turns, side):
    image, mask = photo(side, side), blocks(side, side, side=1)
    rotated, ids = deform(image, mask, np.zeros((3, 3, 2), np.float32), 90 * turns)
    np.testing.assert_allclose(rotated, np.rot90(image, turns), atol=0.01)
    np.testing.assert_array_equal(ids, np.rot90(mask, turns))


def test_rotation_pads_by_reflection():
    """A quarter turn of (5, 9) about (2, 4) uses columns 2 to 6, and 2 rows each above
    and below the image."""
    image, mask = photo(5, 9), blocks(5, 9, side=1)
    rotated, ids = deform(image, mask, np.zeros((3, 3, 2), np.float32), 90)
    whole = np.pad(mask, ((2, 2), (0, 0)), mode="reflect")
    np.testing.assert_array_equal(ids, np.rot90(whole[:, 2:7]))
    whole = mirrored(image, 2, 0, 2, 0)
    np.testing.assert_allclose(rotated, np.rot90(whole[:, 2:7]), atol=0.01)


def test_angles_are_uniform_in_both_directions():
    image, mask = coordinates(41, 41), np.zeros((41, 41), np.uint8)
    angles = []
    for rotated, _ in many(rotate(30.0), image, mask, 200):
        down, across = rotated[20, 30, :2] - rotated[20, 20, :2]
        angles.append(np.degrees(np.arctan2(down, across)))
        np.testing.assert_allclose(rotated[20, 20], image[20, 20], atol=0.05)
    assert -30.5 < min(angles) < -27 and 27 < max(angles) < 30.5
    # For 200 samples of deviation 60 / sqrt(12), a standard error of 1.2.
    assert abs(np.mean(angles)) < 5
    assert np.std(angles) == pytest.approx(60 / np.sqrt(12), abs=2)


def test_one_warp_rotates_and_deforms():
    """`shifts` are in coordinates of the original image."""
    image, mask = coordinates(41, 41), blocks(41, 41)
    shifts = np.full((3, 3, 2), (1.5, -2.0), np.float32)
    rotated, _ = deform(image, mask, shifts, 90)
    # At (20 + 5, 20 + 3): from (20 + 3, 20 - 5), shifted.
    np.testing.assert_allclose(rotated[25, 23, :2], (24.5, 13.0), atol=0.04)


def test_without_rotation_the_result_is_that_of_elastic():
    for seed in ((0, 0), (3, 4)):
        shifts = tf.random.stateless_normal([3, 3, 2], seed, stddev=5.0).numpy()
        image, mask = applied(elastic(5.0), photo(), blocks(), seed)
        warped, ids = deform(photo(), blocks(), shifts)
        np.testing.assert_array_equal(image, warped)
        np.testing.assert_array_equal(mask, ids)
