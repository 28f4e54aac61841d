"""Scaling of images of every depth."""

import cv2
import numpy as np
import pytest
import tifffile

from edge.core.depth import level_for, white_level_of
from edge.core.errors import InputError
from edge.core.images import read_image, read_raw


def of(*values, dtype=np.float32) -> np.ndarray:
    return np.array([values], dtype)


@pytest.mark.parametrize(
    ("image", "white"),
    [
        (of(300, 1200, dtype=np.int16), 4095),
        (of(0, 100_000, dtype=np.int32), 2**17 - 1),
        (of(0, 2**32 - 1, dtype=np.uint32), 2**32 - 1),
        (of(0, 1.02), 1),  # a little over 1 after resizing
        (of(40, 220), 255),
        (of(40, 260), 255),  # a little over 255 after resizing
        (of(40, 280), 1023),
        (of(0, 1e6), 2**20 - 1),
        (of(0, 0.01), 2**-6),
        (of(0, 0), 1),
        (of(np.nan, np.inf, 200), 255),
    ],
)
def test_the_white_level_of_deep_images(image, white):
    assert white_level_of(image) == white


@pytest.mark.parametrize(
    ("image", "known", "level"),
    [
        (of(65535, dtype=np.uint16), None, 65535),
        (of(5000, dtype=np.uint16), None, 65535),
        # At 65535, 4000 would be 15 of 255, and 200 would be 0.
        (of(4000, dtype=np.uint16), None, 4095),
        (of(200, dtype=np.uint16), 255.0, 255),
        (of(200, dtype=np.uint16), 4095.0, 4095),  # a dark image of such a camera
        (of(1200, dtype=np.int16), 255.0, 4095),
        (of(1200, dtype=np.int16), 16383.0, 16383),
        (of(1e6), 4095.0, 2**20 - 1),
        (of(0.5), 255.0, 1),
        (of(0.5), 65535.0, 1),
        (of(0.01), 1.0, 1),
        (of(220), 255.0, 255),
    ],
)
def test_the_level_of_a_model_applies_to_images_like_its_own(image, known, level):
    assert level_for(image, known) == level


def test_int16_keeps_its_structure(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", of(300, 1200, dtype=np.int16))
    # 300 * 255 / 4095 = 18.7, 1200 * 255 / 4095 = 74.7
    assert read_image(tmp_path / "a.tif", 1)[..., 0].tolist() == [[19, 75]]


@pytest.mark.parametrize("dtype", [np.uint32, np.int32, np.float32, np.float64])
def test_numbers_of_bytes_are_bytes_in_any_type(tmp_path, dtype):
    rgb = np.array([[[0, 40, 220], [255, 7, 9]]], dtype)
    tifffile.imwrite(tmp_path / "a.tif", rgb, photometric="rgb")
    assert read_image(tmp_path / "a.tif").tolist() == rgb.tolist()


@pytest.mark.parametrize(
    "image",
    [
        of(-1000, 3000, dtype=np.int16),  # Hounsfield units
        of(-1, 1),
        of(290, 310),  # kelvin: 5 of 256 levels
        of(np.nan, np.nan),
        of(0, 1e300, dtype=np.float64) * -1,
    ],
)
def test_values_that_do_not_fit_are_refused(tmp_path, image):
    tifffile.imwrite(tmp_path / "a.tif", image)
    with pytest.raises(InputError, match="a.tif: has (values from|no finite values)"):
        read_raw(tmp_path / "a.tif")


def test_a_tiff_with_alpha_keeps_its_colours(tmp_path):
    rgba = np.full((2, 3, 4), (200, 100, 50, 128), np.uint8)
    options = {"photometric": "rgb", "extrasamples": ["unassalpha"]}
    tifffile.imwrite(tmp_path / "a.tif", rgba, **options)
    assert read_image(tmp_path / "a.tif")[0, 0].tolist() == [200, 100, 50]


def test_16_bit_files_with_small_values_are_not_black(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), of(3, 250, dtype=np.uint16))
    assert read_image(tmp_path / "a.png", 1, 255.0)[..., 0].tolist() == [[3, 250]]
