"""Receptive fields by hand, from publications, and measured with impulses."""

from fractions import Fraction

import keras
import numpy as np
import pytest
from keras import layers

from kseg.models import build_model
from kseg.models.analysis.graph import trace
from kseg.models.analysis.receptive_field import (
    Field,
    field_of,
    receptive_field,
    strides,
)
from kseg.models.layers.sizes import CropLike, PadToMultiple
from kseg.models.layers.upsampling import Enlarge, MaxUnpool

SIZE = (48, 32)


def chain(*stack):
    x = image = keras.Input((None, None, 1))
    for layer in stack:
        x = layer(x)
    return keras.Model(image, x)


def conv(kernel=3, **options):
    return layers.Conv2D(1, kernel, **{"padding": "same", **options})


def traced(model, size=SIZE):
    graph = trace(model, size)
    return graph, graph.outputs[0]


# --- each rule by hand: the field of the last layer, and its stride ---

HALF = layers.MaxPooling2D  # HALF(2): 2x2 pooling, stride 2
RULES = {
    "one 3x3": ([conv()], 3, 1),
    "two 3x3": ([conv(), conv()], 5, 1),
    "1x1": ([conv(), conv(1)], 3, 1),
    "valid": ([conv(padding="valid"), conv(5, padding="valid")], 7, 1),
    "dilated": ([conv(dilation_rate=4)], 9, 1),  # 1 + 4 * 2
    "strided": ([conv(strides=2), conv()], 7, 2),  # 3 + 2 * 2
    "pooled": ([HALF(2), conv(), HALF(2), conv()], 16, 4),  # 2 + 4 + 2 + 8
    "pooled 3x3": ([HALF(3, 2, padding="same"), conv()], 7, 2),
    "averaged": ([layers.AveragePooling2D(4), conv()], 12, 4),  # 4 + 2 * 4
    "depthwise": ([layers.DepthwiseConv2D(5, padding="same"), conv()], 7, 1),
    "separable": ([layers.SeparableConv2D(1, 5, padding="same"), conv()], 7, 1),
    "padded": ([layers.ZeroPadding2D(3), conv(7, padding="valid")], 7, 1),
    "cropped": ([layers.Cropping2D(2), conv(padding="valid")], 3, 1),
    "pointwise": ([conv(), layers.BatchNormalization(), layers.ReLU()], 3, 1),
    "to a multiple": ([PadToMultiple(7), conv()], 3, 1),
    # After 2x2 pooling, stride 2 and field 2: nearest adds nothing, bilinear one more
    # cell of 2, a transposed convolution of kernel 4 and stride 2 also uses two cells.
    "nearest": ([HALF(2), Enlarge(2, "nearest")], 2, 1),
    "bilinear": ([HALF(2), Enlarge(2)], 4, 1),
    "bilinear x3": ([HALF(3), Enlarge(3)], 6, 1),
    "keras nearest": ([HALF(2), layers.UpSampling2D(2)], 2, 1),
    "keras bilinear": (
        [HALF(2), layers.UpSampling2D(2, interpolation="bilinear")],
        4,
        1,
    ),
    "transposed 4/2": (
        [HALF(2), layers.Conv2DTranspose(1, 4, 2, padding="same")],
        4,
        1,
    ),
    "transposed 2/2": ([HALF(2), layers.Conv2DTranspose(1, 2, 2)], 2, 1),
    "transposed 3/2": (
        [HALF(2), layers.Conv2DTranspose(1, 3, 2, padding="same")],
        4,
        1,
    ),
    # A kernel of 3 covers two cells of 4 pixels at a border, one elsewhere.
    "convolved nearest": ([HALF(4), Enlarge(4, "nearest"), conv()], 8, 1),
}
each_rule = pytest.mark.parametrize("name", RULES)


@each_rule
def test_each_rule_by_hand(name):
    stack, extent, stride = RULES[name]
    graph, output = traced(chain(*stack))
    assert receptive_field(graph, output) == Field(extent, extent)
    assert strides(graph)[output] == (stride, stride)


def test_each_axis_has_its_own_field():
    stack = [conv((3, 5)), layers.MaxPooling2D((1, 2)), conv((1, 3), strides=(2, 1))]
    graph, output = traced(chain(*stack))
    assert receptive_field(graph, output) == Field(3, 5 + 1 + 4)
    assert strides(graph)[output] == (2, 2)


def test_upsampling_beyond_the_image_size():
    graph, output = traced(chain(Enlarge(2, "nearest"), conv()))
    assert strides(graph)[output] == (Fraction(1, 2), Fraction(1, 2))
    assert receptive_field(graph, output) == Field(2, 2)


def test_the_larger_of_two_branches_is_used():
    image = keras.Input((None, None, 1))
    model = keras.Model(image, layers.Add()([conv(3)(image), conv(7)(image)]))
    assert receptive_field(*traced(model)) == Field(7, 7)


def test_branches_with_different_centres():
    """A crop shifts one branch by 2: 3 pixels from -1 and 3 from +1 on are 5."""
    image = keras.Input((None, None, 1))
    a = layers.Cropping2D(((0, 4), (0, 4)))(conv()(image))
    b = layers.Cropping2D(((2, 2), (2, 2)))(conv()(image))
    assert (
        receptive_field(*traced(keras.Model(image, layers.Add()([a, b])))).height == 5
    )


def test_pooling_over_the_whole_image_is_reported():
    """Squeeze-and-excite: a weight for each channel from all pixels."""
    image = keras.Input((None, None, 1))
    x = HALF(2)(conv()(image))
    squeezed = layers.GlobalAveragePooling2D(keepdims=True)(x)
    model = keras.Model(image, layers.Multiply()([x, conv(1)(squeezed)]))
    graph, output = traced(model)
    assert receptive_field(graph, output) == Field(4, 4, whole=True)
    assert strides(graph)[output] == (2, 2)
    before = graph.steps[1].outputs[0]
    assert not receptive_field(graph, before).whole


def test_vector_has_only_the_whole_image():
    image = keras.Input((*SIZE, 1))
    model = keras.Model(image, layers.Dense(2)(layers.Flatten()(conv()(image))))
    assert receptive_field(*traced(model)) == Field(0, 0, whole=True)


# --- by impulses: positive weights, one row of the image changed at a time ---


def positive(model):
    """Sets positive weights, so that all paths contribute and none cancel."""
    for weight in model.weights:
        if len(weight.shape) > 1:
            weight.assign(np.full(weight.shape, 1 / np.prod(weight.shape[:-1])))
    return model


def rows_that_change(model, size, neutral, noise, batch=32):
    """(rows of the image, rows of the output) bool: whether one affects the other."""
    shape = (1, *size, model.inputs[0].shape[-1])
    image = neutral + np.zeros(shape, np.float32)
    reference = np.asarray(model(image, training=False))
    changed = []
    for start in range(0, size[0], batch):
        rows = range(start, min(start + batch, size[0]))
        images = np.repeat(image, len(rows), axis=0)
        images[np.arange(len(rows)), rows] += 100
        scores = np.asarray(model(images, training=False))
        changed.extend(np.abs(scores - reference).max(axis=(2, 3)) > noise)
    return np.stack(changed)


def check(model, size, neutral=0.0, noise=0.0):
    """Compares the intervals of all cells that do not reach the borders.

    At the borders, same padding and clamped bilinear upsampling shorten them. The image
    is zero for the network, so that any change is exact, without rounding.
    """
    graph, output = traced(model, size)
    changed = rows_that_change(positive(model), size, neutral, noise)
    extents = []
    for cell, column in enumerate(changed.T):
        (low, high), _ = field_of(graph, output, 0, cell)
        if low >= 0 and high < size[0]:
            rows = np.flatnonzero(column)
            assert (rows[0], rows[-1]) == (low, high), cell
            extents.append(high - low + 1)
    assert receptive_field(graph, output).height == max(extents)


@each_rule
def test_each_rule_by_impulses(name):
    check(chain(*RULES[name][0]), (48, 12))


def test_branches_by_impulses():
    image = keras.Input((None, None, 1))
    a = Enlarge(2)(conv(5)(HALF(2)(conv()(image))))
    b = CropLike()([layers.Conv2DTranspose(1, 4, 4)(conv(strides=4)(image)), image])
    check(keras.Model(image, layers.Concatenate()([a, b, conv(9)(image)])), (64, 12))


def test_unpooling_by_impulses():
    """On a random image, so that each row has maxima in some columns."""
    x = keras.Input((None, None, 1))
    before = conv()(x)
    after = HALF(2)(before)
    model = keras.Model(x, MaxUnpool()([conv()(after), before, after]))
    image = np.random.default_rng(0).random((24, 40, 1), np.float32)
    check(model, image.shape[:2], image, noise=1e-4)


def test_segnet_has_the_field_of_nearest_upsampling():
    fields = [
        receptive_field(*traced(build_model("segnet", 2, width=1, upsampling=how)))
        for how in ("unpool", "nearest")
    ]
    assert fields[0] == fields[1]


# Complete but narrow architectures, of a height that holds the fields of a period.
@pytest.mark.parametrize(
    ("name", "size", "options"),
    [
        ("unet", (264, 16), {}),
        ("unet", (264, 16), {"upsampling": "transposed"}),
        ("unet", (270, 16), {"upsampling": "resize-conv"}),
        ("segnet", (264, 16), {"upsampling": "nearest"}),
        ("hypercolumn", (200, 16), {}),
        ("dense", (32, 16), {}),
        ("patch", (86, 46), {}),
        ("patch", (110, 62), {"upsampling": "bilinear"}),
        ("unet_paper", (252, 188), {}),
        pytest.param("fcn8s", (512, 32), {"fc_width": 4}, marks=pytest.mark.slow),
    ],
)
def test_architectures_by_impulses(name, size, options):
    model = build_model(name, 2, channels=1, width=1, **options)
    check(model, size, neutral=127.5)


# --- published ---


@pytest.mark.parametrize(
    ("encoder", "extents"),
    [
        # Araujo, Norris and Sim (2019): 195, 212 and 483 for the whole networks.
        ("alexnet", {32: 195}),
        ("vgg16", {32: 212}),
        ("resnet50", {2: 7, 4: 35, 8: 99, 16: 291, 32: 483}),
    ],
)
def test_published_encoders(encoder, extents):
    from kseg.models.analysis.summary import encoder_steps, taps

    graph = trace(build_model("unet", 2, encoder=encoder), (224, 224))
    stride_of = strides(graph)
    found = {
        int(stride_of[tap][0]): receptive_field(graph, tap).height
        for tap in taps(graph, encoder_steps(graph))
    }
    assert extents.items() <= found.items()


def test_published_fcn():
    """Long, Shelhamer and Darrell (2015): fc6 on VGG16 has 404 pixels, stride 32."""
    graph = trace(build_model("fcn32s", 21, encoder="vgg16", fc_width=4), (224, 224))
    fc6 = next(x for x in graph.tensors if x.name == "fc6_conv")
    assert receptive_field(graph, fc6) == Field(404, 404)
    assert strides(graph)[fc6] == (32, 32)
