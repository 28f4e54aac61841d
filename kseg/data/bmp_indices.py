"""The pixels of BMP files with a palette, as the numbers that are stored.

Pillow takes some of these files for black and white, by their palette, and then reads
8 or 4 bits as if they were one. Files with the older header of OS/2 are refused before,
see edge/core/image_header.py.

Reference: https://en.wikipedia.org/wiki/BMP_file_format
"""

from __future__ import annotations

from typing import NamedTuple, Optional

import numpy as np

BITS = (1, 4, 8)
ENTRY = 4  # bytes of a colour: blue, green, red, and one without a meaning


class Indexed(NamedTuple):
    """Indices (H, W) uint8, and the RGB colours (N, 3) uint8 that they stand for."""

    indices: np.ndarray
    colors: np.ndarray


def read_indexed(data: bytes) -> Optional[Indexed]:
    """The pixels of a BMP with a palette; None for any other and for a cut file."""
    if len(data) < 54 or data[:2] != b"BM":
        return None

    def number(at: int, size: int, signed: bool = False) -> int:
        return int.from_bytes(data[at : at + size], "little", signed=signed)

    start, header = number(10, 4), number(14, 4)
    width, height = number(18, 4, True), number(22, 4, True)
    bits, packed = number(28, 2), number(30, 4)
    stride = (width * bits + 31) // 32 * 4
    if bits not in BITS or packed or start + stride * abs(height) > len(data):
        return None
    rows = np.frombuffer(data, np.uint8, stride * abs(height), start)
    indices = unpacked(rows.reshape(abs(height), stride), bits)[:, :width]
    indices = indices if height < 0 else indices[::-1]  # from below, if it is positive
    table = np.frombuffer(data[14 + header : start], np.uint8)
    table = table[: len(table) // ENTRY * ENTRY].reshape(-1, ENTRY)
    return Indexed(np.ascontiguousarray(indices), table[:, 2::-1])


def unpacked(rows: np.ndarray, bits: int) -> np.ndarray:
    """Rows of bytes -> rows of numbers of 1, 4 or 8 bits, the high ones first.

    >>> unpacked(np.array([[0x1F]], np.uint8), 4).tolist()
    [[1, 15]]
    """
    if bits == 1:
        return np.unpackbits(rows, axis=1)
    if bits == 4:
        return np.stack([rows >> 4, rows & 15], 2).reshape(len(rows), -1)
    return rows
