"""The numbers that a network gets, by hand."""

from pathlib import Path

import numpy as np
import pytest

from edge.core.errors import InputError
from edge.engines.base import TensorSpec
from edge.engines.image_input import ASSUMED, GIVEN, OF_FILE, ImageInput, with_size
from edge.model_file.reading import Reading

PATH = Path("x.onnx")
PIXEL = np.uint8([[[0, 51, 255]]])  # 1x1, RGB


def spec(shape=(1, 3, 1, 1), dtype="f4", **quantization) -> TensorSpec:
    return TensorSpec("image", shape, np.dtype(dtype), **quantization)


def numbers(tensor, **given) -> list[float]:
    return ImageInput(PATH, tensor, None, Reading(**given)).encode(PIXEL).tolist()


def test_channels_first_is_seen_from_the_shape():
    image = ImageInput(PATH, spec((1, 3, 4, 6)))
    assert (image.layout, image.size, image.channels) == ("NCHW", (4, 6), 3)
    given = image.encode(np.zeros((4, 6, 3), np.uint8))
    assert given.shape == (1, 3, 4, 6) and given.flags.c_contiguous


def test_a_layout_that_the_shape_leaves_open():
    tensor = spec((1, 3, 8, 3))
    assert ImageInput(PATH, tensor).size == (3, 8)
    given = ImageInput(PATH, tensor, None, Reading(layout="NCHW"))
    assert given.size == (8, 3)


def test_0_to_1_in_both_orders():
    for order, expected in (("RGB", [0, 0.2, 1]), ("BGR", [1, 0.2, 0])):
        found = numbers(spec(), normalize="0..1", order=order)
        np.testing.assert_allclose(np.ravel(found), expected, rtol=1e-6)


def test_imagenet_follows_the_colours_and_numbers_the_channels():
    red, blue = (0 - 123.675) / 58.395, (255 - 103.53) / 57.375
    named = np.ravel(numbers(spec(), normalize="imagenet", order="BGR"))
    np.testing.assert_allclose(named[[0, 2]], [blue, red], rtol=1e-5)
    listed = np.ravel(numbers(spec(), normalize="5,10,10,1,1,1", order="BGR"))
    np.testing.assert_allclose(listed, [250, 41, -10], rtol=1e-5)


def test_what_is_assumed_without_options():
    first, last = ImageInput(PATH, spec()), ImageInput(PATH, spec((1, 1, 1, 3)))
    assert first.describe() == "float32 imagenet"
    assert last.describe() == "float32 -1..1" and last.source == ASSUMED
    first.assume("0..1")
    assert first.describe() == "float32 0..1"


def test_the_file_comes_before_assumptions_and_the_user_before_the_file():
    of_file = ((0.0,), (255.0,))
    image = ImageInput(PATH, spec(), of_file)
    image.assume("-1..1")
    assert (image.source, image.describe()) == (OF_FILE, "float32 0..1")
    given = image.read_as(Reading(normalize="-1..1"))
    assert (given.source, given.describe()) == (GIVEN, "float32 -1..1")


def test_quantized_inputs_are_normalized_only_if_that_is_given():
    # q = (pixel / 255) / 0.01 + 5, at most 255
    tensor = spec((1, 1, 1, 3), "uint8", scale=0.01, zero_point=5)
    assert np.ravel(numbers(tensor)).tolist() == [0, 51, 255]
    assert np.ravel(numbers(tensor, normalize="0..1")).tolist() == [5, 25, 105]


@pytest.mark.parametrize(
    ("tensor", "given", "message"),
    [
        (spec((1, 4, 8, 8)), {}, "its input is [1, 4, 8, 8]"),
        (spec((1, 8, 8)), {}, "its input is [1, 8, 8]"),
        (spec((1, 3, -1, 8)), {}, "no fixed size"),
        (spec((1, 3, 8, 8)), {"layout": "NHWC"}, "would have 8 channels"),
        (spec((1, 1, 8, 8)), {"order": "BGR"}, "no effect on an input of one channel"),
        (spec((1, 1, 8, 8)), {"normalize": "1,2,3,4,5,6"}, "is for 3 channels"),
        (spec((1, 8, 8, 3), "u1"), {"normalize": "0..1"}, "without quantization"),
    ],
)
def test_inputs_and_options_that_do_not_fit(tensor, given, message):
    with pytest.raises(InputError) as error:
        ImageInput(PATH, tensor, None, Reading(**given))
    assert str(error.value).startswith("x.onnx: ") and message in str(error.value)


def test_free_sides_get_a_size():
    free = spec((-1, 3, -1, 640))
    assert with_size(free, "NCHW", (480, 512)).shape == (1, 3, 480, 640)
