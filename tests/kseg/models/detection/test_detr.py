"""DETR: parameters, outputs, sizes, saving."""

import keras
import numpy as np
import pytest
from keras import ops

from kseg.models import EncoderCall, build_model, encoder_layers, geometry
from kseg.models.detection.detr import detr, training_outputs
from kseg.models.encoders.features import Features

CLASSES, QUERIES = 3, 7
SMALL = {"layers": 2, "queries": QUERIES, "attention_width": 32, "strides": (8,)}

# DETR-R50 of Carion et al. for COCO: 91 classes and no object, 100 queries.
DENSE = 256 * 256 + 256
ATTENTION = 4 * DENSE
FEED_FORWARD = 256 * 2048 + 2048 + 2048 * 256 + 256
NORM = 2 * 256
TRANSFORMER = (
    2048 * 256 + 256  # projection
    + 6 * (ATTENTION + FEED_FORWARD + 2 * NORM)
    + 6 * (2 * ATTENTION + FEED_FORWARD + 3 * NORM)
    + NORM  # after the decoder
    + 100 * 256  # queries
    + 256 * 92 + 92  # classes
    + 2 * DENSE + 256 * 4 + 4  # boxes
)  # fmt: skip
PUBLISHED_RESNET = 23_454_912  # its batch norms are frozen and have no parameters
# Keras's ResNet50 has biases of its convolutions, weights of batch norm, and the
# running statistics.
KERAS_RESNET = PUBLISHED_RESNET + 26_560 + 53_120 + 53_120


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(0)
    return build_model("detr", CLASSES, width=4, **SMALL)


def random_image(height, width, channels=3, batch=1):
    random = np.random.RandomState(0)
    return random.uniform(0, 255, (batch, height, width, channels)).astype("float32")


def outputs_of(model, image):
    return {k: ops.convert_to_numpy(v) for k, v in model(image, training=False).items()}


def test_the_transformer_has_the_published_number_of_parameters():
    def encode(image, deepest):
        assert deepest == 32
        features = keras.layers.Conv2D(2048, 1, 32, use_bias=False)(image)
        return Features("none", {32: features}, {}, {}, False)

    image = keras.Input((None, None, 1))
    with keras.StatelessScope():  # nothing is allocated
        model = keras.Model(image, detr(image, 91, encode))
        assert model.count_params() - 2048 == TRANSFORMER == 18_069_856


@pytest.mark.slow
def test_on_resnet50_the_sum_is_exact():
    assert PUBLISHED_RESNET + TRANSFORMER == 41_524_768
    assert KERAS_RESNET + TRANSFORMER == 41_524_768 + 132_800 == 41_657_568
    image = keras.Input((None, None, 3), name="image")
    with keras.StatelessScope():
        encode = EncoderCall("resnet50", "none", {})
        assert keras.Model(image, detr(image, 91, encode)).count_params() == 41_657_568


@pytest.mark.parametrize("size", ((64, 64), (77, 50), (24, 112)), ids=str)
def test_each_query_has_probabilities_and_a_box(network, size):
    found = outputs_of(network, random_image(*size, batch=2))
    assert found["scores"].shape == (2, QUERIES, CLASSES)
    assert found["boxes"].shape == (2, QUERIES, 4)
    assert {x.dtype for x in found.values()} == {np.dtype(np.float32)}
    assert found["scores"].min() > 0 and found["scores"].sum(-1).max() < 1
    assert 0 < found["boxes"].min() and found["boxes"].max() < 1


def test_the_size_is_a_multiple_of_the_stride(network):
    assert geometry(network).minimum == 8
    assert encoder_layers(network)


def test_grey_images():
    model = build_model("detr", 1, channels=1, width=4, **{**SMALL, "layers": 1})
    assert outputs_of(model, random_image(32, 48, 1))["scores"].shape[-1] == 1


def test_every_decoder_layer_has_outputs_for_the_loss(network):
    symbols = training_outputs(network)
    assert sorted(symbols) == ["boxes1", "boxes2", "logits1", "logits2"]
    image = random_image(32, 32)
    found = outputs_of(keras.Model(network.input, symbols), image)
    assert found["logits1"].shape == (1, QUERIES, CLASSES + 1)
    expected = outputs_of(network, image)
    np.testing.assert_allclose(found["boxes2"], expected["boxes"], atol=1e-6)
    scores = ops.convert_to_numpy(ops.softmax(found["logits2"]))
    np.testing.assert_allclose(scores[..., :-1], expected["scores"], atol=1e-6)
    assert np.abs(found["boxes1"] - found["boxes2"]).max() > 1e-3


def test_saved_and_loaded_gives_equal_outputs(network, tmp_path):
    network.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    image = random_image(40, 64)
    expected = outputs_of(network, image)
    for role, found in outputs_of(loaded, image).items():
        np.testing.assert_array_equal(found, expected[role])


def test_layer_names_are_the_same_in_each_build(network):
    again = build_model("detr", CLASSES, width=4, **SMALL)
    names = [layer.name for layer in network.layers]
    assert names == [layer.name for layer in again.layers]
    assert len(set(names)) == len(names)
    assert network.name == "detr_plain"


def test_a_pretrained_encoder_keeps_its_first_layers_and_batch_norm():
    model = build_model("detr", 1, width=4, **{**SMALL, "layers": 1}, frozen=True)
    trained = {
        layer.name: layer.trainable for layer in encoder_layers(model) if layer.weights
    }
    assert not trained["encoder_down1_1_conv"] and not trained["encoder_down4_2_conv"]
    assert trained["encoder_down8_1_conv"] and not trained["encoder_down8_1_bn"]
    others = [x for x in model.layers if x.weights and x.name not in trained]
    assert others and all(layer.trainable for layer in others)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"strides": (8, 16)}, r"one stride in `strides`, got \(8, 16\)"),
        ({"attention_width": 40}, "multiple of 32, got 40"),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        build_model("detr", CLASSES, width=4, **{**SMALL, **options})


def test_the_options_are_those_of_detr():
    with pytest.raises(ValueError, match="no option `queries`, got 7"):
        build_model("unet", CLASSES, queries=7)
