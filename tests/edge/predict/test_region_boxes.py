"""Moves of proposals, and warped crops."""

import numpy as np
import pytest

from edge.predict.region_boxes import Warper, decode_moves, encode_moves


def test_a_move_is_an_offset_and_the_logarithm_of_a_size():
    """From 10x20 around (5, 10) to 20x20 around (10, 15)."""
    moves = encode_moves(np.float32([[0, 5, 20, 25]]), np.float32([[0, 0, 10, 20]]))
    assert moves[0] == pytest.approx([5, 2.5, 5 * np.log(2), 0], abs=1e-6)


def test_decoding_is_the_inverse():
    random = np.random.default_rng(0)
    corners = random.uniform(0, 100, (2, 50, 4)).astype(np.float32)
    boxes, proposals = (
        np.concatenate([c[:, :2], c[:, :2] + 1 + c[:, 2:]], axis=1) for c in corners
    )
    moves = encode_moves(boxes, proposals)
    again = decode_moves(np.stack([moves, moves], axis=1), proposals)
    assert again[:, 0] == pytest.approx(boxes, abs=1e-2)
    assert np.array_equal(again[:, 0], again[:, 1])


def test_very_large_moves_stay_finite():
    far = decode_moves(np.float32([[[0, 0, 1e4, 1e4]]]), np.float32([[0, 0, 16, 16]]))
    assert far[0, 0] == pytest.approx([8 - 500, 8 - 500, 8 + 500, 8 + 500], rel=1e-5)


def test_a_box_of_the_crop_size_is_cut_out_unchanged():
    image = np.random.default_rng(0).integers(0, 255, (20, 30, 3), np.uint8)
    crop = Warper(image, 8, 0).crops(np.float32([[5, 4, 13, 12]]))[0]
    assert np.array_equal(crop, image[4:12, 5:13])


def test_context_is_around_the_box_and_grey_outside_the_image():
    image = np.full((12, 12, 1), 9, np.uint8)
    image[0:4, 0:4] = 200
    crop = Warper(image, 8, 2).crops(np.float32([[0, 0, 4, 4]]))[0, ..., 0]
    assert (crop[2:6, 2:6] == 200).all()
    assert (crop[2:6, 6:] == 9).all() and (crop[6:, 2:] == 9).all()
    assert (crop[:2] == 128).all() and (crop[:, :2] == 128).all()


def test_large_boxes_are_averaged():
    """Stripes of 1 pixel become grey when 64 pixels are reduced to 8."""
    image = np.zeros((64, 64, 3), np.uint8)
    image[::2] = 255
    crop = Warper(image, 8, 0).crops(np.float32([[0, 0, 64, 64]]))[0]
    assert np.abs(crop.astype(int) - 128).max() < 40


def test_every_box_gives_a_crop():
    image = np.zeros((1, 3, 1), np.float32)
    boxes = np.float32([[0, 0, 3, 1], [2, 0, 2, 0], [-5, -5, 9, 9]])
    crops = Warper(image, 4, 1).crops(boxes)
    assert crops.shape == (3, 4, 4, 1) and np.isfinite(crops).all()
    assert Warper(image, 4, 1).crops(boxes[:0]).shape == (0, 4, 4, 1)
