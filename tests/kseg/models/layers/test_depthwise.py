"""The fast depthwise convolution against that of Keras."""

import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import layers

from kseg.models.layers.depthwise import (
    DepthwiseConv2D,
    can_replace,
    is_faster_for,
    shifted,
)
from kseg.models.layers.norm import as_float32, with_batch_norm

KERNEL = 3
# Of a network that JAX builds: whether its depthwise layers are those of Keras, before
# and after it is saved.
SHOW = """
import json
from keras import layers
from kseg.models import build_model
from kseg.models.layers.norm import as_float32

options = dict(encoder="mobilenetv2", alpha=0.35, weights="none")
network = build_model("unet", 2, **options)
kinds = [
    [
        type(x) is layers.DepthwiseConv2D
        for x in each.layers
        if isinstance(x, layers.DepthwiseConv2D)
    ]
    for each in (network, as_float32(network))
]
print(json.dumps(kinds))
"""


class Shifted(DepthwiseConv2D):
    """As with JAX, on any backend."""

    def call(self, x):
        y = shifted(self._padded(x), self.kernel, self.strides, self.dilation_rate)
        return self.activation(y + self.bias if self.use_bias else y)


PLAIN = (
    {"padding": "same"},
    {"padding": "same", "strides": 2},
    {"padding": "valid", "use_bias": False},
    {"padding": "valid", "strides": 2, "activation": "relu"},
)
DILATED = {"padding": "same", "dilation_rate": 2}


@pytest.mark.parametrize("size", [(7, 10), (8, 9)])
@pytest.mark.parametrize(
    ("kind", "options"),
    [(Shifted, DILATED), *((k, o) for k in (Shifted, DepthwiseConv2D) for o in PLAIN)],
    ids=str,
)
def test_outputs_and_gradients_are_those_of_keras(kind, options, size):
    tf = pytest.importorskip("tensorflow")
    random = np.random.default_rng(0)
    x = tf.constant(random.normal(size=(2, *size, 4)), tf.float32)
    found = []
    values: list[np.ndarray] = []
    for cls in (layers.DepthwiseConv2D, kind):
        layer = cls(KERNEL, **options)
        layer.build(x.shape)
        values = values or [random.normal(size=w.shape) for w in layer.weights]
        layer.set_weights(values)
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x)
            total = tf.reduce_sum(y**2)
        weights = [weight.value for weight in layer.trainable_weights]
        found.append([y, *tape.gradient(total, [x, *weights])])
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)


def test_by_hand():
    """Each output is the sum of its neighbours; at the edges there are fewer."""
    layer = DepthwiseConv2D(KERNEL, padding="same", depthwise_initializer="ones")
    y = layer(np.ones((1, 2, 3, 1), np.float32))
    assert np.array(y)[0, ..., 0].tolist() == [[4, 6, 4], [4, 6, 4]]


def test_what_it_cannot_compute():
    assert can_replace(layers.DepthwiseConv2D(KERNEL))
    assert not can_replace(layers.DepthwiseConv2D(KERNEL, depth_multiplier=2))
    other = layers.DepthwiseConv2D(KERNEL, data_format="channels_first")
    assert not can_replace(other)
    assert not can_replace(layers.Conv2D(4, KERNEL))


@pytest.mark.parametrize(
    ("dtype", "options", "faster"),
    [
        ("mixed_bfloat16", {"strides": 2}, True),
        ("mixed_bfloat16", {}, False),
        ("mixed_bfloat16", {"dilation_rate": 2}, False),
        ("mixed_bfloat16", {"strides": 2, "depth_multiplier": 2}, False),
        ("float32", {"strides": 2}, False),
    ],
)
def test_strided_convolutions_in_bfloat16_are_replaced(dtype, options, faster):
    """Batch normalization is replaced in any case, so the network is a copy."""
    pytest.importorskip("tensorflow")
    assert is_faster_for(layers.DepthwiseConv2D(3, dtype=dtype, **options)) is faster
    assert not is_faster_for(DepthwiseConv2D(3, dtype=dtype, **options))
    image = keras.Input((8, 8, 3))
    x = layers.DepthwiseConv2D(3, dtype=dtype, name="depthwise", **options)(image)
    model = keras.Model(image, layers.BatchNormalization(dtype=dtype)(x))
    found = with_batch_norm(model, 0.9).get_layer("depthwise")
    assert isinstance(found, DepthwiseConv2D) is faster
    assert found.compute_dtype == layers.DepthwiseConv2D(3, dtype=dtype).compute_dtype


def test_the_gradient_by_the_input_in_bfloat16_is_that_of_float32():
    """Up to the rounding of the result: its seven bits are a part in 256."""
    tf = pytest.importorskip("tensorflow")
    random = np.random.default_rng(0)
    values = random.normal(size=(2, 8, 9, 32)), random.normal(size=(3, 3, 32, 1))
    found = []
    for dtype in ("float32", "mixed_bfloat16"):
        x = tf.cast(tf.cast(values[0], tf.bfloat16), tf.float32)
        layer = DepthwiseConv2D(3, strides=2, use_bias=False, dtype=dtype)
        layer.build(x.shape)
        layer.set_weights([np.array(tf.cast(values[1], tf.bfloat16), np.float32)])
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = tf.cast(layer(x), tf.float32)
        found.append(tape.gradient(y, x).numpy())
    np.testing.assert_allclose(found[1], found[0], rtol=1 / 256)


def test_a_saved_network_has_the_layer_of_keras():
    image = keras.Input((None, None, 3))
    model = keras.Model(image, DepthwiseConv2D(KERNEL, name="depthwise")(image))
    assert type(as_float32(model).get_layer("depthwise")) is layers.DepthwiseConv2D


@pytest.mark.slow
def test_networks_of_jax_have_it():
    pytest.importorskip("jax")
    shown = subprocess.run(
        [sys.executable, "-c", SHOW],
        env=os.environ | {"KERAS_BACKEND": "jax"},
        check=True,
        capture_output=True,
        text=True,
    )
    network, saved = json.loads(shown.stdout.splitlines()[-1])
    assert not any(network) and len(network) > 10
    assert all(saved) and len(saved) == len(network)
