"""Reading a .tflite file's flatbuffer with `struct` alone.

The encoding is described at flatbuffers.dev/internals. Fields are numbered by their
position in TFLite's schema.fbs and, for TFLite Metadata, in metadata_schema.fbs.
"""

from __future__ import annotations

import struct
from typing import List, Optional, Tuple

METADATA = b"TFLITE_METADATA"
# (means, deviations): one value for all channels, or one per channel.
Normalization = Tuple[Tuple[float, ...], Tuple[float, ...]]
NORMALIZATION = 1  # of ProcessUnitOptions


class Flatbuffer:
    """A reader of flatbuffer bytes; raises struct.error if they are truncated."""

    def __init__(self, data: bytes):
        self.data = data

    def uint32(self, at: int) -> int:
        return struct.unpack_from("<I", self.data, at)[0]

    def follow(self, at: int) -> int:
        """The position that the offset stored at `at` points to."""
        return at + self.uint32(at)

    def table(self, at: int) -> Tuple[List[int], int]:
        """The positions of a table's fields, 0 for absent ones, and the table's end."""
        vtable = at - struct.unpack_from("<i", self.data, at)[0]
        length, size = struct.unpack_from("<HH", self.data, vtable)
        offsets = struct.unpack_from(f"<{length // 2 - 2}H", self.data, vtable + 4)
        end = max(at + size, vtable + length)
        return [offset and at + offset for offset in offsets], end

    def child(self, at: int, *path: int) -> int:
        """Follow a path of field numbers from a table; 0 if a field is absent."""
        for index in path:
            fields = self.table(at)[0]
            if index >= len(fields) or not fields[index]:
                return 0
            at = self.follow(fields[index])
        return at

    def tables(self, at: int) -> List[int]:
        """The positions of the tables of a vector; empty if `at` is 0."""
        count = self.uint32(at) if at else 0
        return [self.follow(at + 4 + 4 * index) for index in range(count)]

    def content(self, at: int) -> bytes:
        """The bytes of a vector or string; empty if `at` is 0."""
        return self.data[at + 4 : at + 4 + self.uint32(at)] if at else b""

    def floats(self, at: int) -> Tuple[float, ...]:
        return (
            struct.unpack_from(f"<{self.uint32(at)}f", self.data, at + 4) if at else ()
        )


def required_size(data: bytes) -> int:
    """The number of bytes that a TFLite flatbuffer needs by its own offsets.

    tflite-runtime does not check offsets and crashes on a truncated file.
    """
    buffer = Flatbuffer(data)
    try:
        fields, last = buffer.table(buffer.uint32(0))
        for index, field in enumerate(fields):
            if index == 0 or not field:  # the version
                continue
            vector = buffer.follow(field)
            if index in (3, 5):  # bytes, uint32
                count = buffer.uint32(vector)
                last = max(last, vector + 4 + count * (1 if index == 3 else 4))
                continue
            for at in buffer.tables(vector):
                inner, end = buffer.table(at)
                last = max(last, end)
                if index == 4 and inner and inner[0]:  # the data of a buffer
                    at = buffer.follow(inner[0])
                    last = max(last, at + 4 + buffer.uint32(at))
        return last
    except struct.error:
        return len(data) + 1


def normalization(data: bytes) -> Optional[Normalization]:
    """The input normalization of TFLite Metadata, (pixel - mean) / deviation.

    None for a model without it.
    """
    try:
        inside = Flatbuffer(standard_metadata(data))
        if inside.data[4:8] != b"M001":
            return None
        graph = inside.tables(inside.child(inside.uint32(0), 3))[0]
        image = inside.tables(inside.child(graph, 2))[0]
        for unit in inside.tables(inside.child(image, 4)):
            kind = inside.table(unit)[0][0]
            if kind and inside.data[kind] == NORMALIZATION:
                mean = inside.floats(inside.child(unit, 1, 0))
                deviation = inside.floats(inside.child(unit, 1, 1))
                return (mean, deviation) if mean and all(deviation) else None
    except (struct.error, IndexError):
        pass  # invalid metadata are ignored
    return None


def standard_metadata(data: bytes) -> bytes:
    """The TFLite Metadata buffer of a model, itself a flatbuffer; b"" if absent."""
    model = Flatbuffer(data)
    root = model.uint32(0)
    buffers = model.tables(model.child(root, 4))
    for entry in model.tables(model.child(root, 6)):
        fields = model.table(entry)[0]
        if model.content(model.child(entry, 0)) == METADATA:
            index = model.uint32(fields[1]) if len(fields) > 1 and fields[1] else 0
            return model.content(model.child(buffers[index], 0))
    return b""
