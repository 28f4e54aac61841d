"""Colour, blur, noise and cutout."""

import numpy as np
import pytest
from scipy.stats import kstest

from kseg.data.transforms.photometric import (
    blur,
    color,
    cutout,
    gaussian_blur,
    noise,
    standard_normal,
)
from tests.kseg.data.transforms.helpers import VOID, blocks, encoded, many, photo

# --- colour ---


@pytest.mark.parametrize("channels", (1, 3))
@pytest.mark.parametrize("strength", (0.2, 1.0))
def test_color_keeps_the_range_and_the_mask(channels, strength):
    image, mask = photo(channels=channels), blocks()
    for changed, cut in many(color(strength), image, mask, 16):
        assert 0 <= changed.min() and changed.max() <= 255
        assert not np.array_equal(changed, image)
        np.testing.assert_array_equal(cut, mask)


def test_color_of_zero_strength_changes_nothing():
    image, mask = photo(), blocks()
    for changed, _ in many(color(0.0), image, mask, 4):
        np.testing.assert_allclose(changed, image, atol=1e-3)


def test_color_leaves_grey_images_grey():
    for changed, _ in many(color(0.5), encoded(blocks()), blocks(), 8):
        np.testing.assert_allclose(changed, changed[..., :1].repeat(3, 2), atol=1e-3)


# --- blur ---


@pytest.mark.parametrize("channels", (1, 3))
def test_blur_of_a_point_is_a_gaussian(channels):
    image = np.zeros((21, 25, channels), np.float32)
    image[10, 12] = 200
    blurred = gaussian_blur(image, 1.5)
    assert blurred.shape == image.shape and blurred.dtype == np.float32
    rows, columns = np.mgrid[-10:11, -12:13]
    bell = np.exp(-(rows**2 + columns**2) / (2 * 1.5**2))
    by_hand = 200 * bell / bell.sum()
    for channel in range(channels):
        np.testing.assert_allclose(blurred[..., channel], by_hand, atol=0.01)


def test_half_of_the_images_are_blurred_by_up_to_sigma():
    image = np.zeros((41, 41, 1), np.float32)
    image[20, 20] = 200
    mask = blocks(41, 41)
    squares = (np.arange(41) - 20) ** 2
    sigmas = []
    for blurred, ids in many(blur(3.0), image, mask, 128):
        np.testing.assert_array_equal(ids, mask)
        if not np.array_equal(blurred, image):
            down = blurred[..., 0].sum(1)
            sigmas.append(np.sqrt((squares * down).sum() / down.sum()))
    assert 41 <= len(sigmas) <= 87  # of 128: four standard deviations about 64
    # The kernel is truncated; below a sigma of about 0.2 it has no effect.
    assert min(sigmas) < 0.7 and 2.5 < max(sigmas) < 3.0


@pytest.mark.parametrize("height, width", ((1, 1), (1, 50), (3, 2)))
def test_blur_accepts_any_size(height, width):
    for image, _ in many(blur(4.0), photo(height, width), blocks(height, width), 8):
        assert image.shape == (height, width, 3)
        assert np.isfinite(image).all()


# --- noise ---


def test_deviations_of_noise_are_uniform_up_to_the_share():
    mask = blocks(60, 80)
    image = np.full((60, 80, 3), 128, np.float32)
    found = []
    for noisy, ids in many(noise(0.1), image, mask, 64):
        np.testing.assert_array_equal(ids, mask)
        found.append(noisy.std())
        assert abs(noisy.mean() - 128) < 4 * 25.5 / np.sqrt(noisy.size)
        channels = np.corrcoef(noisy.reshape(-1, 3).T)
        assert abs(channels - np.eye(3)).max() < 0.1  # independent channels
    assert 24 < max(found) < 26 and min(found) < 2
    assert np.mean(found) == pytest.approx(12.75, abs=4)


def test_noise_is_normal_and_differs_from_seed_to_seed():
    values = [standard_normal((101, 33, 3), (0, k)).numpy() for k in range(2)]
    assert kstest(values[0].ravel(), "norm").pvalue > 1e-3
    assert values[0].shape == (101, 33, 3)
    assert abs(np.corrcoef(values[0].ravel(), values[1].ravel())[0, 1]) < 0.03
    neighbours = values[0].ravel()[: 101 * 99 // 2 * 2].reshape(-1, 2)
    assert abs(np.corrcoef(neighbours.T)[0, 1]) < 0.05  # two from one integer


def test_noise_keeps_the_range():
    for noisy, _ in many(noise(1.0), photo(), blocks(), 8):
        assert 0 <= noisy.min() and noisy.max() <= 255


# --- cutout ---


@pytest.mark.parametrize("share", (0.1, 0.5, 1.0))
@pytest.mark.parametrize("channels", (1, 3))
def test_cutout_is_one_grey_and_void_rectangle(share, channels):
    image, mask = photo(60, 90, channels), blocks(60, 90)
    areas = []
    for hidden, ids in many(cutout(share), image, mask, 64):
        void = ids == VOID
        np.testing.assert_array_equal(hidden[~void], image[~void])
        np.testing.assert_array_equal(ids[~void], mask[~void])
        assert (hidden[void] == 128).all()
        rows, columns = void.any(1).sum(), void.any(0).sum()
        assert void.sum() == rows * columns  # one rectangle without holes
        areas.append(void.sum() / void.size)
    assert max(areas) <= share
    # The mean of a uniform share, less the parts beyond the edges.
    assert 0.25 * share < np.mean(areas) < 0.55 * share


def test_cutout_hides_every_pixel_at_times():
    mask = np.zeros((8, 9), np.uint8)
    masks = [ids for _, ids in many(cutout(0.5), photo(8, 9), mask, 300)]
    frequency = np.mean(np.array(masks) == VOID, axis=0)
    assert 0.01 < frequency.min() and frequency.max() < 0.3
