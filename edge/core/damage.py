"""Finds damage in image files that decoders pass over without an error.

The structure is that of ITU T.81, annex B (JPEG), of the PNG specification, and of TIFF
6.0.
"""

from __future__ import annotations

import zlib
from typing import NamedTuple

import cv2
import numpy as np

from edge.core.image_header import PNG_START, TIFF_STARTS, Header, next_marker
from edge.core.log import suppress_native_log
from edge.core.tiff_planes import COUNTS, OFFSETS, directory, whole_numbers

TRUNCATED = "the file is truncated; copy it again or remove it"
WRONG_CHECKSUM = "the file is damaged: a checksum is wrong; copy it again or remove it"
AS_STORED = cv2.IMREAD_ANYCOLOR | cv2.IMREAD_ANYDEPTH | cv2.IMREAD_IGNORE_ORIENTATION
GREY = 128  # libjpeg fills what is missing with it
BLOCK = 8
DEFLATE = (8, 32946)  # compressions of TIFF that end with a checksum
LARGEST_PART = 1 << 20  # bytes that are unpacked at a time
PROBE = bytes(range(1, 128)) * 2  # coded data that is not all zeros


class Chunk(NamedTuple):
    """A chunk of a PNG: its name, and where it begins and ends in the file."""

    name: bytes
    begin: int
    end: int


def damage(data: bytes, checksums: bool = True) -> str:
    """What is wrong with a JPEG, PNG or TIFF; empty if nothing is found, or for others.

    Without `checksums` only the structure of a PNG or TIFF is followed: the decoder of
    PNG in OpenCV compares them too.
    """
    try:
        if data[:2] == b"\xff\xd8":
            return jpeg_damage(data)
        if data[:8] == PNG_START:
            return png_damage(data, checksums)
        if data[:4] in TIFF_STARTS:
            return tiff_damage(data, checksums)
    except (IndexError, ValueError):  # cut in a segment
        return TRUNCATED
    return ""


# --- PNG ---


def png_chunks(data: bytes) -> list[Chunk]:
    """The chunks of a PNG up to its end; the last one is cut if the file is."""
    chunks, at = [], 8
    while at < len(data) and not (chunks and chunks[-1].name == b"IEND"):
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        chunks.append(Chunk(data[at + 4 : at + 8], at, end))
        at = end
    return chunks


def is_critical(name: bytes) -> bool:
    """Whether the pixels depend on chunks of this name; its first letter is large."""
    return not name[:1].islower()


def png_damage(data: bytes, checksums: bool) -> str:
    """Looks for the end, and for wrong checksums of what the pixels are made of."""
    view = memoryview(data)
    chunks = png_chunks(data)
    for name, begin, end in chunks:
        if end > len(data):
            break
        if not (checksums and is_critical(name)):
            continue
        right = int.from_bytes(view[end - 4 : end], "big")
        if zlib.crc32(view[begin + 4 : end - 4]) != right:
            return WRONG_CHECKSUM
    return "" if chunks and chunks[-1] == (b"IEND", end - 12, end) else TRUNCATED


def essential_png(data: bytes, more: tuple[bytes, ...] = (b"tRNS",)) -> bytes:
    """A PNG without the chunks that pixels do not depend on, such as long texts.

    Those named in `more` are kept.
    """
    kept = [c for c in png_chunks(data) if is_critical(c.name) or c.name in more]
    return PNG_START + b"".join(data[c.begin : c.end] for c in kept)


# --- TIFF ---


def tiff_damage(data: bytes, checksums: bool) -> str:
    """Looks for strips or tiles outside the file, and for wrong checksums of Deflate.

    OpenCV leaves such a part of an 8-bit image black. A single strip is left to
    decoders: programs exist that write a wrong length of it.
    """
    tags = directory(data)
    offsets, sizes = (whole_numbers(data, tags, kinds) for kinds in (OFFSETS, COUNTS))
    if len(offsets) != len(sizes):
        return ""
    ends = offsets + sizes
    if len(offsets) > 1 and (ends[sizes > 0] > len(data)).any():
        return TRUNCATED
    compression = whole_numbers(data, tags, (259,))
    if checksums and compression.size and compression[0] in DEFLATE:
        view = memoryview(data)
        parts = zip(offsets.tolist(), ends.tolist())
        if not all(can_be_unpacked(view[begin:end]) for begin, end in parts):
            return WRONG_CHECKSUM
    return ""


def can_be_unpacked(packed: memoryview) -> bool:
    """Whether what Deflate packed is whole, or ends before its checksum."""
    unpacking, rest = zlib.decompressobj(), bytes(packed)
    try:
        while rest and not unpacking.eof:
            unpacking.decompress(rest, LARGEST_PART)
            rest = unpacking.unconsumed_tail
    except zlib.error:
        return False
    return True


# --- JPEG ---


def jpeg_damage(data: bytes) -> str:
    """Looks for the end, and in progressive files for scans that are missing."""
    at = 2
    missing: dict[int, dict[int, int]] = {}  # component -> coefficient -> bits to come
    while True:
        marker, at = next_marker(data, at)
        if not marker:
            return TRUNCATED
        if marker == 0xD9:
            scans = missing.values()
            whole = all(not any(bits.values()) for bits in scans)
            return "" if whole else TRUNCATED
        size = int.from_bytes(data[at : at + 2], "big")
        segment = data[at + 2 : at + size]
        if marker == 0xC2:
            missing = {segment[6 + 3 * i]: {0: 14} for i in range(segment[5])}
            missing[segment[6]] = dict.fromkeys(range(64), 14)  # brightness needs all
        elif marker == 0xDA and missing and len(segment) == 2 * segment[0] + 4:
            first, last, bits = segment[-3:]
            for index in range(segment[0]):
                known = missing.setdefault(segment[1 + 2 * index], {})
                known.update(dict.fromkeys(range(first, last + 1), bits & 15))
        at += size


def ends_in_grey(image: np.ndarray, header: Header) -> bool:
    """Whether the last block of a JPEG, as stored, is what fills missing data.

    With four channels, for print, that may be another colour than grey.
    """
    height, width = image.shape[:2]
    last = image[(height - 1) // BLOCK * BLOCK :, (width - 1) // BLOCK * BLOCK :]
    return bool((last == (last[0, 0] if header.channels == 4 else GREY)).all())


def lacks_data(data: bytes, header: Header) -> bool:
    """Whether the coded data of a JPEG end before its last pixel.

    More data before the end marker change the image only if data were missing. The
    file is decoded twice.
    """
    at = data.rfind(b"\xff\xd9")
    longer = data[:at] + PROBE + data[at:]
    flags = AS_STORED | cv2.IMREAD_COLOR if header.channels == 4 else AS_STORED
    with suppress_native_log():  # libjpeg calls the longer one corrupt
        first, second = (
            cv2.imdecode(np.frombuffer(content, np.uint8), flags)
            for content in (data, longer)
        )
    if first is None or second is None:
        return first is None
    return not np.array_equal(first, second)


def jpeg_problem(data: bytes, header: Header) -> str:
    """What is wrong with the coded data of a JPEG, decoded at an eighth of its size.

    Empty if nothing is. `damage` looks at the structure instead.
    """
    flags = cv2.IMREAD_REDUCED_GRAYSCALE_8 | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        small = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        small = None
    if small is None:
        return "is a JPEG file that OpenCV cannot read; save it again or remove it"
    suspected = int(small[-1, -1]) == GREY or header.channels == 4
    return TRUNCATED if suspected and lacks_data(data, header) else ""
