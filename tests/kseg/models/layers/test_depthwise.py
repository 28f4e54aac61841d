"""The fast depthwise convolution against that of Keras."""

import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import layers

from kseg.models.layers.depthwise import DepthwiseConv2D, can_be_shifted
from kseg.models.layers.norm import as_float32

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


@pytest.mark.parametrize("size", [(7, 10), (8, 9)])
@pytest.mark.parametrize(
    "options",
    [
        {"padding": "same"},
        {"padding": "same", "strides": 2},
        {"padding": "same", "dilation_rate": 2},
        {"padding": "valid", "use_bias": False},
        {"padding": "valid", "strides": 2, "activation": "relu"},
    ],
    ids=str,
)
def test_outputs_and_gradients_are_those_of_keras(options, size):
    tf = pytest.importorskip("tensorflow")
    random = np.random.default_rng(0)
    x = tf.constant(random.normal(size=(2, *size, 4)), tf.float32)
    found = []
    values: list[np.ndarray] = []
    for cls in (layers.DepthwiseConv2D, DepthwiseConv2D):
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
    assert can_be_shifted(layers.DepthwiseConv2D(KERNEL))
    assert not can_be_shifted(layers.DepthwiseConv2D(KERNEL, depth_multiplier=2))
    other = layers.DepthwiseConv2D(KERNEL, data_format="channels_first")
    assert not can_be_shifted(other)
    assert not can_be_shifted(layers.Conv2D(4, KERNEL))


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
