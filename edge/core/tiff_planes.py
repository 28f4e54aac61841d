"""TIFF files whose bands are stored one after another, as single bands (TIFF 6.0).

OpenCV reads them as if the bands of a pixel were neighbours, unless they are of 8 bits.
"""

from __future__ import annotations

import struct
from typing import Dict, Iterator, Sequence, Tuple

import numpy as np

from edge.core.tiff_header import SIZES, WHOLE

OFFSETS, COUNTS = (273, 324), (279, 325)  # of strips and tiles, of all bands in turn
ONE = {262: 1, 277: 1, 284: 1}  # tags of a single band: black is 0, 1 band, interleaved
OF_BANDS = (258, 339)  # they have a value for each band
LEFT_OUT = (280, 281, 338, 340, 341)  # values of bands that reading does not need
SHORT = 3

Entry = Tuple[int, int, bytes]  # type, number of values, values


def single_bands(data: bytes, bands: int) -> Iterator[bytes]:
    """The bands of the first page, each as the content of a TIFF file of grey.

    Raises IndexError for a directory that is not inside the file.
    """
    kept = {n: entry for n, entry in directory(data).items() if n not in LEFT_OUT}
    for band in range(bands):
        entries = {n: of_band(n, entry, band, bands, data) for n, entry in kept.items()}
        yield with_directory(data, entries)


def forms(data: bytes) -> Tuple[str, str, str]:
    """The formats of an offset, of a number of entries and of an entry."""
    order = "<" if data[:2] == b"II" else ">"
    if data[2:4] in (b"+\0", b"\0+"):
        return order + "Q", order + "Q", order + "HHQ8s"
    return order + "I", order + "H", order + "HHI4s"


def directory(data: bytes) -> Dict[int, Entry]:
    """The entries of the first page; the values as stored."""
    offset, counted, entry = forms(data)
    wide = struct.calcsize(offset)
    try:
        (at,) = struct.unpack_from(offset, data, 4 if wide == 4 else 8)
        (number,) = struct.unpack_from(counted, data, at)
        at += struct.calcsize(counted)
        found = {}
        for index in range(number):
            place = at + index * struct.calcsize(entry)
            tag, kind, count, value = struct.unpack_from(entry, data, place)
            size = SIZES.get(kind, 1) * count
            if size > wide:
                (begin,) = struct.unpack(offset, value)
                value = data[begin : begin + size]
            found[tag] = kind, count, value[:size]
        return found
    except struct.error:
        raise IndexError("the directory is not inside the file") from None


def whole_numbers(
    data: bytes, tags: Dict[int, Entry], kinds: Sequence[int]
) -> np.ndarray:
    """The values (N,) int64 of the first tag that there is; none without any."""
    for kind, _, values in (tags[number] for number in kinds if number in tags):
        if kind in WHOLE:
            size = WHOLE[kind]
            whole = values[: len(values) // size * size]
            form = f"{forms(data)[0][0]}u{size}"
            return np.frombuffer(whole, form).astype(np.int64)
    return np.zeros(0, np.int64)


def of_band(number: int, entry: Entry, band: int, bands: int, data: bytes) -> Entry:
    """An entry as one band has it."""
    kind, count, values = entry
    if number in ONE:
        return SHORT, 1, struct.pack(forms(data)[0][0] + "H", ONE[number])
    size = SIZES.get(kind, 1)
    if number in OF_BANDS:
        return kind, 1, values[:size]
    if number in OFFSETS + COUNTS:
        count //= bands
        begin = band * count * size
        return kind, count, values[begin : begin + count * size]
    return entry


def with_directory(data: bytes, entries: Dict[int, Entry]) -> bytes:
    """The file with another first page, which is appended."""
    offset, counted, entry = forms(data)
    wide = struct.calcsize(offset)
    start = len(data) + len(data) % 2
    size = len(entries) * struct.calcsize(entry)
    begin = start + struct.calcsize(counted) + size + wide  # of what does not fit in
    table, values = b"", b""
    for number in sorted(entries):
        kind, count, content = entries[number]
        if len(content) > wide:
            place = struct.pack(offset, begin + len(values))
            values += content + b"\0" * (len(content) % 2)
            content = place
        table += struct.pack(entry, number, kind, count, content)
    head = data[: 4 if wide == 4 else 8] + struct.pack(offset, start)
    last = struct.pack(counted, len(entries)) + table + b"\0" * wide
    return head + data[len(head) :] + b"\0" * (len(data) % 2) + last + values
