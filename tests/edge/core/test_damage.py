"""Damage that decoders pass over."""

import io
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image

from edge.core.damage import TRUNCATED, WRONG_CHECKSUM, damage, essential_png
from edge.core.errors import InputError
from edge.core.images import read_image, read_raw

NOISE = np.random.default_rng(0).integers(0, 256, (96, 120, 3), dtype=np.uint8)


def encoded(array: np.ndarray, kind: str, mode: str = "", **options) -> bytes:
    file = io.BytesIO()
    image = Image.fromarray(array)
    (image.convert(mode) if mode else image).save(file, kind, **options)
    return file.getvalue()


def chunk(name: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(name + content).to_bytes(4, "big")
    return len(content).to_bytes(4, "big") + name + content + checksum


KINDS = {
    "baseline": encoded(NOISE, "JPEG"),
    "grey": encoded(NOISE[..., 0].copy(), "JPEG"),
    "print": encoded(NOISE, "JPEG", "CMYK"),
    "restart": encoded(NOISE, "JPEG", restart_marker_rows=1),
    "progressive": encoded(NOISE, "JPEG", progressive=True),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("part", [0.3, 0.5, 0.8])
def test_a_jpeg_that_was_cut_and_closed_is_refused(tmp_path, kind, part):
    data = KINDS[kind]
    (tmp_path / "a.jpg").write_bytes(data[: int(part * len(data))] + b"\xff\xd9")
    with pytest.raises(InputError, match="a.jpg: the file is truncated"):
        read_raw(tmp_path / "a.jpg", thorough=True)


def test_a_whole_jpeg_is_called_corrupt_by_no_library(tmp_path, capfd):
    """More data behind it are tried, and libjpeg prints what it thinks of them."""
    image = NOISE.copy()
    image[-8:, -8:] = 128
    Image.fromarray(image).save(tmp_path / "a.jpg", quality=100, subsampling=0)
    read_raw(tmp_path / "a.jpg", thorough=True)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("value", [128, 0, 255])
@pytest.mark.parametrize("options", [{}, {"progressive": True}])
def test_a_whole_jpeg_that_ends_in_one_colour_is_read(tmp_path, value, options):
    image = NOISE.copy()
    image[48:] = value
    (tmp_path / "a.jpg").write_bytes(encoded(image, "JPEG", **options))
    read = read_raw(tmp_path / "a.jpg", thorough=True)
    assert (read[64:] == value).all()


def test_a_wrong_checksum_of_pixels_is_damage():
    data = bytearray(encoded(NOISE, "PNG"))
    data[data.index(b"IDAT") + 100] ^= 1
    assert damage(bytes(data)) == WRONG_CHECKSUM
    assert damage(bytes(data), checksums=False) == ""


def test_a_wrong_length_of_a_chunk_is_damage():
    data = bytearray(encoded(NOISE, "PNG"))
    data[9] ^= 0x10  # the length of the header becomes larger than the file
    assert damage(bytes(data)) == TRUNCATED


def test_a_png_without_its_end_is_truncated():
    assert damage(encoded(NOISE, "PNG")[:-12]) == TRUNCATED


def test_text_in_a_png_is_no_damage(tmp_path):
    whole = encoded(NOISE, "PNG")
    wrong = chunk(b"tEXt", b"a\0b")[:-1] + b"x"
    data = whole[:33] + wrong + whole[33:]
    assert damage(data) == ""
    assert essential_png(data) == whole
    (tmp_path / "a.png").write_bytes(data)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), NOISE)


def test_zeros_from_the_middle_on_are_damage():
    data = KINDS["baseline"]
    assert damage(data[: len(data) // 2] + bytes(len(data) // 2)) == TRUNCATED


def tiff(**options) -> bytes:
    file = io.BytesIO()
    given = {"photometric": "rgb", "rowsperstrip": 8, **options}
    tifffile.imwrite(file, NOISE, **given)
    return file.getvalue()


def test_a_tiff_whose_last_strips_are_missing_is_truncated():
    assert damage(tiff()) == ""
    assert damage(tiff()[:-100], checksums=False) == TRUNCATED


def test_a_wrong_checksum_of_a_strip_is_damage():
    data = bytearray(tiff(compression="zlib"))
    assert damage(bytes(data)) == ""
    data[len(data) // 2] ^= 1
    assert damage(bytes(data)) == WRONG_CHECKSUM
    assert damage(bytes(data), checksums=False) == ""
