"""Masks of every format give the ids that are stored, or are refused."""

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from edge.core.errors import InputError
from kseg.data.mask_files import read_mask, read_palette
from kseg.data.masks import load_mask, open_image

IDS = np.array([[0, 1, 2, 3], [3, 2, 1, 0], [1, 1, 0, 0]], np.uint8)


def read(path: Path) -> list:
    return load_mask(path, path).tolist()


def raw_png(path: Path, ids: np.ndarray, bits: int) -> Path:
    """A grey PNG of a few bits a pixel, written by hand."""

    def chunk(name: bytes, content: bytes) -> bytes:
        checksum = zlib.crc32(name + content).to_bytes(4, "big")
        return len(content).to_bytes(4, "big") + name + content + checksum

    height, width = ids.shape
    values = (ids[..., None] >> np.arange(bits - 1, -1, -1)) & 1
    rows = np.packbits(values.reshape(height, -1).astype(np.uint8), axis=1)
    body = b"".join(b"\0" + row.tobytes() for row in rows)
    header = struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0)
    content = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(body))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + content + chunk(b"IEND", b""))
    return path


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_ids_of_few_bits_are_ids(tmp_path, bits):
    assert read(raw_png(tmp_path / "a.png", IDS, bits)) == IDS.tolist()


def test_ids_of_1_bit_are_ids(tmp_path):
    ids = IDS & 1
    assert read(raw_png(tmp_path / "a.png", ids, 1)) == ids.tolist()
    for suffix in ("png", "tif", "bmp", "pbm"):
        path = tmp_path / f"b.{suffix}"
        Image.fromarray(ids.astype(bool)).save(path)
        assert read(path) == ids.tolist(), suffix


@pytest.mark.parametrize(
    "dtype",
    [np.uint8, np.int8, np.uint16, np.int16, np.int32, np.uint32, np.float32, float],
)
def test_tiff_of_any_type_holds_ids(tmp_path, dtype):
    tifffile.imwrite(tmp_path / "a.tif", IDS.astype(dtype))
    assert read(tmp_path / "a.tif") == IDS.tolist()


@pytest.mark.parametrize("dtype", [np.int8, np.int16])
def test_negative_ids_are_no_void(tmp_path, dtype):
    tifffile.imwrite(tmp_path / "a.tif", IDS.astype(dtype) - 1)
    with pytest.raises(InputError, match="a.tif: id -1; ids must be from 0 to 255"):
        read(tmp_path / "a.tif")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, bool])
def test_a_tiff_whose_white_is_0_holds_ids_as_stored(tmp_path, dtype):
    ids = IDS & 1 if dtype is bool else IDS
    tifffile.imwrite(tmp_path / "a.tif", ids.astype(dtype), photometric="miniswhite")
    assert read(tmp_path / "a.tif") == ids.tolist()


@pytest.mark.parametrize("largest", [3, 100, 255, 1000])
def test_ids_of_a_pgm_are_as_stored(tmp_path, largest):
    head = f"P5\n# of a tool\n4 3\n{largest}\n".encode()
    dtype = ">u1" if largest < 256 else ">u2"
    (tmp_path / "a.pgm").write_bytes(head + IDS.astype(dtype).tobytes())
    assert read(tmp_path / "a.pgm") == IDS.tolist()


@pytest.mark.parametrize("kind", ["P2", "P5"])
def test_ids_of_a_pgm_whose_white_is_1_are_as_stored(tmp_path, kind):
    ids = IDS & 1
    body = ids.tobytes() if kind == "P5" else " ".join(map(str, ids.flat)).encode()
    (tmp_path / "a.pgm").write_bytes(f"{kind} 4 3 1\n".encode() + body)
    assert read(tmp_path / "a.pgm") == ids.tolist()


@pytest.mark.parametrize("largest", [3, 65535])
def test_colours_of_a_ppm_that_would_be_scaled_are_refused(tmp_path, largest):
    stored = np.repeat(IDS[..., None], 3, 2).astype(">u2" if largest > 255 else "u1")
    head = f"P6 4 3 {largest}\n".encode()
    (tmp_path / "a.ppm").write_bytes(head + stored.tobytes())
    with pytest.raises(InputError, match=f"has colours from 0 to {largest}; save"):
        read_mask(tmp_path / "a.ppm")


def test_ids_in_bands_one_after_another(tmp_path):
    given = {"photometric": "rgb", "planarconfig": "separate"}
    planes = np.repeat(IDS[None], 3, 0).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", planes, **given)
    assert read(tmp_path / "a.tif") == IDS.tolist()


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("channels", [3, 4])
def test_ids_in_equal_channels_of_16_bits(tmp_path, suffix, channels):
    deep = np.repeat(IDS[..., None], channels, 2).astype(np.uint16)
    deep[..., 3:] = 65535
    cv2.imwrite(str(tmp_path / f"a{suffix}"), deep)
    assert read(tmp_path / f"a{suffix}") == IDS.tolist()


@pytest.mark.parametrize("factor", [1, 257])
def test_colours_of_16_bits(tmp_path, factor):
    deep = np.full((2, 3, 3), (10, 20, 30), np.uint16) * factor
    cv2.imwrite(str(tmp_path / "a.png"), deep[..., ::-1])
    assert read(tmp_path / "a.png")[0][0] == [10, 20, 30]


def test_colours_that_need_16_bits_are_refused(tmp_path):
    deep = np.full((2, 3, 3), (1000, 20, 30), np.uint16)
    cv2.imwrite(str(tmp_path / "a.png"), deep)
    with pytest.raises(InputError, match="has colours of 16 bits a channel; save"):
        read_mask(tmp_path / "a.png")


def test_nan_is_refused_with_the_number_of_pixels(tmp_path):
    ids = IDS.astype(np.float32)
    ids[1:] = np.nan
    tifffile.imwrite(tmp_path / "a.tif", ids)
    with pytest.raises(
        InputError, match="nan in 8 pixels, the first at row 1, column 0"
    ):
        read(tmp_path / "a.tif")


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "AVIF", "JPEG2000", "TIFF"])
def test_lossy_content_is_refused_whatever_the_suffix(tmp_path, kind):
    options = {"compression": "jpeg"} if kind == "TIFF" else {}
    Image.fromarray(np.kron(IDS, np.ones((16, 16), np.uint8))).convert("RGB").save(
        tmp_path / "a.png", format=kind, **options
    )
    with pytest.raises(
        InputError, match="lossy compression changes class ids"
    ) as error:
        read_mask(tmp_path / "a.png")
    assert error.value.kind == "lossy mask"


def test_a_palette_of_any_bits_holds_ids(tmp_path):
    for suffix, bits in (
        (".png", 2),
        (".png", 8),
        (".gif", 8),
        (".tif", 8),
        (".bmp", 8),
    ):
        image = Image.fromarray(IDS).convert("P")
        image.putpalette([value for i in range(4) for value in (i * 50, 0, 9)])
        path = tmp_path / f"{bits}{suffix}"
        image.save(path, **({"bits": bits} if suffix == ".png" else {}))
        if suffix != ".gif":  # Pillow orders its colours anew when it writes one
            assert read(path) == IDS.tolist(), path


# --- alpha ---


def rgba(colors: tuple, alpha: np.ndarray) -> Image.Image:
    return Image.fromarray(np.dstack([np.broadcast_to(colors, (3, 4, 3)), alpha]))


def test_a_mask_in_the_alpha_channel_is_refused(tmp_path):
    rgba(np.uint8((0, 0, 0)), IDS * 85).save(tmp_path / "a.png")
    with pytest.raises(InputError, match="the mask is in the alpha channel; save"):
        read_mask(tmp_path / "a.png")
    Image.fromarray(np.dstack([IDS * 0, IDS * 85])).save(tmp_path / "b.png")
    with pytest.raises(InputError, match="the mask is in the alpha channel; save"):
        read_mask(tmp_path / "b.png")


def test_erased_pixels_that_keep_their_colour_are_refused(tmp_path):
    colors = np.where(IDS[..., None] > 0, np.uint8((9, 8, 7)), np.uint8(0))
    alpha = np.full((3, 4), 255, np.uint8)
    alpha[0, 3] = 0  # where the object is
    Image.fromarray(np.dstack([colors, alpha])).save(tmp_path / "a.png")
    with pytest.raises(InputError, match="transparent pixels have the colours of vis"):
        read_mask(tmp_path / "a.png")


def test_a_transparent_background_of_black_is_read(tmp_path):
    colors = np.where(IDS[..., None] > 0, np.uint8((9, 8, 7)), np.uint8(0))
    alpha = np.where(IDS > 0, 255, 0).astype(np.uint8)
    Image.fromarray(np.dstack([colors, alpha])).save(tmp_path / "a.png")
    assert read(tmp_path / "a.png") == colors.tolist()


# --- other content ---


def test_a_long_text_is_no_fault(tmp_path):
    Image.fromarray(IDS).save(tmp_path / "a.png")
    data = (tmp_path / "a.png").read_bytes()
    body = b"zTXthistory\0\0" + zlib.compress(b"stroke " * 300_000)
    text = (len(body) - 4).to_bytes(4, "big") + body
    text += zlib.crc32(body).to_bytes(4, "big")
    (tmp_path / "a.png").write_bytes(data[:33] + text + data[33:])
    assert read(tmp_path / "a.png") == IDS.tolist()
    assert open_image(tmp_path / "a.png").size == (4, 3)


@pytest.mark.parametrize("content", [b"", b"no image", b"GIF89a", b"II*\0\x08\0\0\0"])
def test_what_is_no_mask_is_refused_in_one_line(tmp_path, content):
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(InputError, match="a.png: ") as error:
        read_mask(tmp_path / "a.png")
    assert "\n" not in str(error.value)


def test_a_large_mask_is_read_without_pillows_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 3)
    Image.fromarray(IDS).save(tmp_path / "a.png")
    assert read(tmp_path / "a.png") == IDS.tolist()
    assert Image.MAX_IMAGE_PIXELS == 3


def test_a_mask_that_is_too_large_is_refused_for_its_size(tmp_path):
    Image.fromarray(IDS).save(tmp_path / "a.png")
    data = bytearray((tmp_path / "a.png").read_bytes())
    data[16:24] = struct.pack(">II", 50_000, 40_000)
    (tmp_path / "a.png").write_bytes(data)
    words = "40000x50000 is 2000 megapixels, and at most 1073 are read; cut it"
    with pytest.raises(InputError, match=words):
        read_mask(tmp_path / "a.png")


def test_the_palette_of_a_damaged_file_is_refused_in_one_line(tmp_path):
    path = tmp_path / "a.gif"
    image = Image.fromarray(np.arange(4096).reshape(64, 64).astype(np.uint8)).convert(
        "P"
    )
    image.putpalette(list(range(256)) * 3)
    image.save(path)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) - 1000])
    with pytest.raises(InputError, match="a.gif: cannot be read"):
        read_palette(path)
