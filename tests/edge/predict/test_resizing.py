"""Sizes with manual results."""

import cv2
import numpy as np
import pytest

from edge.predict.resizing import fit_within, limit_side, resize


@pytest.mark.parametrize(
    ("size", "box", "expected"),
    [
        ((480, 640), (480, 640), (480, 640)),
        ((540, 960), (360, 480), (270, 480)),  # 480 / 960 = 0.5
        ((960, 540), (360, 480), (360, 202)),  # 360 / 960 = 0.375; 202.5 to even
        ((10, 10), (30, 50), (30, 30)),
        ((1, 1000), (8, 8), (1, 8)),
    ],
)
def test_fit_within(size, box, expected):
    assert fit_within(size, box) == expected


def test_limit_side_keeps_small_sizes():
    assert limit_side((1024, 3), 1024) == (1024, 3)
    assert limit_side((1025, 3), 1024) == (1024, 3)
    assert limit_side((3000, 4000), 1024) == (768, 1024)


@pytest.mark.parametrize("shape", [(4, 6), (4, 6, 1), (4, 6, 3)])
@pytest.mark.parametrize("size", [(4, 6), (2, 3), (9, 9), (8, 3)])
def test_resize_keeps_the_number_of_dimensions(shape, size):
    assert resize(np.zeros(shape, np.uint8), size).shape == (*size, *shape[2:])


def test_a_much_smaller_image_is_an_average_of_all_pixels():
    """Stripes of one pixel: what skips pixels sees black or white."""
    stripes = np.zeros((1080, 1920, 3), np.uint8)
    stripes[:, ::2] = 254
    for size in [(540, 960), (270, 480), (288, 512), (100, 200), (360, 500)]:
        assert (np.abs(resize(stripes, size).astype(int) - 127) <= 1).all()


def test_halving_is_the_average_of_four_pixels():
    image = np.arange(4 * 6, dtype=np.uint8).reshape(4, 6) * 4
    expected = image.reshape(2, 2, 3, 2).mean(axis=(1, 3))
    assert np.array_equal(resize(image, (2, 3)), expected)
    odd = np.pad(image, ((0, 1), (0, 1)), constant_values=255)
    assert np.array_equal(resize(odd, (2, 3)), expected)


@pytest.mark.parametrize("size", [(270, 480), (352, 480), (513, 513)])
def test_smaller_images_look_like_averages_of_areas(size):
    """OpenCV's own, slower method, on an image without noise."""
    rows, columns = np.mgrid[:720, :1280]
    waves = np.sin(rows / 9) + np.cos(columns / 7)
    image = np.uint8(127 + 60 * waves)
    expected = cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA)
    assert np.abs(resize(image, size).astype(int) - expected).mean() < 3
