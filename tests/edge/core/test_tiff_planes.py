"""TIFF files with one band after another are read like those with bands in turn."""

import io

import numpy as np
import pytest
import tifffile

from edge.core.images import read_raw

PLANES = np.random.default_rng(0).integers(0, 200, (3, 32, 48))


@pytest.mark.parametrize("dtype", ["u1", "u2", "i2", "i4", "f4", "f8"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"rowsperstrip": 5, "compression": "zlib"},
        {"tile": (16, 16), "byteorder": ">"},
        {"bigtiff": True, "rowsperstrip": 32},
    ],
)
def test_bands_one_after_another(tmp_path, dtype, options):
    if dtype == "u1":  # OpenCV refuses small tiles of 8 bits
        options = {k: v for k, v in options.items() if k != "tile"}
    file = tmp_path / "a.tif"
    given = {"photometric": "rgb", "planarconfig": "separate", **options}
    tifffile.imwrite(file, PLANES.astype(dtype), **given)
    np.testing.assert_array_equal(read_raw(file), np.moveaxis(PLANES, 0, 2))


def test_a_fourth_band_of_alpha_is_dropped(tmp_path):
    planes = np.concatenate([PLANES, PLANES[:1]]).astype(np.uint16)
    given = {"photometric": "rgb", "planarconfig": "separate"}
    given["extrasamples"] = ["unassalpha"]
    content = io.BytesIO()
    tifffile.imwrite(content, planes, **given)
    (tmp_path / "a.tif").write_bytes(content.getvalue())
    np.testing.assert_array_equal(
        read_raw(tmp_path / "a.tif"), np.moveaxis(PLANES, 0, 2)
    )
