"""What a .tflite says in its flatbuffer, read with `struct` alone.

Offsets are as in flatbuffers.dev/internals; fields go by their place in TFLite's
schema.fbs and, for the metadata inside, in metadata_schema.fbs.
"""

from __future__ import annotations

import struct
from typing import List, Optional, Tuple

METADATA = b"TFLITE_METADATA"
Normalization = Tuple[Tuple[float, ...], Tuple[float, ...]]  # of all channels, or each
NORMALIZATION = 1  # among the options of a process unit


class Flatbuffer:
    """Bytes and where things are in them; struct.error where they end early."""

    def __init__(self, data: bytes):
        self.data = data

    def whole(self, at: int) -> int:
        return struct.unpack_from("<I", self.data, at)[0]

    def follow(self, at: int) -> int:
        """Where the offset kept at `at` leads to."""
        return at + self.whole(at)

    def table(self, at: int) -> Tuple[List[int], int]:
        """Where its fields are, 0 for one that is not there, and where it ends."""
        places = at - struct.unpack_from("<i", self.data, at)[0]
        length, size = struct.unpack_from("<HH", self.data, places)
        offsets = struct.unpack_from(f"<{length // 2 - 2}H", self.data, places + 4)
        ends = max(at + size, places + length)
        return [offset and at + offset for offset in offsets], ends

    def child(self, at: int, *places: int) -> int:
        """What a table's field leads to, that table's field, and so on; 0 for none."""
        for place in places:
            fields = self.table(at)[0]
            if place >= len(fields) or not fields[place]:
                return 0
            at = self.follow(fields[place])
        return at

    def tables(self, at: int) -> List[int]:
        """Where the tables of a vector are; none of 0, which is no vector."""
        count = self.whole(at) if at else 0
        return [self.follow(at + 4 + 4 * index) for index in range(count)]

    def content(self, at: int) -> bytes:
        """The bytes or characters of a vector; none of 0."""
        return self.data[at + 4 : at + 4 + self.whole(at)] if at else b""

    def floats(self, at: int) -> Tuple[float, ...]:
        return (
            struct.unpack_from(f"<{self.whole(at)}f", self.data, at + 4) if at else ()
        )


def reach(data: bytes) -> int:
    """How far the tables that a TFLite flatbuffer begins with reach: its least size.

    tflite-runtime believes what a file says and crashes where it ends early.
    """
    buffer = Flatbuffer(data)
    try:
        fields, last = buffer.table(buffer.whole(0))
        for index, field in enumerate(fields):
            if index == 0 or not field:  # the version
                continue
            vector = buffer.follow(field)
            if index in (3, 5):  # bytes, whole numbers
                count = buffer.whole(vector)
                last = max(last, vector + 4 + count * (1 if index == 3 else 4))
                continue
            for at in buffer.tables(vector):
                inner, end = buffer.table(at)
                last = max(last, end)
                if index == 4 and inner and inner[0]:  # the bytes of a buffer
                    at = buffer.follow(inner[0])
                    last = max(last, at + 4 + buffer.whole(at))
        return last
    except struct.error:
        return len(data) + 1


def normalization(data: bytes) -> Optional[Normalization]:
    """What TFLite Metadata say of the input: it wants (pixel - mean) / deviation.

    None for a model without them.
    """
    try:
        inside = Flatbuffer(standard_metadata(data))
        if inside.data[4:8] != b"M001":
            return None
        graph = inside.tables(inside.child(inside.whole(0), 3))[0]
        image = inside.tables(inside.child(graph, 2))[0]
        for unit in inside.tables(inside.child(image, 4)):
            kind = inside.table(unit)[0][0]
            if kind and inside.data[kind] == NORMALIZATION:
                mean = inside.floats(inside.child(unit, 1, 0))
                deviation = inside.floats(inside.child(unit, 1, 1))
                return (mean, deviation) if mean and all(deviation) else None
    except (struct.error, IndexError):
        pass  # such metadata are as good as none
    return None


def standard_metadata(data: bytes) -> bytes:
    """The TFLite Metadata inside a model, a flatbuffer of their own; b"" for none."""
    model = Flatbuffer(data)
    root = model.whole(0)
    buffers = model.tables(model.child(root, 4))
    for entry in model.tables(model.child(root, 6)):
        fields = model.table(entry)[0]
        if model.content(model.child(entry, 0)) == METADATA:
            index = model.whole(fields[1]) if len(fields) > 1 and fields[1] else 0
            return model.content(model.child(buffers[index], 0))
    return b""
