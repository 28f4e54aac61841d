"""Bias correction: removes the shift that rounded weights add to each output channel.

Nagel, van Baalen, Blankevoort and Welling, "Data-Free Quantization Through Weight
Equalization and Bias Correction" (2019), section 4.2. The rounding errors Wq - W of a
kernel do not add up to 0. Over inputs of mean E[x] they move the output by

    E[y_q] - E[y] = sum over taps and input channels of (Wq - W) * E[x],

which is subtracted from the bias. E[x] is measured in the float file on images: the
paper's estimate without data needs a batch norm before each layer. The shift is that of
pixels whose taps are all inside the image. At a border, taps on the zeros of the
padding add nothing, and there the correction is too large by their part.
"""

from __future__ import annotations

import copy
from collections import Counter
from dataclasses import dataclass
from typing import Any, Iterable, Iterator, NamedTuple, Optional, Sequence

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edge.core.system import usable_cores
from kseg.deploy.lint.graph import listed, names_of

# Operator -> positions of input, weights and bias among its inputs.
POSITIONS = {
    "CONV_2D": (0, 1, 2),
    "DEPTHWISE_CONV_2D": (0, 1, 2),
    "FULLY_CONNECTED": (0, 1, 2),
    "TRANSPOSE_CONV": (2, 1, 3),  # the first is the shape of the output
}
NAMES = names_of(schema.BuiltinOperator)
INT8 = schema.TensorType.INT8
DTYPES = {
    schema.TensorType.FLOAT32: np.dtype("<f4"),
    INT8: np.dtype("<i1"),
    schema.TensorType.INT32: np.dtype("<i4"),
    schema.TensorType.INT64: np.dtype("<i8"),
}
MOST_ERROR = 0.5  # relative, of weights that were rounded; others are of another layer


@dataclass(frozen=True, eq=False)
class ExactOperator:
    """An operator of the float file: its weights, and the mean of each input channel.

    Weights are as TFLite stores them: (out, h, w, in) for convolutions, also transposed
    ones, (1, h, w, out) for depthwise ones, and (out, in) for FULLY_CONNECTED.
    """

    kind: str
    weights: np.ndarray
    means: np.ndarray


@dataclass(frozen=True)
class Correction:
    """A corrected file, and the number of its operators of rounded weights.

    `missing` of them were not corrected: they have no bias, or the float file has no
    such weights.
    """

    content: bytes
    operators: int
    missing: int


class Weighted(NamedTuple):
    """An operator with weights, and the indices of its tensors; bias is -1 for none."""

    operator: Any
    kind: str
    input: int
    weights: int
    bias: int


def exact_operators(
    content: bytes, inputs: Iterable[np.ndarray]
) -> list[ExactOperator]:
    """The operators of a float .tflite file, with the means of their inputs.

    `inputs` are arrays of the shape and type of the file's only input.
    """
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    found = list(weighted_operators(model))
    means = channel_means(content, {each.input for each in found}, inputs)
    return [
        ExactOperator(each.kind, constant(model, each.weights), means[each.input])
        for each in found
    ]


def corrected(content: bytes, exact: Sequence[ExactOperator]) -> Correction:
    """The quantized .tflite file with corrected biases.

    Operators are matched to those of the float file by their weights. Biases keep
    their type and scale; one that several operators share is copied. Without `exact`,
    nothing changes.
    """
    if not exact:
        return Correction(content, 0, 0)
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    left, operators, missing = list(exact), 0, 0
    for each in list(weighted_operators(model)):
        weights = dequantized(model, each.weights)
        match = take_match(each.kind, weights, left)
        if tensor_of(model, each.weights).type != INT8:
            continue
        operators += 1
        if match is None or each.bias < 0:
            missing += 1
            continue
        error = weights - match.weights
        shift = shift_of(each.kind, error, match.means, strides_of(each.operator))
        add_to_bias(model, each, -shift)
    builder = flatbuffers.Builder(len(content) + 4096)
    builder.Finish(model.Pack(builder), b"TFL3")
    return Correction(bytes(builder.Output()), operators, missing)


def shift_of(
    kind: str, error: np.ndarray, means: np.ndarray, strides: tuple[int, int] = (1, 1)
) -> np.ndarray:
    """The mean shift of each output channel, (out,), by an error of the weights.

    `error` has the layout of the weights, `means` is (in,). A depthwise convolution of
    multiplier m has m outputs for each input; a grouped one, m groups of inputs. An
    output of a transposed convolution sees one tap of `strides` in each direction.

    >>> error = np.array([[[[0.5, 0.25]]], [[[0.0, -1.0]]]])
    >>> shift_of("CONV_2D", error, np.array([2.0, 4.0])).tolist()
    [2.0, -4.0]
    """
    taps = error.sum(axis=tuple(range(1, error.ndim - 1)))  # (out, in), or (1, out)
    if kind == "DEPTHWISE_CONV_2D":
        return taps[0] * np.repeat(means, taps.size // means.size)
    outputs, channels = taps.shape
    groups = means.reshape(-1, channels)
    by_output = np.repeat(groups, outputs // len(groups), axis=0)
    shift = (taps * by_output).sum(axis=1)
    return shift / (strides[0] * strides[1] if kind == "TRANSPOSE_CONV" else 1)


def strides_of(operator: Any) -> tuple[int, int]:
    """The strides of a convolution; those of others are 1."""
    options = operator.builtinOptions
    return getattr(options, "strideH", 1), getattr(options, "strideW", 1)


def take_match(
    kind: str, weights: np.ndarray, left: list[ExactOperator]
) -> Optional[ExactOperator]:
    """Removes the operator of these weights from `left` and returns it, else None.

    Operators that share weights have the same order in both files.
    """
    errors = {
        index: float(np.linalg.norm(weights - each.weights))
        for index, each in enumerate(left)
        if each.kind == kind and each.weights.shape == weights.shape
    }
    best = min(errors, key=errors.__getitem__, default=None)
    if best is None:
        return None
    if errors[best] > MOST_ERROR * np.linalg.norm(left[best].weights):
        return None
    return left.pop(best)


def add_to_bias(model: Any, each: Weighted, change: np.ndarray) -> None:
    """Adds a change (out,), in the units of the output, to the bias of an operator."""
    tensors, buffers = model.subgraphs[0].tensors, model.buffers
    tensor = tensors[each.bias]
    before = constant(model, each.bias)
    if np.issubdtype(before.dtype, np.integer):
        steps = np.rint(change / scales_of(tensor)) + before
        limits = np.iinfo(before.dtype)
        after = np.clip(steps, limits.min, limits.max).astype(before.dtype)
    else:
        after = (before + change).astype(before.dtype)
    if uses(model)[each.bias] > 1:
        tensor, inputs = copy.copy(tensor), np.array(each.operator.inputs)
        inputs[POSITIONS[each.kind][2]] = len(tensors)
        each.operator.inputs = inputs
        tensors.append(tensor)
    if sum(other.buffer == tensor.buffer for other in tensors) > 1:
        tensor.buffer = len(buffers)
        buffers.append(schema.BufferT())
    buffers[tensor.buffer].data = np.frombuffer(after.tobytes(), np.uint8)


def uses(model: Any) -> Counter[int]:
    """How many operators read each tensor."""
    return Counter(
        int(index)
        for operator in model.subgraphs[0].operators
        for index in set(listed(operator.inputs))
    )


def weighted_operators(model: Any) -> Iterator[Weighted]:
    """The operators of constant weights, in the order of the file.

    Weights behind a DEQUANTIZE are those that it reads.
    """
    graph = model.subgraphs[0]
    stored = {}
    for operator in graph.operators:
        code = model.operatorCodes[operator.opcodeIndex]
        kind = NAMES.get(max(code.builtinCode, code.deprecatedBuiltinCode), "")
        inputs = [int(index) for index in listed(operator.inputs)]
        if kind == "DEQUANTIZE":
            stored[int(operator.outputs[0])] = inputs[0]
        if kind not in POSITIONS:
            continue
        source, weights, bias = (
            inputs[place] if place < len(inputs) else -1 for place in POSITIONS[kind]
        )
        weights = stored.get(weights, weights)
        tensor = tensor_of(model, weights)
        if tensor.type in DTYPES and model.buffers[tensor.buffer].data is not None:
            yield Weighted(operator, kind, source, weights, bias)


def tensor_of(model: Any, index: int) -> Any:
    return model.subgraphs[0].tensors[index]


def constant(model: Any, index: int) -> np.ndarray:
    """The values that a constant tensor stores."""
    tensor = tensor_of(model, index)
    data = np.asarray(model.buffers[tensor.buffer].data, np.uint8)
    return data.view(DTYPES[tensor.type]).reshape([int(x) for x in tensor.shape])


def scales_of(tensor: Any) -> np.ndarray:
    """The scales of a quantized tensor: one, or one for each channel."""
    return np.asarray(tensor.quantization.scale, np.float64)


def dequantized(model: Any, index: int) -> np.ndarray:
    """The weights that a quantized tensor means; those of a float one as they are.

    The zero point of int8 weights is 0.
    """
    tensor, values = tensor_of(model, index), constant(model, index)
    if tensor.type != INT8:
        return values
    scales = scales_of(tensor)
    shape = [1] * values.ndim
    if scales.size > 1:
        shape[tensor.quantization.quantizedDimension] = scales.size
    return values * scales.reshape(shape)


def channel_means(
    content: bytes, indices: set[int], inputs: Iterable[np.ndarray]
) -> dict[int, np.ndarray]:
    """The mean of each channel of these tensors of a float file, over `inputs`."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        model_content=content,
        num_threads=usable_cores(),
        experimental_preserve_all_tensors=True,
        # XNNPACK would not keep what is inside of its part of the graph.
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    interpreter.allocate_tensors()
    (given,) = interpreter.get_input_details()
    totals: dict[int, Any] = dict.fromkeys(indices, 0.0)
    count = 0
    for value in inputs:
        interpreter.set_tensor(given["index"], value)
        interpreter.invoke()
        count += 1
        for index in indices:
            found = interpreter.get_tensor(index)
            axes = tuple(range(found.ndim - 1))
            totals[index] = totals[index] + found.mean(axes, dtype=np.float64)
    return {index: total / count for index, total in totals.items()}
