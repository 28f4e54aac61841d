"""Whether a .tflite file is all there."""

from __future__ import annotations

import struct


def reach(data: bytes) -> int:
    """How far the tables that a TFLite flatbuffer begins with reach: its least size.

    tflite-runtime believes what a file says and crashes where it ends early. Offsets
    are as in flatbuffers.dev/internals, the fields of Model as in TFLite's schema.fbs.
    """

    def whole(at: int) -> int:
        return struct.unpack_from("<I", data, at)[0]

    def table(at: int) -> tuple[list[int], int]:
        """Where its fields are, 0 for one that is not there, and where it ends."""
        places = at - struct.unpack_from("<i", data, at)[0]
        length, size = struct.unpack_from("<HH", data, places)
        offsets = struct.unpack_from(f"<{length // 2 - 2}H", data, places + 4)
        ends = max(at + size, places + length)
        return [offset and at + offset for offset in offsets], ends

    try:
        fields, last = table(whole(0))
        for index, field in enumerate(fields):
            if index == 0 or not field:  # the version
                continue
            vector = field + whole(field)
            count, first = whole(vector), vector + 4
            if index in (3, 5):  # bytes, whole numbers
                last = max(last, first + count * (1 if index == 3 else 4))
                continue
            for at in range(first, first + 4 * count, 4):
                inner, end = table(at + whole(at))
                last = max(last, end)
                if index == 4 and inner and inner[0]:  # the bytes of a buffer
                    at = inner[0] + whole(inner[0])
                    last = max(last, at + 4 + whole(at))
        return last
    except struct.error:
        return len(data) + 1
