import keras
import numpy as np
import pytest
from keras import layers

from edge.engines.select import open_engine
from kseg.deploy.conversion.folding import ZERO_POINT, without_normalization
from kseg.deploy.conversion.tflite import convert
from kseg.deploy.heads import labels, logits
from kseg.models import build_model
from tests.support.engines import only

SIZE = (32, 48)


def random_image():
    return np.random.RandomState(0).randint(0, 256, (*SIZE, 3), np.uint8)


def test_outputs_are_unchanged_except_near_the_padding():
    keras.utils.set_random_seed(0)
    network = build_model("dense", 3, width=4)
    folded, scale = without_normalization(network, SIZE)
    image = random_image()[None].astype(np.float32)
    expected = np.asarray(network(image, training=False))
    inputs = (image - ZERO_POINT) * np.float32(scale)
    found = np.asarray(folded(inputs, training=False))
    assert scale == pytest.approx(1 / 127.5)
    # The receptive field extends 8 pixels; padding differs by half a level.
    inside = (slice(None), slice(8, -8), slice(8, -8))
    np.testing.assert_allclose(found[inside], expected[inside], atol=1e-4)
    assert np.abs(found - expected).max() < 0.05 * expected.std()


def test_normalization_before_a_fused_activation_is_not_folded():
    image = keras.Input((None, None, 3))
    x = layers.Rescaling(1 / 127.5, offset=-1)(image)
    relu = layers.Conv2D(4, 3, activation="relu")(x)
    assert without_normalization(keras.Model(image, relu), SIZE) is None
    pooled = layers.MaxPooling2D(2)(x)
    assert without_normalization(keras.Model(image, pooled), SIZE) is None
    linear = layers.Conv2D(4, 3)(x)
    assert without_normalization(keras.Model(image, linear), SIZE) is not None


def test_per_channel_normalization_is_not_folded():
    assert without_normalization(build_model("unet", 3, "vgg16"), SIZE) is None


def test_normalization_after_grayscale_to_rgb_is_folded():
    network = build_model("unet", 3, "mobilenetv2", alpha=0.35, channels=1)
    assert without_normalization(network, SIZE) is not None


def operators(content: bytes) -> list[str]:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=content)
    return [operator["op_name"] for operator in interpreter._get_ops_details()]


@pytest.mark.parametrize("upsampling", ["bilinear", "transposed"])
def test_an_int8_file_has_no_unfused_operators(upsampling, tmp_path):
    """No normalization, batch norm, ReLU, padding or requantization."""
    network = build_model("unet", 3, width=4, deepest=4, upsampling=upsampling)
    content = convert(network, "int8", SIZE, labels, lambda: [random_image()])
    enlarge = "RESIZE_BILINEAR" if upsampling == "bilinear" else "TRANSPOSE_CONV"
    found = operators(content)
    assert found[0] == "QUANTIZE"  # uint8 to int8, once
    assert set(found[1:]) <= {
        "CONV_2D",
        "MAX_POOL_2D",
        "CONCATENATION",
        enlarge,
        "ARG_MAX",
        "CAST",
    }
    path = tmp_path / "int8.tflite"
    path.write_bytes(content)
    assert only(open_engine(path), random_image()).shape == SIZE


def test_batch_norm_after_a_transposed_convolution_is_folded():
    """The converter does this; kseg's decoders have no such layers."""
    image = keras.Input((None, None, 3))
    x = layers.Conv2D(4, 3, strides=2, padding="same")(image)
    x = layers.Conv2DTranspose(4, 4, strides=2, padding="same", use_bias=False)(x)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    network = keras.Model(image, layers.Conv2D(3, 1)(x))
    for scheme in ("float32", "int8"):
        found = operators(
            convert(network, scheme, SIZE, logits, lambda: [random_image()])
        )
        assert not {"MUL", "ADD", "RELU", "SUB"} & set(found), (scheme, found)
