"""Biases after correction, worked out by hand."""

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from kseg.deploy.int8.bias_correction import (
    ExactOperator,
    constant,
    corrected,
    exact_operators,
    shift_of,
    weighted_operators,
)
from tests.support.tflite import operator, tensor, tflite

KERNEL = np.array([[1.3, 0.6], [-0.2, 0.9]], np.float32).reshape(2, 1, 1, 2)
ROUNDED = np.array([[1, 1], [0, 1]], np.int8).reshape(2, 1, 1, 2)
BIAS = np.array([1, 2], np.float32)
STRIDES = {"strideH": 1, "strideW": 1, "dilationHFactor": 1, "dilationWFactor": 1}
# Two pixels; the means of the channels are 4 and -2, so the rounding moves the outputs
# by (1 - 1.3) * 4 + (1 - 0.6) * -2 = -2 and (0 + 0.2) * 4 + (1 - 0.9) * -2 = 0.6.
IMAGE = np.array([[8, 0], [0, -4]], np.float32).reshape(1, 1, 2, 2)
EXACT = [ExactOperator("CONV_2D", KERNEL, np.array([4.0, -2.0]))]


def convolution(inputs: list[str], output: str) -> dict:
    return operator("CONV_2D", inputs, output, 3, ("Conv2DOptions", STRIDES))


def one_convolution(dtype: str, kernel: dict, bias: dict) -> bytes:
    tensors = {
        "image": tensor(dtype, (1, 1, 2, 2), zero_points=(0,), scale=0.5),
        "kernel": kernel,
        "bias": bias,
        "scores": tensor(dtype, (1, 1, 2, 2), zero_points=(0,)),
    }
    return tflite(tensors, [convolution(["image", "kernel", "bias"], "scores")])


def rounded_kernel() -> dict:
    return tensor("int8", ROUNDED.shape, ROUNDED, zero_points=(0, 0), scale=1.0)


def biases(content: bytes) -> list[list[float]]:
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    return [constant(model, x.bias).tolist() for x in weighted_operators(model)]


def test_means_are_those_of_the_input_of_each_operator():
    kernel, bias = tensor(content=KERNEL, shape=KERNEL.shape), tensor(content=BIAS)
    content = one_convolution("float32", kernel, bias | {"shape": (2,)})
    (found,) = exact_operators(content, [IMAGE, IMAGE + 2, IMAGE - 2])
    assert found.kind == "CONV_2D" and found.means.tolist() == [4, -2]
    assert found.weights.tolist() == KERNEL.tolist()


@pytest.mark.parametrize(("activations", "kind"), [("int8", "i4"), ("int16", "i8")])
def test_integer_biases_move_by_whole_steps(activations, kind):
    """Steps of 0.5 * 1: -(-2) is 4 of them, -0.6 is -1.2, rounded to -1."""
    values = np.array([2, 4], kind)
    bias = tensor(f"int{8 * values.itemsize}", (2,), values, False, (0, 0), 0.5)
    content = one_convolution(activations, rounded_kernel(), bias)
    result = corrected(content, EXACT)
    assert (result.operators, result.missing) == (1, 0)
    assert biases(result.content) == [[6, 3]]
    assert len(result.content) == len(content)


def test_float_biases_move_exactly():
    bias = tensor("float32", (2,), BIAS)
    result = corrected(one_convolution("float32", rounded_kernel(), bias), EXACT)
    assert biases(result.content) == [pytest.approx([3, 1.4])]


def test_a_bias_at_the_end_of_its_range_stays_there():
    values = np.array([2**31 - 2, -(2**31)], np.int32)
    bias = tensor("int32", (2,), values, zero_points=(0, 0), scale=0.5)
    result = corrected(one_convolution("int8", rounded_kernel(), bias), EXACT)
    assert biases(result.content) == [[2**31 - 1, -(2**31)]]


def test_float_operators_of_a_mixed_file_are_not_changed():
    kernel = tensor("float32", KERNEL.shape, KERNEL)
    content = one_convolution("float32", kernel, tensor("float32", (2,), BIAS))
    result = corrected(content, EXACT)
    assert result.operators == 0 and biases(result.content) == [BIAS.tolist()]


def test_operators_that_share_weights_and_bias_get_their_own():
    """A head at two levels: the same kernel, and inputs of other means."""
    tensors = {
        "image": tensor("float32", (1, 1, 2, 2)),
        "kernel": rounded_kernel(),
        "bias": tensor("float32", (2,), BIAS),
        "first": tensor("float32", (1, 1, 2, 2)),
        "second": tensor("float32", (1, 1, 2, 2)),
    }
    content = tflite(
        tensors,
        [
            convolution(["image", "kernel", "bias"], "first"),
            convolution(["first", "kernel", "bias"], "second"),
        ],
    )
    second = ExactOperator("CONV_2D", KERNEL, np.array([0.0, 10.0]))
    result = corrected(content, [*EXACT, second])
    expected = [[3, 1.4], [1 - 0.4 * 10, 2 - 0.1 * 10]]
    assert biases(result.content) == [pytest.approx(each) for each in expected]


def test_an_operator_without_bias_or_counterpart_is_counted():
    tensors = {
        "image": tensor("int8", (1, 1, 2, 2), zero_points=(0,)),
        "kernel": rounded_kernel(),
        "scores": tensor("int8", (1, 1, 2, 2), zero_points=(0,)),
    }
    content = tflite(tensors, [convolution(["image", "kernel"], "scores")])
    assert corrected(content, EXACT).missing == 1
    other = [ExactOperator("CONV_2D", -KERNEL, np.array([4.0, -2.0]))]
    bias = tensor("int32", (2,), np.array([2, 4], np.int32), zero_points=(0, 0))
    content = one_convolution("int8", rounded_kernel(), bias)
    result = corrected(content, other)
    assert (result.operators, result.missing) == (1, 1)
    assert biases(result.content) == [[2, 4]]


def test_a_depthwise_output_sees_its_own_channel():
    """Multiplier 2: outputs 0 and 1 see the mean 10, outputs 2 and 3 the mean 100."""
    error = np.array([[[1, 2, 3, 4], [0, 0, 1, -4]]], float).reshape(1, 1, 2, 4)
    shift = shift_of("DEPTHWISE_CONV_2D", error, np.array([10.0, 100.0]))
    assert shift.tolist() == [10, 20, 400, 0]


def test_a_grouped_output_sees_the_channels_of_its_group():
    error = np.array([[1.0], [2.0]]).reshape(2, 1, 1, 1)
    assert shift_of("CONV_2D", error, np.array([10.0, 100.0])).tolist() == [10, 200]


def test_a_unit_sees_all_inputs():
    error = np.array([[1.0, 2.0], [0.0, -1.0]])
    shift = shift_of("FULLY_CONNECTED", error, np.array([10.0, 100.0]))
    assert shift.tolist() == [210, -100]


def test_an_output_of_a_transposed_convolution_sees_one_tap_of_each_stride():
    """2x2 taps at stride 2: each output pixel has one of the four."""
    error = np.array([1.0, 2.0, 3.0, 6.0]).reshape(1, 2, 2, 1)
    shift = shift_of("TRANSPOSE_CONV", error, np.array([10.0]), (2, 2))
    assert shift.tolist() == [30]
