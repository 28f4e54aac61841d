"""Tables of TFLite Metadata, written with the package flatbuffers alone.

Fields are numbered by their position in the schema; see kseg.deploy.tflite_metadata.
"""

from __future__ import annotations

from typing import Any, Callable

import flatbuffers
import numpy as np

Table = dict[int, Any]  # a flatbuffers table: position of a field -> its value

RGB, GRAYSCALE = 1, 2  # ColorSpaceType
AXIS_LABELS, VALUE_LABELS = 2, 3  # AssociatedFileType
FEATURE, IMAGE, BOUNDING_BOX = 1, 2, 3  # ContentProperties
NORMALIZATION = 1  # ProcessUnitOptions
# Type of a number -> the method that writes it into a field.
SLOTS: dict[type, Callable[..., None]] = {
    int: flatbuffers.Builder.PrependInt8Slot,
    bool: flatbuffers.Builder.PrependBoolSlot,
    np.int32: flatbuffers.Builder.PrependInt32Slot,
    np.float32: flatbuffers.Builder.PrependFloat32Slot,
}
SCALARS = tuple(SLOTS)


def image_tensor(channels: int) -> Table:
    """TensorMetadata of the input: uint8, normalized inside the graph."""
    return {
        0: "image",
        1: "Pixels from 0 to 255.",
        3: {0: IMAGE, 1: {0: GRAYSCALE if channels == 1 else RGB}},
        4: [{0: NORMALIZATION, 1: {0: floats(0), 1: floats(1)}}],  # mean, std
        5: {0: floats(255), 1: floats(0)},  # maximum, minimum
    }


def floats(value: float) -> np.ndarray:
    return np.array([value], np.float32)


def packed(root: Table, identifier: bytes) -> bytes:
    """The flatbuffer of a root table."""
    builder = flatbuffers.Builder(1024)
    builder.Finish(put(builder, root), identifier)
    return bytes(builder.Output())


def put(builder: flatbuffers.Builder, value: Any) -> int:
    """Writes a table, a list of them, a string, bytes or floats; returns the offset."""
    if isinstance(value, str):
        return builder.CreateString(value)
    if isinstance(value, bytes):
        builder.Prep(16, len(value))  # the schema's alignment of nested flatbuffers
        return builder.CreateNumpyVector(np.frombuffer(value, np.uint8))
    if isinstance(value, np.ndarray):
        return builder.CreateNumpyVector(value)
    if isinstance(value, list):
        offsets = [put(builder, item) for item in value]
        builder.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            builder.PrependUOffsetTRelative(offset)
        return builder.EndVector()
    return put_table(builder, value)


def put_table(builder: flatbuffers.Builder, table: Table) -> int:
    """Writes a table; values of variable length are written before it.

    The type of a number is that of its field: an int is an enum of one byte, others are
    bool, np.int32 and np.float32. 0 is the default of all of them and takes no space.
    """
    scalars = {k: v for k, v in table.items() if isinstance(v, SCALARS)}
    offsets = {k: put(builder, v) for k, v in table.items() if k not in scalars}
    builder.StartObject(max(table, default=-1) + 1)
    for field, value in table.items():
        if field in offsets:
            builder.PrependUOffsetTRelativeSlot(field, offsets[field], 0)
        else:
            SLOTS[type(value)](builder, field, value, 0)
    return builder.EndObject()
