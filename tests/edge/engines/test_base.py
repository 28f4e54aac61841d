"""Values by hand."""

from pathlib import Path

import numpy as np
import pytest

from edge.core.errors import InputError
from edge.engines.base import Tensor, Tensors

IMAGE = Tensor((1, 2, 3, 3), np.dtype(np.uint8))
PATH = Path("x.tflite")


def of(dtype, shape=(1, 2, 3, 4), **quantization) -> Tensors:
    return Tensors(PATH, IMAGE, [Tensor(shape, np.dtype(dtype), **quantization)])


def taking(dtype, **quantization) -> Tensors:
    image = Tensor((1, 1, 3, 1), np.dtype(dtype), **quantization)
    return Tensors(PATH, image, [Tensor((1, 1, 3), np.dtype(np.uint8))])


@pytest.mark.parametrize(
    ("dtype", "scale", "values"),
    [
        ("uint8", 0, [0, 127, 255]),
        ("int8", 0, [-128, -1, 127]),
        ("float32", 0, [-1, -1 / 255, 1]),
        ("int16", 1 / 1000, [-1000, -4, 1000]),
    ],
)
def test_bytes_become_the_input(dtype, scale, values):
    picture = np.uint8([[[0], [127], [255]]])
    tensors = taking(dtype, scale=scale)
    given = tensors.encode(picture)
    assert (given.shape, given.dtype) == ((1, 1, 3, 1), dtype)
    np.testing.assert_allclose(given.ravel(), values, rtol=1e-6)
    assert tensors.wants_floats == (dtype == "float32")


@pytest.mark.parametrize("dtype", ["uint8", "int32", "int64"])
@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 1)])
def test_integers_without_a_scale_are_labels(dtype, shape):
    ids = np.arange(6, dtype=dtype).reshape(shape)
    labels = of(dtype, (1, *shape)).decode(ids)
    np.testing.assert_array_equal(labels, [[0, 1, 2], [3, 4, 5]])


def test_quantized_scores_are_what_they_stand_for():
    scores = of("int8", scale=0.5, zero_point=-3).decode(
        np.int8([[[-128, -3, 0, 127]] * 3] * 2)
    )
    assert scores.dtype == np.float32
    np.testing.assert_array_equal(scores[1, 2], [-62.5, 0, 1.5, 65])


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 1)])
@pytest.mark.parametrize("quantized", [False, True])
def test_a_sigmoid_channel_is_the_probability_of_class_1(shape, quantized):
    values = np.full(shape, 192, np.uint8) if quantized else np.full(shape, 0.75, "f4")
    scale = {"scale": 1 / 256} if quantized else {}
    scores = of(values.dtype, (1, *shape), **scale).decode(values)
    np.testing.assert_array_equal(scores, np.full((2, 3, 2), [0.25, 0.75]))


def test_of_several_outputs_the_first_map_counts():
    vector = Tensor((1, 1000), np.dtype("f4"))
    words = Tensor((1, 2, 3), np.dtype(object))
    ids = Tensor((1, 2, 3), np.dtype(np.uint8))
    assert Tensors(PATH, IMAGE, [vector, words, ids]).index == 2


@pytest.mark.parametrize(
    ("image", "output", "said"),
    [
        ((1, 3, 64, 64), (1, 64, 64), "takes [1, 3, 64, 64]"),
        ((2, 64, 64, 3), (1, 64, 64), "takes [2, 64, 64, 3]"),
        ((1, -1, -1, 3), (1, 64, 64), "no fixed size"),
        ((1, 64, 64, 3), (1, 1000), "gives [[1, 1000]], no map"),
        ((1, 64, 64, 3), (1, 64, 64, 257), "over 256 classes"),
    ],
)
def test_what_is_no_network_of_maps(image, output, said):
    dtype = np.dtype(np.uint8)
    with pytest.raises(InputError) as refusal:
        Tensors(PATH, Tensor(image, dtype), [Tensor(output, dtype)])
    assert str(refusal.value).startswith("x.tflite: ")
    assert said in str(refusal.value)


def test_a_type_that_no_image_has():
    with pytest.raises(InputError, match="takes int64"):
        taking("int64")
