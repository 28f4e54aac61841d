"""Conversion of a network in which rounded weights move every output."""

import keras
import numpy as np
import pytest

from edge.engines.select import open_engine
from kseg.deploy.conversion import tflite
from kseg.deploy.int8 import corrected_conversion

SIZE = (32, 32)
pytestmark = pytest.mark.slow  # two conversions take some seconds


def edge_filters() -> keras.Model:
    """Depthwise kernels of large weights whose sum is 0, over bright images."""
    image = keras.Input((None, None, 3))
    x = keras.layers.Rescaling(1 / 127.5, offset=-1)(image)
    x = keras.layers.Conv2D(8, 1, activation="relu", name="mix")(x)
    x = keras.layers.DepthwiseConv2D(3, padding="same", name="edges")(x)
    model = keras.Model(image, keras.layers.Conv2D(4, 1, name="scores")(x))
    random = np.random.default_rng(0)
    for name, low, high in (("mix", 1, 2), ("edges", -3, 3), ("scores", -1, 1)):
        layer = model.get_layer(name)
        kernel, bias = layer.get_weights()
        kernel = random.uniform(low, high, kernel.shape)
        if name == "edges":
            kernel -= kernel.mean((0, 1), keepdims=True)
        layer.set_weights([kernel, bias])
    return model


def images() -> list[np.ndarray]:
    random = np.random.default_rng(1)
    return [random.integers(150, 256, (*SIZE, 3), np.uint8) for _ in range(4)]


@pytest.mark.parametrize("scheme", ["int8", "int16x8"])
def test_the_mean_of_each_output_is_that_of_the_network(scheme, tmp_path, caplog):
    model, shift = edge_filters(), {}
    arguments = (model, scheme, SIZE, lambda x: x, images)
    caplog.set_level("INFO")
    for module in (tflite, corrected_conversion):
        path = tmp_path / f"{module.__name__}.tflite"
        path.write_bytes(module.convert(*arguments))
        engine = open_engine(path)
        errors = [
            engine(image)[0].dequantize() - np.asarray(model(image[None].astype("f4")))
            for image in images()
        ]
        inner = np.stack(errors)[..., 1:-1, 1:-1, :]  # without the zero padding
        shift[module] = np.abs(inner.mean(axis=(0, 1, 2, 3))).max()
    assert shift[corrected_conversion] < 0.5 * shift[tflite]
    assert f"{scheme}: corrected the biases of 3 of 3" in caplog.text


def test_nothing_is_corrected_without_calibration_images():
    arguments = (edge_filters(), "dynamic", SIZE, lambda x: x, lambda: [])
    assert corrected_conversion.convert(*arguments) == tflite.convert(*arguments)
