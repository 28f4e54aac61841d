"""Images whose white is not the largest value of their type."""

import numpy as np
import pytest
import tifffile

from edge.core.images import read_image, read_raw


@pytest.mark.parametrize("kind", ["P5", "P6", "P2", "P3"])
@pytest.mark.parametrize("largest", [1, 5, 51, 255])
def test_the_largest_value_of_a_pnm_is_white(tmp_path, kind, largest):
    channels = 3 if kind in ("P3", "P6") else 1
    stored = np.repeat([0, largest, largest, 0], channels).tolist()
    text = " ".join(map(str, stored)).encode() + b"\n"
    body = text if kind in ("P2", "P3") else bytes(stored)
    file = tmp_path / "a.pnm"
    file.write_bytes(f"{kind} 2 2 {largest}\n".encode() + body)
    assert read_image(file)[..., 0].tolist() == [[0, 255], [255, 0]]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_an_inverted_tiff_is_inverted_at_each_depth(tmp_path, dtype):
    values = np.array([[0, 1], [200, np.iinfo(dtype).max]], dtype)
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="miniswhite")
    expected = np.iinfo(dtype).max - values
    np.testing.assert_array_equal(read_raw(tmp_path / "a.tif"), expected)
