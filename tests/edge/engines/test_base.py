"""Input conversion and dequantization, with manual results."""

from pathlib import Path

import numpy as np
import pytest

from edge.core.errors import InputError
from edge.engines.base import Output, TensorSpec
from edge.engines.image_input import ImageInput

PATH = Path("x.tflite")


def spec(shape, dtype="uint8", **quantization) -> TensorSpec:
    return TensorSpec("t", shape, np.dtype(dtype), **quantization)


@pytest.mark.parametrize(
    ("dtype", "scale", "values"),
    [
        ("uint8", 0, [0, 127, 255]),
        ("int8", 0, [-128, -1, 127]),
        ("float32", 0, [-1, -1 / 255, 1]),
        ("int16", 1 / 1000, [-1000, -4, 1000]),
    ],
)
def test_uint8_is_converted_to_the_input_type(dtype, scale, values):
    image = np.uint8([[[0], [127], [255]]])
    given = ImageInput(PATH, spec((1, 1, 3, 1), dtype, scale=scale)).encode(image)
    assert (given.shape, given.dtype) == ((1, 1, 3, 1), dtype)
    np.testing.assert_allclose(given.ravel(), values, rtol=1e-6)


def test_quantized_values_are_dequantized():
    values = np.int8([-128, -3, 0, 127])
    exact = spec((1, 4), "int8", scale=0.5, zero_point=-3).dequantize(values)
    assert exact.dtype == np.float32
    np.testing.assert_array_equal(exact, [-62.5, 0, 1.5, 65])


def test_values_without_a_scale_are_unchanged():
    values = np.int64([1, 2])
    assert spec((1, 2), "int64").dequantize(values) is values


def test_rows_of_an_output_are_dequantized():
    output = Output(np.uint8([[10], [20], [30]]), spec((1, 3, 1), scale=0.1))
    np.testing.assert_allclose(output.dequantize(np.array([2, 0])), [[3], [1]], 1e-6)
    np.testing.assert_allclose(output.dequantize(), [[1], [2], [3]], 1e-6)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((1, 4, 64, 64), "its input is [1, 4, 64, 64]"),
        ((2, 64, 64, 3), "its input is [2, 64, 64, 3]"),
        ((1, -1, -1, 3), "no fixed size"),
    ],
)
def test_inputs_that_are_not_an_image(shape, message):
    with pytest.raises(InputError) as error:
        ImageInput(PATH, spec(shape))
    assert str(error.value).startswith("x.tflite: ")
    assert message in str(error.value)


def test_an_unsupported_input_type():
    with pytest.raises(InputError, match="type int64 is not supported"):
        ImageInput(PATH, spec((1, 1, 3, 1), "int64"))
