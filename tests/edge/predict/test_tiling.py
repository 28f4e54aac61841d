"""Tiles of an image, with manual results."""

import numpy as np
import pytest

from edge.predict.tiling import covered_size, merge_tiles, split_tiles, tile_stride


def random_ids(size, count=6) -> np.ndarray:
    return np.random.default_rng(1).integers(0, count, size, dtype=np.uint8)


def tiles_of(line, inside, border, step=1) -> list:
    """The tiles of an image of one row, as lists; each tile repeats that row."""
    image = np.array([line], np.uint8)[..., None]
    (row,) = split_tiles(image, (1 + 2 * border, inside + 2 * border), border, step)
    for tile in row:
        assert tile.shape == (1 + 2 * border, inside + 2 * border, 1)
        assert (tile == tile[:1]).all()
    return [tile[0, :, 0].tolist() for tile in row]


def test_tiles_overlap_and_mirror_pixels_outside_the_image():
    # The inner parts are 1 2 3 and 4 5, then a mirrored 4.
    assert tiles_of([1, 2, 3, 4, 5], 3, border=1) == [[2, 1, 2, 3, 4], [3, 4, 5, 4, 3]]


def test_mirroring_does_not_repeat_the_outermost_pixel():
    assert tiles_of([1, 2, 3, 4], 4, border=2) == [[3, 2, 1, 2, 3, 4, 3, 2]]


def test_a_border_wider_than_the_image_is_mirrored_repeatedly():
    assert tiles_of([1, 2, 3], 3, border=4) == [[1, 2, 3, 2, 1, 2, 3, 2, 1, 2, 3]]


def test_an_image_of_one_pixel_is_repeated():
    assert tiles_of([7], 2, border=3) == [[7] * 8]


def test_tiles_start_at_multiples_of_the_step():
    # Two pixels of the first inner part, 1 2 3, count: the second tile is at pixel 2.
    assert tiles_of([1, 2, 3, 4, 5], 3, 1, step=2) == [[2, 1, 2, 3, 4], [2, 3, 4, 5, 4]]


def test_an_image_that_fits_is_one_tile():
    assert len(tiles_of(range(7), inside=7, border=1, step=4)) == 1
    assert len(tiles_of(range(8), inside=7, border=1, step=4)) == 2


@pytest.mark.parametrize(
    ("inside", "step", "expected"),
    [(388, 16, 384), (384, 16, 384), (20, 16, 16), (16, 16, 16), (4, 16, 4), (5, 1, 5)],
)
def test_tile_stride(inside, step, expected):
    assert tile_stride(inside, step) == expected


def test_tiles_in_two_dimensions():
    image = np.arange(20, dtype=np.uint8).reshape(4, 5, 1)
    tiles = split_tiles(image, (4, 5), 1, 1)
    assert len(tiles) == 2 and [len(row) for row in tiles] == [2, 2]
    # Rows 2 and 3, then a mirrored 2; columns 3 and 4, then 3, 2.
    expected = [[7, 8, 9, 8, 7], [12, 13, 14, 13, 12], [17, 18, 19, 18, 17]]
    assert tiles[1][1][..., 0].tolist() == [*expected, expected[1]]


def test_channels_are_mirrored_independently():
    image = random_ids((5, 6, 3))
    ((tile,),) = split_tiles(image, (9, 10), 2, 1)
    padded = np.pad(image, ((2, 2), (2, 2), (0, 0)), "reflect")
    np.testing.assert_array_equal(tile, padded)


def test_merge_tiles_concatenates():
    tiles = [[[[1, 2]], [[3, 4]]], [[[5, 6]], [[7, 8]]]]
    tiles = [[np.array(tile) for tile in row] for row in tiles]
    assert merge_tiles(tiles, 1).tolist() == [[1, 2, 3, 4], [5, 6, 7, 8]]


def test_merge_tiles_discards_overlaps():
    # Three columns at steps of two: the third is overwritten by the next tile.
    tiles = [[np.array([[1, 2, 0]]), np.array([[3, 4, 0]]), np.array([[5, 6, 7]])]]
    assert merge_tiles(tiles, 2).tolist() == [[1, 2, 3, 4, 5, 6, 7]]
    turned = [[tile.T] for tile in tiles[0]]
    assert merge_tiles(turned, 2).ravel().tolist() == [1, 2, 3, 4, 5, 6, 7]


def test_merging_one_tile_returns_it():
    tile = np.zeros((3, 5, 2), np.float32)
    assert merge_tiles([[tile]], 2) is tile


@pytest.mark.parametrize("size", [(1, 1), (7, 20), (41, 9)])
@pytest.mark.parametrize("step", [1, 4])
def test_covered_size_is_the_size_of_the_merged_tiles(size, step):
    image, border = random_ids((*size, 1)), 2
    tiles = split_tiles(image, (11, 13), border, step)
    insides = [[tile[2:-2, 2:-2] for tile in row] for row in tiles]
    whole = merge_tiles(insides, step)
    assert covered_size(tiles, border, step) == whole.shape[:2]
    np.testing.assert_array_equal(whole[: size[0], : size[1]], image)
