"""What files say about themselves, in every format."""

import io
import struct

import numpy as np
import pytest
import tifffile
from PIL import Image

from edge.core.image_header import Header, read_header
from edge.core.tiff_header import exif_orientation

RGB = np.arange(40 * 24 * 3, dtype=np.uint8).reshape(24, 40, 3)
GREY = RGB[..., 0].copy()


def encoded(kind: str, mode: str = "RGB", **options) -> bytes:
    file = io.BytesIO()
    Image.fromarray(RGB).convert(mode).save(file, kind, **options)
    return file.getvalue()


def tiff(array: np.ndarray, **options) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, array, **options)
    return file.getvalue()


def frames(kind: str, count: int = 3) -> bytes:
    images = [Image.fromarray(np.roll(RGB, i, 1)) for i in range(count)]
    file = io.BytesIO()
    images[0].save(file, kind, save_all=True, append_images=images[1:])
    return file.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "BMP", "GIF", "WEBP", "PPM"])
def test_size_and_pages_of_each_format(kind):
    header = read_header(encoded(kind))
    assert header.size == (24, 40)
    assert (header.pages, header.problem) == (1, "")


@pytest.mark.parametrize("lossless", [True, False])
def test_size_of_webp_with_and_without_loss(lossless):
    header = read_header(encoded("WEBP", lossless=lossless))
    assert (header.size, header.lossy) == ((24, 40), not lossless)


@pytest.mark.parametrize(
    ("mode", "channels", "bits"),
    [("1", 1, 1), ("L", 1, 8), ("LA", 2, 8), ("P", 3, 8), ("RGB", 3, 8)],
)
def test_channels_and_bits_of_a_png(mode, channels, bits):
    header = read_header(encoded("PNG", mode))
    assert (header.channels, header.bits) == (channels, bits)
    assert header.palette == (mode == "P")
    assert header.alpha == (mode == "LA")


@pytest.mark.parametrize(("mode", "channels"), [("L", 1), ("RGB", 3), ("CMYK", 4)])
def test_channels_of_a_jpeg(mode, channels):
    header = read_header(encoded("JPEG", mode, progressive=True))
    assert (header.channels, header.size) == (channels, (24, 40))
    assert header.lossy and header.progressive


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "GIF", "WEBP", "AVIF"])
def test_several_images_in_a_file_are_a_problem(kind):
    header = read_header(frames(kind))
    assert header.pages == (2 if kind == "AVIF" else 3)
    assert "one image is read from a file; save each" in header.problem


def test_a_thumbnail_and_a_smaller_copy_in_a_tiff_are_no_pages():
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        writer.write(RGB, photometric="rgb")
        writer.write(RGB[::2, ::2], photometric="rgb", subfiletype=1)
    assert read_header(file.getvalue()).pages == 1


@pytest.mark.parametrize("options", [{"byteorder": ">"}, {"bigtiff": True}, {}])
def test_tiff_of_both_byte_orders_and_offset_sizes(options):
    header = read_header(tiff(GREY.astype(np.uint16), **options))
    assert (header.size, header.bits, header.channels) == ((24, 40), 16, 1)


def bands(count: int) -> np.ndarray:
    return np.zeros((24, 40, count), np.uint8)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (
            tiff(bands(4), photometric="rgb", extrasamples=["unspecified"]),
            "has 4 bands",
        ),
        (
            tiff(bands(5), photometric="minisblack", planarconfig="contig"),
            "has 5 bands",
        ),
        (
            tiff(bands(2), photometric="minisblack", planarconfig="contig"),
            "has 2 bands",
        ),
        (tiff(GREY.astype(np.float16)), "has floats of 16 bits"),
        (tiff(GREY.astype(np.complex64)), "has complex numbers"),
        (
            tiff(bands(4).astype(np.uint16), photometric="separated"),
            "16-bit colours that are not RGB",
        ),
        (
            struct.pack("<2s12xIii2xHI20xI", b"BM", 40, 8, 8, 32, 3, 255),
            "red and blue exchanged",
        ),
        (b"BM" + bytes(12) + b"\x0c\0\0\0\x18\0\x18\0", "the header of OS/2"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (b"\n<!DOCTYPE html><html>", "a web page"),
        (b"%PDF-1.7", "a PDF"),
        (b"", "the file is empty"),
        (b"\0" * 5000, "begins with zeros only"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "is HEIC"),
        (b"\0\0\0\x18ftypisom\0\0\0\0isommp42", "is a video"),
        (b"\0" * 128 + b"DICM", "a DICOM file"),
    ],
)
def test_what_cannot_be_read_is_named(content, words):
    assert words in read_header(content).problem


def test_alpha_of_a_tiff_is_no_band():
    header = read_header(tiff(bands(4), photometric="rgb", extrasamples=["unassalpha"]))
    assert (header.problem, header.alpha) == ("", True)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "GIF", "WEBP", "PPM", "AVIF"])
def test_any_beginning_of_a_file_has_a_header(kind):
    data = encoded(kind)
    for end in range(0, min(len(data), 400), 7):
        assert isinstance(read_header(data[:end]), Header)


# --- orientation ---


def exif(kind: int, value: bytes, count: int = 1, order: str = "<") -> bytes:
    """An EXIF block with one entry: the orientation."""
    start = b"II*\0" if order == "<" else b"MM\0*"
    entry = struct.pack(f"{order}HHI", 274, kind, count) + value.ljust(4, b"\0")
    return start + struct.pack(f"{order}IH", 8, 1) + entry + bytes(4)


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        (exif(3, b"\x06\0"), 6),
        (exif(3, b"\0\x06", order=">"), 6),
        (exif(4, b"\x08\0\0\0"), 8),  # as a LONG
        (exif(3, b"\x09\0"), 1),  # does not exist
        (exif(3, b"\0\0"), 1),
        (exif(4, struct.pack("<I", 70_000)), 1),
        (exif(2, b"6\0", count=2), 1),  # a text
        (b"Exif\0\0" + exif(3, b"\x03\0"), 3),
        (b"no block", 1),
        (exif(3, b"\x06\0")[:12], 1),
    ],
)
def test_only_orientations_from_1_to_8_turn(block, expected):
    assert exif_orientation(block) == expected


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_of_each_format(kind, orientation):
    block = Image.Exif()
    block[274] = orientation
    assert read_header(encoded(kind, exif=block)).orientation == orientation
