"""Reading an .onnx file's metadata without ONNX Runtime or onnx.

An .onnx file is one protobuf message, ModelProto of onnx.proto, encoded as described at
protobuf.dev/programming-guides/encoding. Only its outermost fields are read, which is
fast and finds truncated files before a library loads them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Iterator

GRAPH, METADATA_PROPS = 7, 14  # fields of ModelProto
KEY, VALUE = 1, 2  # fields of StringStringEntryProto
VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5  # wire types


def is_onnx(path: Path) -> bool:
    """Whether a model file is one by its suffix, in capitals too.

    >>> is_onnx(Path("MODEL.ONNX")), is_onnx(Path("model.tflite"))
    (True, False)
    """
    return path.suffix.lower() == ".onnx"


def metadata_props(data: bytes) -> dict[str, str]:
    """The `metadata_props` of an .onnx file. Raises ValueError for other data."""
    found, has_graph = {}, False
    for number, value in fields(data):
        has_graph = has_graph or number == GRAPH
        if number == METADATA_PROPS:
            pair = dict(fields(value))
            found[pair.get(KEY, b"").decode()] = pair.get(VALUE, b"").decode()
    if not has_graph:
        raise ValueError("it has no graph")
    return found


def fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """The fields of a message: numbers, and the bytes of length-delimited fields.

    >>> list(fields(bytes([0x08, 0x96, 0x01, 0x12, 0x02]) + b"hi"))
    [(1, b''), (2, b'hi')]
    """
    at = 0
    while at < len(message):
        tag, at = varint(message, at)
        kind, value = tag & 7, b""
        if kind == VARINT:
            _, at = varint(message, at)
        elif kind == LENGTH:
            length, at = varint(message, at)
            value = message[at : at + length]
            at += length
        elif kind in (FIXED64, FIXED32):
            at += 8 if kind == FIXED64 else 4
        else:
            raise ValueError(f"byte {at} is not a protobuf field")
        if at > len(message):
            raise ValueError("it is truncated")
        yield tag >> 3, value


def varint(message: bytes, at: int) -> tuple[int, int]:
    """Decode a varint: its value, and the position after it.

    >>> varint(bytes([0x96, 0x01]), 0)
    (150, 2)
    """
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            raise ValueError("it is truncated")
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return value, at
    raise ValueError(f"byte {at} is not a protobuf varint")
