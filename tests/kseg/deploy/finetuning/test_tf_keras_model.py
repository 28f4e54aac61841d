"""A Keras 3 network and its copy in tf_keras."""

import keras
import numpy as np
import pytest

from edge.core.errors import InputError
from kseg.deploy.finetuning.tf_keras_model import Convolution, rebuild
from kseg.models import build_model, geometry

pytest.importorskip("tf_keras", reason="tensorflow-model-optimization brings it")


SIZE = (64, 72)  # the width must be padded for strides 32 and 16


def randomized(model):
    """Sets random batch norm statistics and nonzero score layers."""
    random = np.random.RandomState(0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights(
                [random.uniform(0.5, 1.5, w.shape) for w in layer.get_weights()]
            )
        elif layer.name.startswith("score") and "up" not in layer.name:
            layer.set_weights(
                [random.normal(0, 0.1, w.shape) for w in layer.get_weights()]
            )
    return model


def assert_same(found, expected):
    scale = np.abs(expected).max()
    np.testing.assert_allclose(found / scale, expected / scale, atol=2e-5)


@pytest.mark.parametrize("size", [(64, 72), (112, 144)])
def test_pyramid_pooling_is_a_pooling_and_sums_of_two(size):
    """The sides of the coarsest features, 4x5 and 7x9, do not divide evenly."""
    options = {"width": 4, "context": "pyramid", "deepest": 4}
    model = randomized(build_model("unet", 3, "plain", **options))
    image = np.random.RandomState(0).uniform(0, 255, (2, *size, 3)).astype("float32")
    source = rebuild(model, size)
    found = np.asarray(source.model(image, training=False))
    assert_same(found, np.asarray(model(image, training=False)))
    sums = [x for x in source.model.layers if x.name.startswith("context_sum")]
    assert len(sums) == 3 and all(len(x.input) == 2 for x in sums)


QUICK = [("unet", "plain", "transposed")]
SLOW = [
    ("unet", "mobilenetv2", "resize-conv"),
    ("unet", "googlenet", "transposed"),
    ("fcn8s", "alexnet", "transposed"),
]
FULL = [
    ("unet", "plain", "bilinear"),
    ("fcn32s", "plain", "transposed"),
    ("fcn16s", "mobilenetv2", "bilinear"),
    ("fcn8s", "mobilenetv2", "transposed"),
    ("unet", "vgg16", "nearest"),
    ("unet", "resnet50", "bilinear"),
    ("segnet", "plain", "bilinear"),
    ("hypercolumn", "plain", "bilinear"),
    ("dense", "plain", None),
]
slow, full = pytest.mark.slow, pytest.mark.full


@pytest.mark.parametrize(
    "name, encoder, upsampling",
    [
        *QUICK,
        *(pytest.param(*network, marks=slow) for network in SLOW),
        *(pytest.param(*network, marks=full) for network in FULL),
    ],
)
def test_logits_are_equal_and_weights_are_written_back(name, encoder, upsampling):
    options = {"upsampling": upsampling, "fc_width": 32 if "fcn" in name else None}
    options |= {"width": 4} if encoder == "plain" else {}
    options |= {"alpha": 0.35} if encoder == "mobilenetv2" else {}
    model = randomized(build_model(name, 3, encoder, **options))
    image = np.random.RandomState(0).uniform(0, 255, (2, *SIZE, 3)).astype("float32")
    expected = np.asarray(model(image, training=False))
    source = rebuild(model, SIZE)
    assert_same(np.asarray(source.model(image, training=False)), expected)
    kinds = {type(layer).__name__ for layer in source.model.layers}
    assert not kinds & {"BatchNormalization", "ReLU", "Rescaling"}

    # New weights are written back to the Keras 3 network.
    weights = source.weights()
    first = next(iter(weights))
    # All channels: a single one has little effect in deep networks.
    weights[first][0][:] = 0
    source.model.get_layer(first).set_weights(weights[first])
    source.write_back(weights)
    changed = np.asarray(model(image, training=False))
    assert (changed != expected).any()
    assert_same(np.asarray(source.model(image, training=False)), changed)


@pytest.mark.parametrize("masks", [True, False])
def test_outputs_of_objects_are_equal_and_keep_their_names(masks):
    options = {"width": 4, "strides": (4, 8, 16), "masks": masks}
    model = randomized(build_model("instances", 3, **options))
    image = np.random.RandomState(0).uniform(0, 255, (1, *SIZE, 3)).astype("float32")
    expected = model(image, training=False)
    found = rebuild(model, SIZE).model(image, training=False)
    assert set(found) == set(expected) and len(found) == (4 if masks else 2)
    for role, value in expected.items():
        assert_same(np.asarray(found[role]), np.asarray(value))


def test_a_tanh_of_a_convolution_is_an_operator_of_its_own():
    image = keras.Input((8, 8, 3))
    layer = keras.layers.Conv2D(2, 1, activation="tanh", name="conv")
    model = keras.Model(image, layer(image))
    source = rebuild(model, (8, 8))
    assert [x.name for x in source.model.layers][-2:] == ["conv", "conv_tanh"]
    x = np.random.RandomState(0).normal(size=(1, 8, 8, 3)).astype("float32")
    assert_same(np.asarray(source.model(x)), np.asarray(model(x)))


def test_folding_by_hand():
    """gamma 3, variance 4 - epsilon, mean 5, beta 7: (2 x - 5) * 3 / 2 + 7."""
    convolution = keras.layers.Conv2D(1, 1, use_bias=False)
    norm = keras.layers.BatchNormalization(epsilon=0.5)
    norm(convolution(keras.Input((2, 2, 1))))
    convolution.set_weights([np.full((1, 1, 1, 1), 2.0)])
    norm.set_weights([np.array([x]) for x in (3.0, 7.0, 5.0, 3.5)])
    kernel, bias = Convolution(convolution, norm).folded()
    assert kernel.item() == pytest.approx(3.0) and bias.item() == pytest.approx(-0.5)


@pytest.mark.parametrize(
    "name, encoder, upsampling, layer",
    [
        ("unet", "plain", "unpool", "MaxUnpool"),
        pytest.param("unet", "mobilenetv3", "bilinear", "Activation", marks=slow),
        pytest.param("unet", "efficientnetv2b0", "bilinear", "Activation", marks=slow),
    ],
)
def test_unsupported_layers_are_rejected(name, encoder, upsampling, layer):
    options = {"width": 4} if encoder == "plain" else {}
    model = build_model(name, 3, encoder, upsampling=upsampling, **options)
    assert geometry(model).minimum <= 64
    with pytest.raises(InputError, match=rf"layer \w+ \({layer}\): \w+"):
        rebuild(model, (64, 64))
