"""Scaled crops, crops on rare classes, and crops with reflected borders."""

import numpy as np
import pytest
import tensorflow as tf

from kseg.data.transforms import crops
from kseg.data.transforms.chain import chain
from kseg.data.transforms.crops import (
    crop_mask,
    mirrored_crop,
    mirrored_window,
    pad_by_reflection,
    resized,
    scale_and_crop,
    start_on_class,
)
from tests.kseg.data.transforms.helpers import (
    CROP,
    VOID,
    applied,
    blocks,
    coordinates,
    encoded,
    many,
    mirrored,
    photo,
)

# --- scale and crop ---


@pytest.mark.parametrize("largest", (1.0, 1.6, 3.0))
@pytest.mark.parametrize(
    "height, width",
    ((64, 96), (40, 48), (20, 30), (120, 20), (41, 47), (1, 1), (1, 200)),
)
def test_crops_have_the_given_size(height, width, largest):
    op = scale_and_crop(CROP, largest)
    for image, mask in many(op, photo(height, width), blocks(height, width), 4):
        assert image.shape == (*CROP, 3)
        assert mask.shape == CROP


def test_size_is_known_to_the_graph():
    pairs = tf.data.Dataset.from_tensors((photo(), blocks(), np.zeros(2, np.int32)))
    image, mask = pairs.map(scale_and_crop(CROP, 1.6)).element_spec
    assert image.shape == (*CROP, 3)
    assert mask.shape == CROP


def test_padding_is_mid_grey_and_void():
    image, mask = photo(10, 12), blocks(10, 12)
    padded, cut = applied(scale_and_crop(CROP, 1.0), image, mask)
    np.testing.assert_array_equal(padded[:10, :12], image)
    np.testing.assert_array_equal(cut[:10, :12], mask)
    outside = np.ones(CROP, bool)
    outside[:10, :12] = False
    assert set(padded[outside].ravel()) == {128}
    assert set(cut[outside]) == {VOID}


def test_padding_and_void_are_in_the_same_place():
    for image, mask in many(scale_and_crop(CROP, 3.0), encoded(blocks()), blocks()):
        grey = (image == 128).all(axis=2)
        np.testing.assert_array_equal(grey, mask == VOID)


def test_unscaled_crops_are_windows_of_the_image():
    height, width = 50, 60
    image = coordinates(height, width)
    starts = set()
    for cut, _ in many(scale_and_crop(CROP, 1.0), image, blocks(height, width), 64):
        row, column = cut[0, 0, :2].astype(int)
        starts.add((row, column))
        window = image[row : row + CROP[0], column : column + CROP[1]]
        np.testing.assert_array_equal(cut, window)
    assert {row for row, _ in starts} >= {0, 10}  # the outermost ones too
    assert {column for _, column in starts} >= {0, 12}


def test_scales_go_from_small_to_large():
    """Stripes have their period of 16 times the factor."""
    mask = np.tile(np.arange(200) // 8 % 2, (200, 1)).astype(np.uint8)
    factors = []
    for _, cut in many(scale_and_crop((96, 96), 2.0), photo(200, 200), mask, 48):
        starts = np.flatnonzero((cut[48, 1:] == 1) & (cut[48, :-1] == 0))
        factors.append(np.diff(starts).mean() / 16)
    assert 0.45 < min(factors) < 0.65
    assert 1.6 < max(factors) < 2.2
    # The factor is log-uniform: as many images are reduced as enlarged.
    assert 0.8 < np.median(factors) < 1.25


# --- crops on rare classes ---


def rare(height=100, width=120):
    """Class 0 with one pixel of class 3 at (30, 90), and void at the bottom."""
    mask = np.zeros((height, width), np.uint8)
    mask[30, 90] = 3
    mask[80:] = VOID
    return mask


@pytest.mark.parametrize(
    "draws, start",
    (
        ((0.0, 0.0), (0, 0)),  # class 0, its first pixel: moved inside
        ((0.49, 1 - 2**-23), (60 - 1, 120 - 48)),  # its last one, (79, 119)
        ((0.5, 0.0), (30 - 20, 90 - 24)),  # class 3, its only one
        ((1 - 2**-23, 1 - 2**-23), (30 - 20, 90 - 24)),
    ),
)
def test_window_on_a_pixel_of_a_class_by_hand(draws, start):
    window, start_before = np.array(CROP, np.int32), np.array((7, 8), np.int32)
    draws = np.array(draws, np.float32)
    found = start_on_class(rare(), window, start_before, draws)
    assert found.dtype == np.int32
    assert found.tolist() == list(start)
    empty = np.full_like(rare(), VOID)
    assert start_on_class(empty, window, start_before, draws).tolist() == [7, 8]


@pytest.mark.parametrize("largest", (1.0, 1.6))
@pytest.mark.parametrize("border", (0, 6))
def test_each_class_is_equally_likely(largest, border):
    """Uniform crops show the pixel in at most 0.3 of the cases."""
    image, mask = photo(100, 120), rare()
    frequency = {}
    for share in (0.0, 1.0):
        op = scale_and_crop(CROP, largest, share)
        if border:
            op = mirrored_crop(CROP, largest, border, share)
        middles = [ids[16:24, 20:28] for _, ids in many(op, image, mask, 128)]
        frequency[share] = np.mean([3 in ids for ids in middles])
    # Half of the crops on a class show it; reducing the image may lose the pixel.
    assert frequency[0.0] < 0.1
    assert (0.3 if largest == 1 else 0.2) < frequency[1.0] < 0.7


@pytest.mark.parametrize("height, width", ((1, 1), (1, 200), (41, 47), (64, 96)))
def test_crops_on_classes_accept_any_size(height, width):
    for op in (scale_and_crop(CROP, 1.6, 1.0), mirrored_crop(CROP, 1.6, 6, 1)):
        for image, mask in many(op, photo(height, width), blocks(height, width), 4):
            assert image.shape == (*CROP, 3)
            assert mask.shape == CROP


def test_size_of_a_crop_on_a_class_is_known_to_the_graph():
    pairs = tf.data.Dataset.from_tensors((photo(), blocks(), np.zeros(2, np.int32)))
    image, mask = pairs.map(scale_and_crop(CROP, 1.6, 0.5)).element_spec
    assert image.shape == (*CROP, 3)
    assert mask.shape == CROP


# --- a border for valid convolutions ---


@pytest.mark.parametrize("length", (1, 2, 3, 7))
def test_reflection_is_that_of_numpy(length):
    """The border may be larger than the image, which is then reflected repeatedly."""
    by_numpy = np.pad(np.arange(length), 20, mode="reflect")
    ours = crops.mirrored_indices(tf.range(-20, length + 20), length)
    np.testing.assert_array_equal(ours, by_numpy)


def test_window_beyond_the_image_by_hand():
    image = np.array([[[10.0], [20.0], [30.0]]], np.float32)
    mask = np.array([[1, 2, 3]], np.uint8)
    window = mirrored_window(image, mask, (0, -3), (2, 8))
    row = [20, 30, 20, 10, 20, 30, 20, 10]
    assert window[0][..., 0].numpy().tolist() == [row, row]
    ids = [VOID, VOID, VOID, 1, 2, 3, VOID, VOID]
    assert window[1].numpy().tolist() == [ids, [VOID] * 8]
    assert window[1].dtype == tf.uint8


@pytest.mark.parametrize("height, width", ((50, 60), (28, 36), (29, 200)))
def test_unscaled_mirrored_crops_are_windows_of_the_mirrored_image(height, width):
    border = 6
    image, mask = coordinates(height, width), blocks(height, width)
    whole = mirrored(image, *[border] * 4)
    around = np.pad(mask, border, constant_values=VOID)
    rows, columns = set(), set()
    for cut, ids in many(mirrored_crop(CROP, 1.0, border), image, mask, 128):
        row, column = cut[border, border, :2].astype(int)
        rows.add(row)
        columns.add(column)
        window = np.s_[row : row + CROP[0], column : column + CROP[1]]
        np.testing.assert_array_equal(cut, whole[window])
        np.testing.assert_array_equal(ids, around[window])
    # The centre is at any position inside the image, and only there.
    assert (min(rows), max(rows)) == (0, height - (CROP[0] - 2 * border))
    assert min(columns) <= 2 and max(columns) <= width - (CROP[1] - 2 * border)


@pytest.mark.parametrize("border", (0, 1, 6, 19))
@pytest.mark.parametrize("largest", (1.0, 1.6, 3.0))
def test_centre_of_a_mirrored_crop_is_inside_the_image(border, largest):
    op = chain(mirrored_crop(CROP, largest, border), crop_mask(border))
    for image, mask in many(op, photo(150, 150), blocks(150, 150), 32):
        assert image.shape == (*CROP, 3)
        assert mask.shape == (CROP[0] - 2 * border, CROP[1] - 2 * border)
        assert VOID not in mask


@pytest.mark.parametrize("height, width", ((1, 1), (10, 12), (1, 200), (5, 33)))
def test_small_images_are_mirrored_and_void_below_and_right(height, width):
    border = 6
    op = chain(mirrored_crop(CROP, 1.0, border), crop_mask(border))
    image, mask = photo(height, width), blocks(height, width)
    middle = (CROP[0] - 2 * border, CROP[1] - 2 * border)
    below, right = (max(0, m - n) for m, n in zip(middle, mask.shape, strict=True))
    whole = mirrored(image, border, border, below + border, right + border)
    padded = np.pad(mask, ((0, below), (0, right)), constant_values=VOID)
    for cut, ids in many(op, image, mask, 4):
        if width <= middle[1]:  # only one position
            np.testing.assert_array_equal(cut, whole)
            np.testing.assert_array_equal(ids, padded)
        assert (ids == VOID).sum() == below * middle[1] + right * (middle[0] - below)


def test_size_of_a_mirrored_crop_is_known_to_the_graph():
    op = chain(mirrored_crop(CROP, 1.6, 6), crop_mask(6))
    pairs = tf.data.Dataset.from_tensors((photo(), blocks(), np.zeros(2, np.int32)))
    image, mask = pairs.map(op).element_spec
    assert image.shape == (*CROP, 3)
    assert mask.shape == (28, 36)


@pytest.mark.parametrize(
    "size, border, input_step, min_input, expected",
    (
        ((30, 50), 6, 16, 28, (44, 76)),  # 30 + 12 <= 28 + 16, 50 + 12 <= 28 + 3 * 16
        ((32, 64), 6, 16, 28, (44, 76)),  # fits without padding
        ((33, 65), 6, 16, 28, (60, 92)),
        (
            (3, 2),
            6,
            16,
            28,
            (28, 28),
        ),  # the minimum; the border is larger than the image
        ((1, 1), 92, 16, 188, (188, 188)),
        ((30, 50), 0, 32, 32, (32, 64)),  # no border, only multiples of 32
        ((30, 50), 4, 1, 1, (38, 58)),
    ),
)
def test_whole_images_are_padded_to_an_accepted_size(
    size, border, input_step, min_input, expected
):
    op = pad_by_reflection(border, input_step, min_input)
    image, mask = photo(*size).astype(np.uint8), blocks(*size)
    spare = [e - n - border for e, n in zip(expected, size, strict=True)]
    by_numpy = mirrored(image, border, border, *spare)
    beyond = [(0, n - border) for n in spare]
    padded = np.pad(mask, beyond, constant_values=VOID)
    pairs = tf.data.Dataset.from_tensors((image, mask))
    for given, ids in (op(image, mask), next(iter(pairs.map(op)))):
        assert given.dtype == tf.uint8 and given.shape[:2] == expected
        np.testing.assert_array_equal(given, by_numpy)
        np.testing.assert_array_equal(ids, padded)


@pytest.mark.parametrize("factor", (0.5, 0.9, 1.0, 1.1, 2.0))
def test_a_window_is_scaled_as_with_antialiasing(factor):
    image = photo(40, 60).astype(np.float32)
    size = round(40 * factor), round(60 * factor)
    expected = tf.image.resize(image, size, antialias=True)
    scaled = resized(tf.constant(image), size, factor)
    np.testing.assert_allclose(scaled, expected, atol=0.01)
