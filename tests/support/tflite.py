"""Small .tflite files written with TFLite's schema."""

from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edge.model_file.info import ModelInfo

STATE = "state"  # the content of a tensor that is not constant
CHANNELS = ModelInfo(
    class_names=("red", "green", "blue"),
    colors=((255, 0, 0), (0, 255, 0), (0, 0, 255)),
    head="labels",
)


def tensor(
    dtype: str = "float32",
    shape: tuple[int, ...] = (1, 4, 4, 8),
    content: Any = STATE,
    dynamic: bool = False,
    zero_points: tuple[int, ...] = (),
    scale: float = 1.0,
) -> dict[str, Any]:
    return locals()


def operator(
    name: str,
    inputs: list[str],
    output: str,
    version: int = 1,
    options: tuple[str, dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """An operator; `name` is TFLite's, or that of a custom operator."""
    return locals()


def tflite(
    tensors: dict[str, dict[str, Any]],
    operators: list[dict[str, Any]],
    metadata: dict[str, bytes] | None = None,
) -> bytes:
    """A file whose input is the first tensor and whose output the last."""
    model, graph = schema.ModelT(), schema.SubGraphT()
    model.version, model.subgraphs, model.buffers = 3, [graph], [schema.BufferT()]
    model.operatorCodes, model.metadata = [], []
    names = list(tensors)
    graph.tensors = [tensor_of(model, n, **given) for n, given in tensors.items()]
    graph.operators = [operator_of(model, names, **given) for given in operators]
    graph.inputs, graph.outputs = [0], [len(names) - 1]
    for name, content in (metadata or {}).items():
        entry = schema.MetadataT()
        entry.name, entry.buffer = name, buffer_of(model, content)
        model.metadata.append(entry)
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def buffer_of(model, content: bytes) -> int:
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(content, np.uint8)
    model.buffers.append(buffer)
    return len(model.buffers) - 1


def tensor_of(model, name, dtype, shape, content, dynamic, zero_points, scale):
    result = schema.TensorT()
    result.name, result.shape = name, list(shape)
    result.type = getattr(schema.TensorType, dtype.upper())
    result.shapeSignature = [-1, *shape[1:]] if dynamic else None
    constant = not isinstance(content, str)
    result.buffer = buffer_of(model, np.asarray(content).tobytes()) if constant else 0
    result.quantization = schema.QuantizationParametersT()
    result.quantization.zeroPoint = list(zero_points)
    result.quantization.scale = [scale] * len(zero_points)
    return result


def operator_of(model, names, name, inputs, output, version, options):
    code, result = schema.OperatorCodeT(), schema.OperatorT()
    number = getattr(schema.BuiltinOperator, name, schema.BuiltinOperator.CUSTOM)
    code.builtinCode, code.deprecatedBuiltinCode = number, min(number, 127)
    code.version = version
    code.customCode = name if number == schema.BuiltinOperator.CUSTOM else None
    model.operatorCodes.append(code)
    result.opcodeIndex = len(model.operatorCodes) - 1
    result.inputs, result.outputs = (
        [names.index(n) for n in inputs],
        [names.index(output)],
    )
    if options:
        kind, values = options
        result.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
        result.builtinOptions = getattr(schema, f"{kind}T")()
        vars(result.builtinOptions).update(values)
    return result


def far_scales(ratio: float) -> bytes:
    """One int8 convolution, 8x8 in four classes, whose output's steps are `ratio` times
    as fine as those of its products. XNNPACK takes less than 256.
    """
    ones, zeros = np.ones((4, 1, 1, 3), np.int8), np.zeros(4, np.int32)
    strides = {"strideH": 1, "strideW": 1, "dilationHFactor": 1, "dilationWFactor": 1}
    return tflite(
        {
            "image": tensor("uint8", (1, 8, 8, 3), zero_points=(0,)),
            "centred": tensor("int8", (1, 8, 8, 3), zero_points=(-128,)),
            "kernel": tensor("int8", ones.shape, ones, zero_points=(0,)),
            "bias": tensor("int32", zeros.shape, zeros, zero_points=(0,)),
            "scores": tensor("int8", (1, 8, 8, 4), zero_points=(0,), scale=1 / ratio),
        },
        [
            operator("QUANTIZE", ["image"], "centred"),
            operator(
                *("CONV_2D", ["centred", "kernel", "bias"], "scores", 3),
                ("Conv2DOptions", strides),
            ),
        ],
    )


def largest_channel(size: tuple[int, int]) -> bytes:
    """One operator: labels each pixel of an image of `size` by its largest channel."""
    kind = {"outputType": schema.TensorType.INT32}
    argmax = operator(
        "ARG_MAX", ["image", "axis"], "labels", options=("ArgMaxOptions", kind)
    )
    tensors = {
        "image": tensor("uint8", (1, *size, 3)),
        "axis": tensor("int32", (), np.int32(3)),
        "labels": tensor("int32", (1, *size)),
    }
    return tflite(tensors, [argmax])


def write_largest_channel(folder: Path, size: tuple[int, int]) -> Path:
    """A file of `largest_channel` with the classes of CHANNELS."""
    path = folder / "largest.tflite"
    path.write_bytes(largest_channel(size))
    CHANNELS.attach(path)
    return path
