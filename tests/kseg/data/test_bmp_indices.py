import io
import struct

import numpy as np
import pytest
from PIL import Image

from kseg.data.bmp_indices import read_indexed
from kseg.data.mask_files import read_mask

IDS = np.array([[0, 1, 1], [1, 0, 0]], np.uint8)


def bmp(bits: int, rows: list[bytes], grey: list[int], width=3) -> bytes:
    """A BMP with a grey palette; `rows` are padded to 4 bytes, from below."""
    table = b"".join(bytes((level, level, level, 0)) for level in grey)
    start, count = 54 + len(table), len(grey)
    sides = struct.pack("<IiiHHIIiiII", 40, width, 2, 1, bits, 0, 0, 0, 0, count, 0)
    file = struct.pack("<2sIHHI", b"BM", 0, 0, 0, start)
    return file + sides + table + b"".join(row.ljust(4, b"\0") for row in rows[::-1])


@pytest.mark.parametrize(
    "data",
    [
        # Pillow takes these palettes for black and white, and for grey.
        bmp(8, [b"\0\1\1", b"\1\0\0"], [0, 255]),
        bmp(4, [b"\x01\x10", b"\x10\x00"], list(range(16))),
        bmp(4, [b"\x01\x10", b"\x10\x00"], [255, 0] + 14 * [9]),
        bmp(1, [b"\x60", b"\x80"], [0, 255]),
        bmp(1, [b"\x60", b"\x80"], [255, 0]),
    ],
)
def test_ids_are_those_that_are_stored(tmp_path, data):
    path = tmp_path / "a.bmp"
    path.write_bytes(data)
    assert read_mask(path)[0].tolist() == IDS.tolist()


def test_colours_are_those_of_the_palette(tmp_path):
    path = tmp_path / "a.bmp"
    path.write_bytes(bmp(8, [b"\0\1\1", b"\1\0\0"], [7, 200]))
    assert read_mask(path, colored=True)[0][..., 0].tolist() == [
        [7, 200, 200],
        [200, 7, 7],
    ]


@pytest.mark.parametrize("mode", ["1", "L", "P"])
def test_files_of_pillow(mode):
    image = Image.fromarray(IDS * 255).convert(mode)
    file = io.BytesIO()
    image.save(file, "BMP")
    expected = np.asarray(image).astype(np.uint8)
    assert read_indexed(file.getvalue()).indices.tolist() == expected.tolist()


def test_other_files_are_left_to_pillow():
    whole = bmp(8, [b"\0\1\1", b"\1\0\0"], [0, 255])
    file = io.BytesIO()
    Image.fromarray(np.dstack([IDS] * 3)).save(file, "BMP")
    assert read_indexed(whole[:-1]) is None  # cut
    assert read_indexed(file.getvalue()) is None  # colours
