"""What computes an output: softmax, sigmoid or argmax, and of how many classes.

Shapes alone do not tell probabilities from logits, or how many classes argmax chose
from. The graph inside the file does. It is read without an interpreter.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Dict, Iterator, List, NamedTuple, Optional, Tuple

from edge.model_file.flatbuffer import Flatbuffer
from edge.model_file.onnx_proto import fields, is_onnx, varint

LABELS, PROBABILITIES = "labels", "probabilities"

# Operators that decide what the numbers mean.
MEANINGS = {
    **{"ARG_MAX": LABELS, "ArgMax": LABELS},
    **{"LOGISTIC": PROBABILITIES, "SOFTMAX": PROBABILITIES},
    **{"Sigmoid": PROBABILITIES, "Softmax": PROBABILITIES},
    "HardSigmoid": PROBABILITIES,
}
# Operators that move or store numbers, and keep their meaning.
PASSING = {
    *("RESHAPE", "CAST", "SQUEEZE", "TRANSPOSE", "EXPAND_DIMS", "QUANTIZE"),
    *("DEQUANTIZE", "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR", "STRIDED_SLICE"),
    *("Reshape", "Cast", "Squeeze", "Unsqueeze", "Transpose", "Identity", "Resize"),
    *("Upsample", "QuantizeLinear", "DequantizeLinear", "Flatten"),
}
BUILTIN = {  # of TFLite's schema.fbs
    **{56: "ARG_MAX", 14: "LOGISTIC", 25: "SOFTMAX", 22: "RESHAPE", 53: "CAST"},
    **{43: "SQUEEZE", 39: "TRANSPOSE", 70: "EXPAND_DIMS", 114: "QUANTIZE"},
    **{6: "DEQUANTIZE", 23: "RESIZE_BILINEAR", 97: "RESIZE_NEAREST_NEIGHBOR"},
    45: "STRIDED_SLICE",
}
MOST_STEPS = 64


class Meaning(NamedTuple):
    """What an output holds: "labels", "probabilities" or "" if unknown.

    `classes` is the number of classes that argmax chose from, if the file tells.
    """

    kind: str = ""
    classes: Optional[int] = None


class Node(NamedTuple):
    """An operator by its name, its first input, and that input's shape, if known."""

    name: str
    source: object
    shape: Tuple[int, ...] = ()
    axis: Optional[int] = None


def meanings(path: Path) -> List[Meaning]:
    """The meaning of each output of a model file, in the order of the file.

    Empty for a file whose graph cannot be read.
    """
    try:
        data = path.read_bytes()
        nodes, outputs = onnx_nodes(data) if is_onnx(path) else tflite_nodes(data)
    except (OSError, ValueError, IndexError, struct.error):
        return []
    return [follow(nodes, output) for output in outputs]


def follow(nodes: Dict[object, Node], tensor: object) -> Meaning:
    """Walk from an output back to the operator that gives its numbers their meaning."""
    for _ in range(MOST_STEPS):
        node = nodes.get(tensor)
        if node is None:
            break
        if node.name in MEANINGS:
            kind = MEANINGS[node.name]
            return Meaning(kind, count_of(node) if kind == LABELS else None)
        if node.name not in PASSING:
            break
        tensor = node.source
    return Meaning()


def count_of(node: Node) -> Optional[int]:
    """The classes that argmax chooses from: its input's length along its axis."""
    if len(node.shape) < 2:
        return None
    axis = len(node.shape) - 1 if node.axis is None else node.axis
    if not -len(node.shape) <= axis < len(node.shape):
        return None
    return node.shape[axis] if node.shape[axis] > 1 else None


def tflite_nodes(data: bytes) -> Tuple[Dict[object, Node], List[object]]:
    """Output tensor -> its operator, and the outputs, of a .tflite file."""
    model = Flatbuffer(data)
    root = model.uint32(0)
    codes = [builtin_code(model, at) for at in model.tables(model.child(root, 1))]
    graph = model.tables(model.child(root, 2))[0]
    tensors = model.tables(model.child(graph, 0))
    nodes: Dict[object, Node] = {}
    for at in model.tables(model.child(graph, 3)):
        places = model.table(at)[0]
        code = codes[model.uint32(places[0]) if places and places[0] else 0]
        inputs, outputs = (integers(model, model.child(at, i)) for i in (1, 2))
        if not inputs or not outputs:
            continue
        shape, axis = integers(model, model.child(tensors[inputs[0]], 0)), None
        if len(inputs) > 1:  # of argmax
            axis = constant(model, root, tensors[inputs[1]])
        node = Node(BUILTIN.get(code, ""), inputs[0], tuple(shape), axis)
        nodes.update(dict.fromkeys(outputs, node))
    return nodes, list(integers(model, model.child(graph, 2)))


def builtin_code(model: Flatbuffer, at: int) -> int:
    """An operator's number; old files have it in a byte only."""
    places = model.table(at)[0]
    byte = model.data[places[0]] if places and places[0] else 0
    code = model.uint32(places[3]) if len(places) > 3 and places[3] else 0
    return max(byte, code)


def integers(model: Flatbuffer, at: int) -> Tuple[int, ...]:
    """A vector of int32; empty if `at` is 0."""
    if not at:
        return ()
    return struct.unpack_from(f"<{model.uint32(at)}i", model.data, at + 4)


def constant(model: Flatbuffer, root: int, tensor: int) -> Optional[int]:
    """A constant tensor of one int32 or int64."""
    places = model.table(tensor)[0]
    index = model.uint32(places[2]) if len(places) > 2 and places[2] else 0
    buffers = model.tables(model.child(root, 4))
    content = model.content(model.child(buffers[index], 0)) if index else b""
    if len(content) not in (4, 8):
        return None
    return int.from_bytes(content, "little", signed=True)


def onnx_nodes(data: bytes) -> Tuple[Dict[object, Node], List[object]]:
    """Output name -> its node, and the outputs, of an .onnx file."""
    graph = next((value for number, value in fields(data) if number == 7), b"")
    shapes: Dict[object, Tuple[int, ...]] = {}
    nodes: Dict[object, Node] = {}
    outputs: List[object] = []
    for number, value in fields(graph):
        if number in (12, 13):  # output, value_info
            name, shape = value_info(value)
            shapes[name] = shape
            if number == 12:
                outputs.append(name)
    for number, value in fields(graph):
        if number == 1:
            inputs, made, name, axis = onnx_node(value)
            source = inputs[0] if inputs else b""
            node = Node(name, source, shapes.get(source, ()), axis)
            nodes.update(dict.fromkeys(made, node))
    return nodes, outputs


def onnx_node(message: bytes) -> Tuple[List[bytes], List[bytes], str, int]:
    """Inputs, outputs, operator and axis of a NodeProto; the axis is 0 by default."""
    parts = list(fields(message))
    name = next((value for number, value in parts if number == 4), b"").decode()
    axis = 0
    for number, value in parts:
        if number == 5 and (1, b"axis") in fields(value):
            axis = attribute_integer(value)
    return (
        [value for number, value in parts if number == 1],
        [value for number, value in parts if number == 2],
        name,
        axis,
    )


def attribute_integer(message: bytes) -> int:
    """The field `i` (3) of an AttributeProto, as a signed integer."""
    for number, value in integers_of(message):
        if number == 3:
            return value - (1 << 64) if value >= 1 << 63 else value
    return 0


def integers_of(message: bytes) -> Iterator[Tuple[int, int]]:
    """The varints of a message by field number; other fields are skipped."""
    at = 0
    while at < len(message):
        tag, at = varint(message, at)
        if tag & 7 == 0:
            value, at = varint(message, at)
            yield tag >> 3, value
        elif tag & 7 == 2:
            length, at = varint(message, at)
            at += length
        else:
            at += 8 if tag & 7 == 1 else 4


def value_info(message: bytes) -> Tuple[bytes, Tuple[int, ...]]:
    """Name and shape of a ValueInfoProto; sides without a number are -1."""
    parts = dict(fields(message))
    tensor = dict(fields(parts.get(2, b""))).get(1, b"")  # TypeProto.tensor_type
    shape = dict(fields(tensor)).get(2, b"")  # its TensorShapeProto
    sides = (dict(integers_of(dim)).get(1, -1) for n, dim in fields(shape) if n == 1)
    return parts.get(1, b""), tuple(sides)
