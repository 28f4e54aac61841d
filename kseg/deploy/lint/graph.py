"""The operators and tensors of a .tflite file, read from its flatbuffer."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional, Sequence

from edge.core.errors import InputError
from edge.engines.base import one_line
from edge.engines.tflite import read_tflite

DAMAGE = (struct.error, IndexError, TypeError, ValueError, AttributeError)

FLOATS = frozenset(("float16", "float32", "float64", "bfloat16"))
BYTES = frozenset(("int8", "uint8"))
QUANTIZED = BYTES | {"int16"}
CONVOLUTIONS = frozenset(
    ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED")
)
CONVERSIONS = frozenset(("QUANTIZE", "DEQUANTIZE"))
FUSING = CONVOLUTIONS | {"ADD", "MUL", "SUB"}  # can have a fused ReLU


@dataclass(eq=False)
class Tensor:
    """One tensor.

    `producer` is the operator that computes it, None for inputs and weights;
    `consumers` are the operators that read it.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    dynamic: bool
    constant: bool
    zero_points: tuple[int, ...]
    scales: tuple[float, ...] = ()
    producer: Optional[Operator] = None
    consumers: list[Operator] = field(default_factory=list)


@dataclass(eq=False)
class Operator:
    """One operator. `options` are those of TFLite's schema; None without options."""

    name: str
    version: int
    custom: bool
    inputs: list[Tensor]
    outputs: list[Tensor]
    options: Any

    @property
    def tensors(self) -> list[Tensor]:
        return [*self.inputs, *self.outputs]

    @property
    def activations(self) -> list[Tensor]:
        """The inputs and outputs that are not constant."""
        return [tensor for tensor in self.tensors if not tensor.constant]

    def option(self, name: str, default: Any = 0) -> Any:
        return getattr(self.options, name, default)


@dataclass(frozen=True)
class Graph:
    """A graph of operators; `integer` if its convolutions are quantized."""

    operators: list[Operator]
    inputs: list[Tensor]
    outputs: list[Tensor]

    @property
    def integer(self) -> bool:
        return any(
            tensor.dtype in QUANTIZED
            for operator in self.operators
            if operator.name in CONVOLUTIONS
            for tensor in operator.inputs
            if not tensor.constant
        )


def read_graphs(path: Path) -> list[Graph]:
    """The graphs of a .tflite file. Raises InputError if it cannot be read."""
    from ai_edge_litert import schema_py_generated as schema

    data = read_tflite(path)
    try:
        model = schema.ModelT.InitFromPackedBuf(data, 0)
        return [graph_of(model, graph, schema) for graph in model.subgraphs]
    except DAMAGE as error:
        raise InputError(
            f"{path}: damaged file ({one_line(error)}); export it again"
        ) from None


def graph_of(model: Any, graph: Any, schema: Any) -> Graph:
    """Converts a graph of TFLite's schema to operators linked by their tensors."""
    types, builtins = names_of(schema.TensorType), names_of(schema.BuiltinOperator)
    tensors = [tensor_of(tensor, model.buffers, types) for tensor in graph.tensors]
    operators = []
    for item in listed(graph.operators):
        code = model.operatorCodes[item.opcodeIndex]
        # Old files have only the deprecated field.
        number = max(code.builtinCode, code.deprecatedBuiltinCode)
        custom = number == schema.BuiltinOperator.CUSTOM
        name = (
            text(code.customCode) if custom else builtins.get(number, f"no. {number}")
        )
        operator = Operator(
            name,
            code.version,
            custom,
            [tensors[index] for index in listed(item.inputs) if index >= 0],
            [tensors[index] for index in listed(item.outputs)],
            item.builtinOptions,
        )
        for tensor in operator.outputs:
            tensor.producer = operator
        for tensor in operator.inputs:
            tensor.consumers.append(operator)
        operators.append(operator)
    inputs, outputs = (
        [tensors[i] for i in listed(ends)] for ends in (graph.inputs, graph.outputs)
    )
    return Graph(operators, inputs, outputs)


def tensor_of(tensor: Any, buffers: Sequence[Any], types: dict[int, str]) -> Tensor:
    quantization = tensor.quantization
    zero_points = quantization.zeroPoint if quantization is not None else None
    scales = quantization.scale if quantization is not None else None
    signature = listed(tensor.shapeSignature)
    buffer = buffers[tensor.buffer]
    return Tensor(
        name=text(tensor.name),
        dtype=types.get(tensor.type, f"type {tensor.type}").lower(),
        shape=tuple(int(side) for side in listed(tensor.shape)),
        dynamic=any(side < 0 for side in signature),
        constant=buffer.data is not None or buffer.offset > 1,
        zero_points=tuple(int(point) for point in listed(zero_points)),
        scales=tuple(float(scale) for scale in listed(scales)),
    )


def names_of(enum: type) -> dict[int, str]:
    return {v: k for k, v in vars(enum).items() if isinstance(v, int)}


def listed(values: Any) -> Any:
    """A vector of the schema; the schema has None for an absent one."""
    return [] if values is None else values


def text(name: Optional[bytes]) -> str:
    return (name or b"").decode(errors="replace")
