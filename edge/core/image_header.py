"""What an image file says about itself; nothing is decoded.

The libraries that decode images disagree about odd EXIF entries, read the first page of
a stack and drop bands without a word, so this is read here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Tuple

from edge.core.tiff_header import exif_orientation, tiff_fields

PNG_START = b"\x89PNG\r\n\x1a\n"
TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # "+" of files over 4 GB
PNG_CHANNELS = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}  # colour type -> channels; 3 is a palette
SEVERAL = 2  # pages or frames, where their number is not counted
FRAMES_OF_JPEG = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
PROGRESSIVE = (0xC2, 0xC6, 0xCA, 0xCE)
# First bytes of files that are none that kseg reads: NO_DOWNLOADS are left in place of
# one that was not fetched, OTHERS are given as images.
Signatures = Tuple[Tuple[bytes, str], ...]
NO_DOWNLOADS: Signatures = (
    (b"version https://git-lfs", "a Git LFS pointer; fetch the file with git lfs pull"),
    (b"<!doctype html", "a web page; download the file again"),
    (b"<html", "a web page; download the file again"),
)
OTHERS: Signatures = (
    *NO_DOWNLOADS,
    (b"%PDF", "a PDF; export its pages as PNG"),
    (b"%!PS", "PostScript; export it as PNG"),
    (b"PK\x03\x04", "a zip archive; unpack it"),
    (b"\x1f\x8b", "a gzip file; unpack it"),
    (b"8BPS", "a Photoshop file; export it as PNG"),
    (b"gimp xcf", "a GIMP file; export it as PNG"),
    (b"\x93NUMPY", "a NumPy file; save it as PNG"),
    (b"\x89HDF", "an HDF5 file; save its images as PNG"),
    (b"<svg", "an SVG drawing; export it as PNG"),
    (b"<?xml", "an XML file; export the image as PNG"),
)


@dataclass(frozen=True)
class Header:
    """The facts of a file; `kind` is empty for a format that is not known here.

    `size` is (height, width) as stored, (0, 0) where it is not known. `channels` counts
    alpha. `orientation` is that of EXIF, 1 to 8. `problem` says why the file cannot be
    read as one image, and what to do; it is empty otherwise. `lossy` says whether the
    compression changes values, `palette` whether pixels are indices, `inverted` whether
    0 is white, `alpha` whether there is transparency. `largest` is the value that is
    white in a PGM file, `extra_at` where a TIFF file says what its extra channels are,
    `planar` whether it stores its channels one after another; `signed` whether its
    numbers may be negative.
    """

    kind: str = ""
    size: tuple[int, int] = (0, 0)
    bits: int = 8
    channels: int = 3
    orientation: int = 1
    pages: int = 1
    problem: str = ""
    lossy: bool = False
    palette: bool = False
    inverted: bool = False
    largest: int = 255
    progressive: bool = False
    alpha: bool = False
    extra_at: int = 0
    planar: bool = False
    signed: bool = False


def read_header(data: bytes) -> Header:
    """The header of a file's content. Damage is not reported; see edge.core.damage."""
    try:
        header = parse(data)
    except (IndexError, ValueError, OverflowError):  # cut in its header
        return Header()
    if header.pages > 1 and not header.problem:
        what = "frames" if header.kind in ("GIF", "WebP", "PNG", "AVIF") else "pages"
        problem = f"has {header.pages} {what}, but one image is read from a file"
        if header.kind == "AVIF":
            problem = "is a sequence of frames, but one image is read from a file"
        problem += "; save each as a file of its own"
        return replace(header, problem=problem)
    return header


def parse(data: bytes) -> Header:
    """The header by the first bytes; a `Header()` if they are not known."""
    if data[:2] == b"\xff\xd8":
        return jpeg_header(data)
    if data[:8] == PNG_START:
        return png_header(data)
    if data[:4] in TIFF_STARTS:
        return Header("TIFF", **tiff_fields(data))
    if data[:4] == b"GIF8":
        width, height = (int.from_bytes(data[i : i + 2], "little") for i in (6, 8))
        return Header("GIF", (height, width), pages=gif_frames(data), palette=True)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return webp_header(data)
    if data[4:8] == b"ftyp":
        return box_header(data)
    if data[:4] == b"\xff\x4f\xff\x51" or data[4:8] == b"jP  ":
        return Header("JPEG 2000", lossy=True)
    if data[:2] == b"BM":
        return bmp_header(data)
    if data[:1] == b"P" and data[1:2] in b"123456" and data[2:3].isspace():
        return pnm_header(data)
    return Header(problem=other_problem(data))


def other_problem(data: bytes) -> str:
    """What a file is that is no image; empty if that is not known either."""
    if not data:
        return "the file is empty; copy it again or remove it"
    named = named_content(data)
    if named:
        return f"is no image but {named}"
    if data[128:132] == b"DICM":
        return "is no image but a DICOM file; save its image as PNG"
    if not data[:4096].strip(b"\0"):
        return "begins with zeros only, so the file is damaged; copy it again"
    return ""


def named_content(data: bytes, known: Signatures = OTHERS) -> str:
    """What a file is that begins with one of the `known` signatures, and a remedy.

    Empty for another.
    """
    start = data[:64].lstrip().lower()
    found = (text for begin, text in known if start.startswith(begin.lower()))
    return next(found, "")


def png_header(data: bytes) -> Header:
    width, height = (int.from_bytes(data[i : i + 4], "big") for i in (16, 20))
    bits, color = data[24], data[25]
    pages = orientation = 1
    alpha, at = color in (4, 6), 33
    while at + 8 <= len(data):
        size, name = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        if name == b"acTL":
            pages = int.from_bytes(data[at + 8 : at + 12], "big")
        elif name == b"tRNS":
            alpha = True
        elif name == b"eXIf":
            orientation = exif_orientation(data[at + 8 : at + 8 + size])
        at += size + 12
    channels = PNG_CHANNELS.get(color, 3)
    return Header(
        "PNG",
        (height, width),
        bits,
        channels,
        orientation,
        pages,
        palette=color == 3,
        alpha=alpha,
    )


def next_marker(data: bytes, at: int) -> tuple[int, int]:
    """The next marker of a JPEG at or after `at`, and where its segment begins.

    0 if there is none. Markers inside coded data, such as restarts, are passed over.
    """
    while True:
        at = data.find(b"\xff", at)
        if at < 0 or at + 1 >= len(data):
            return 0, len(data)
        marker = data[at + 1]
        if marker == 0xFF:  # fills the space before a marker
            at += 1
        elif marker < 2 or 0xD0 <= marker <= 0xD8:
            at += 2
        else:
            return marker, at + 2


def jpeg_header(data: bytes) -> Header:
    orientation, at = 1, 2
    while True:
        marker, at = next_marker(data, at)
        if not marker:
            return Header("JPEG", lossy=True, orientation=orientation)
        size = int.from_bytes(data[at : at + 2], "big")
        if marker == 0xE1 and data[at + 2 : at + 8] == b"Exif\0\0" and orientation == 1:
            orientation = exif_orientation(data[at + 8 : at + size])
        if marker in FRAMES_OF_JPEG:
            bits, count = data[at + 2], data[at + 7]
            height, width = (
                int.from_bytes(data[i : i + 2], "big") for i in (at + 3, at + 5)
            )
            deep = f"is a JPEG of {bits} bits; save it as a JPEG of 8 bits or as PNG"
            return Header(
                "JPEG",
                (height, width),
                bits,
                count,
                orientation,
                problem="" if bits == 8 else deep,
                lossy=True,
                progressive=marker in PROGRESSIVE,
            )
        if marker in (0xD9, 0xDA):
            return Header("JPEG", lossy=True, orientation=orientation)
        at += size


def webp_header(data: bytes) -> Header:
    width = height = 0
    frames, lossy, alpha, orientation, at = 0, False, False, 1, 12
    while at + 8 <= len(data):
        name = data[at : at + 4]
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        body = data[at + 8 : at + 18]
        if name == b"VP8X":
            alpha = bool(body[0] & 16)
            width, height = (
                1 + int.from_bytes(body[i : i + 3], "little") for i in (4, 7)
            )
        elif name == b"VP8L" and not width:
            packed = int.from_bytes(body[1:5], "little")
            width, height = 1 + (packed & 0x3FFF), 1 + (packed >> 14 & 0x3FFF)
        elif name == b"VP8 ":
            lossy = True
            if not width:
                width, height = (
                    int.from_bytes(body[i : i + 2], "little") & 0x3FFF for i in (6, 8)
                )
        elif name == b"ANMF":
            frames += 1
        elif name == b"EXIF":
            orientation = exif_orientation(data[at + 8 : at + 8 + size])
        at += 8 + size + size % 2
    return Header(
        "WebP",
        (height, width),
        orientation=orientation,
        pages=max(1, frames),
        lossy=lossy,
        alpha=alpha,
    )


def box_header(data: bytes) -> Header:
    """AVIF and HEIC by their brands; another container has a problem."""
    size = int.from_bytes(data[:4], "big")
    brands = [data[8:12], *(data[i : i + 4] for i in range(16, min(size, 256), 4))]
    if b"avis" in brands[:1]:
        return Header("AVIF", pages=SEVERAL, lossy=True)
    if b"avif" in brands:
        return Header("AVIF", orientation=avif_orientation(data[:8192]), lossy=True)
    if {b"heic", b"heix", b"hevc", b"mif1", b"heim"} & set(brands):
        problem = "is HEIC, which is not read; convert it to JPEG or PNG"
        return Header("HEIC", lossy=True, problem=problem)
    return Header(problem="is a video, not an image")


def avif_orientation(start: bytes) -> int:
    """The EXIF orientation that the boxes `irot` and `imir` of an AVIF file mean.

    `irot` turns by quarters, anticlockwise; then `imir` mirrors: 0 exchanges top and
    bottom, 1 left and right (ISO/IEC 23008-12, 6.5.10 and 6.5.12).
    """
    turn, mirror = start.find(b"\0\0\0\x09irot"), start.find(b"\0\0\0\x09imir")
    quarters = start[turn + 8] & 3 if turn >= 0 else 0
    if mirror < 0:
        return (1, 8, 3, 6)[quarters]
    return ((4, 5, 2, 7), (2, 7, 4, 5))[start[mirror + 8] & 1][quarters]


def bmp_header(data: bytes) -> Header:
    """Of BMP files with the header of Windows; that of OS/2 has 12 bytes."""
    size, bits, kind, red = (
        int.from_bytes(data[i : i + n], "little")
        for i, n in ((14, 4), (28, 2), (30, 4), (54, 4))
    )
    if size == 12:  # OpenCV drops its colours
        problem = "is a BMP file with the header of OS/2; save it as PNG"
        return Header("BMP", problem=problem)
    if (size, bits, kind) == (40, 32, 3) and red != 0xFF0000:  # OpenCV exchanges them
        problem = "is a BMP file with red and blue exchanged; save it as PNG"
        return Header("BMP", problem=problem)
    width, height = (
        int.from_bytes(data[i : i + 4], "little", signed=True) for i in (18, 22)
    )
    return Header("BMP", (abs(height), abs(width)))


def pnm_header(data: bytes) -> Header:
    """PBM, PGM and PPM: letters, then width, height and the value of white."""
    text = re.sub(rb"#[^\n]*", b"", data[:1024])
    numbers = [int(word) for word in text[2:].split()[:3] if word.isdigit()]
    kind = int(text[1:2])
    largest = 1 if kind in (1, 4) else numbers[2]
    bits = 1 if kind in (1, 4) else 8 if largest < 256 else 16
    channels = 3 if kind in (3, 6) else 1
    return Header("PNM", (numbers[1], numbers[0]), bits, channels, largest=largest)


def gif_frames(data: bytes) -> int:
    """The number of images in a GIF; at least 1."""

    def past_blocks(at: int) -> int:
        while at < len(data) and data[at]:
            at += 1 + data[at]
        return at + 1

    def past_table(flags: int) -> int:
        return 3 << ((flags & 7) + 1) if flags & 0x80 else 0

    count, at = 0, 13 + past_table(data[10])
    while at < len(data) and data[at] in (0x21, 0x2C):
        if data[at] == 0x21:
            at = past_blocks(at + 2)
            continue
        count += 1
        at = past_blocks(at + 11 + past_table(data[at + 9]))
    return max(1, count)
