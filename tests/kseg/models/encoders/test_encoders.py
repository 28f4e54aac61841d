"""Encoders compared with their papers and keras.applications."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from kseg.models import build_model
from kseg.models.encoders import ENCODERS
from kseg.models.encoders.features import Features, features_of
from kseg.models.encoders.googlenet import INCEPTIONS, inception
from kseg.models.encoders.weights import with_keras_norm
from kseg.models.layers.norm import BatchNorm

# Stride -> channels of its tap.
TAPS = {
    "plain": {1: 16, 2: 32, 4: 64, 8: 128, 16: 256},
    "alexnet": {4: 64, 8: 192, 16: 256, 32: 256},
    "vgg16": {1: 64, 2: 128, 4: 256, 8: 512, 16: 512, 32: 512},
    "googlenet": {2: 64, 4: 192, 8: 480, 16: 832, 32: 1024},
    "resnet50": {2: 64, 4: 256, 8: 512, 16: 1024, 32: 2048},
    "mobilenetv2": {2: 96, 4: 144, 8: 192, 16: 576, 32: 1280},
    "mobilenetv3": {2: 64, 4: 72, 8: 240, 16: 672, 32: 960},
    "efficientnetv2b0": {2: 16, 4: 32, 8: 192, 16: 672, 32: 1280},
    "efficientnetlite0": {2: 96, 4: 144, 8: 240, 16: 672, 32: 1280},
}
# Without classifiers. GoogLeNet: the 5,973,552 of Caffe's model, whose 7,280 biases
# become batch normalizations of four values each.
PARAMETERS = {
    "alexnet": 2_469_696,
    "vgg16": 14_714_688,
    "googlenet": 5_973_552 + 3 * 7_280,
    "resnet50": 23_587_712,
    "mobilenetv2": 2_257_984,
    "mobilenetv3": 2_996_352,
    "efficientnetv2b0": 5_919_312,
    "efficientnetlite0": 4_652_008 - 1_281_000 + 42_016,  # statistics of batch norm
}
POOLED = {"plain": [1, 2, 4, 8], "vgg16": [1, 2, 4, 8, 16]}


def encoded(encoder: str, channels: int = 3, **options) -> tuple[keras.Model, Features]:
    image = keras.Input((None, None, channels), name="image")
    network = ENCODERS[encoder](image, **options)
    return network, features_of(network, encoder)


@pytest.fixture(scope="module", params=list(ENCODERS))
def whole(request):
    """(name, network, features) of each encoder at full width."""
    return request.param, *encoded(request.param)


def test_taps_are_at_every_stride(whole):
    name, network, features = whole
    assert {s: tap.shape[-1] for s, tap in features.taps.items()} == TAPS[name]
    strides = sorted(features.taps)
    outputs = [features.taps[stride] for stride in strides]
    shapes = keras.Model(network.input, outputs).compute_output_shape((1, 64, 96, 3))
    sizes = [(64 // stride, 96 // stride) for stride in strides]
    assert [shape[1:3] for shape in shapes] == sizes


def test_parameters_are_the_published_ones(whole):
    name, network, _ = whole
    if name in PARAMETERS:
        assert network.count_params() == PARAMETERS[name]


def test_pools_are_the_2x2_poolings(whole):
    name, _, features = whole
    assert sorted(features.pools) == POOLED.get(name, [])


def test_depths_of_vgg16():
    _, features = encoded("vgg16")
    assert features.depths == {1: 2, 2: 2, 4: 3, 8: 3, 16: 3}
    assert not features.normalized


def test_deepest_stride_of_plain_is_an_option():
    _, features = encoded("plain", width=4, deepest=32)
    assert {s: tap.shape[-1] for s, tap in features.taps.items()} == {
        1: 4,
        2: 8,
        4: 16,
        8: 32,
        16: 64,
        32: 64,
    }


def test_missing_tap():
    _, features = encoded("alexnet")
    with pytest.raises(ValueError, match="no features at stride 2; .* 4, 8, 16, 32"):
        features.tap(2)


# The depths of table 1 of the paper.
DEPTHS = {
    "3a": (192, 256),
    "3b": (256, 480),
    "4a": (480, 512),
    "4b": (512, 512),
    "4c": (512, 512),
    "4d": (512, 528),
    "4e": (528, 832),
    "5a": (832, 832),
    "5b": (832, 1024),
}


@pytest.mark.parametrize("name", DEPTHS)
def test_inception_modules_have_the_depths_of_the_paper(name):
    channels, depth = DEPTHS[name]
    x = keras.Input((8, 8, channels))
    module = keras.Model(x, inception(x, INCEPTIONS[name], name))
    assert module.output_shape == (None, 8, 8, depth)


# --- preprocessing and weights ---

GOOGLENET = pytest.param("googlenet", marks=pytest.mark.slow)
OWN = ("plain", "alexnet", GOOGLENET)

APPLICATIONS = {
    "vgg16": (keras.applications.VGG16, keras.applications.vgg16),
    "resnet50": (keras.applications.ResNet50, keras.applications.resnet50),
    "mobilenetv2": (keras.applications.MobileNetV2, keras.applications.mobilenet_v2),
    "mobilenetv3": (
        keras.applications.MobileNetV3Large,
        keras.applications.mobilenet_v3,
    ),
    "efficientnetv2b0": (
        keras.applications.EfficientNetV2B0,
        keras.applications.efficientnet_v2,
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("encoder", APPLICATIONS)
def test_preprocessing_is_that_of_the_application(encoder, tmp_path):
    """With the same weights, the features equal those of keras.applications."""
    build, module = APPLICATIONS[encoder]
    keras.utils.set_random_seed(0)
    theirs = build(include_top=False, weights=None, input_shape=(None, None, 3))
    path = tmp_path / "their.weights.h5"
    theirs.save_weights(path)
    ours, _ = encoded(encoder, weights=str(path))
    ours = keras.Model(ours.inputs[0], ours.output)
    random = np.random.RandomState(0)
    image = random.uniform(0, 255, (1, 64, 96, 3)).astype("float32")
    expected = theirs(module.preprocess_input(image.copy()), training=False)
    np.testing.assert_allclose(
        ops.convert_to_numpy(ours(image, training=False)),
        ops.convert_to_numpy(expected),
        rtol=1e-3,
        atol=1e-4,
    )


@pytest.mark.parametrize("encoder", OWN)
def test_own_encoders_read_a_file(encoder, tmp_path):
    network, _ = encoded(encoder)
    path = tmp_path / "own.weights.h5"
    network.save_weights(path)
    again, _ = encoded(encoder, weights=str(path))
    for one, other in zip(network.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_file_whose_norms_are_those_of_keras_is_read(tmp_path):
    """Files of weights name layers by their classes."""
    network, _ = encoded("plain", width=4)
    theirs = keras.models.clone_model(network, clone_function=with_keras_norm)
    assert not any(isinstance(layer, BatchNorm) for layer in theirs.layers)
    theirs.set_weights([weight + 1 for weight in network.get_weights()])
    theirs.save_weights(path := tmp_path / "old.weights.h5")
    again, _ = encoded("plain", width=4, weights=str(path))
    for one, other in zip(theirs.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def error_message(encoder, **options):
    with pytest.raises(ValueError) as caught:
        build_model("unet", 3, encoder, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("encoder", OWN)
def test_own_encoders_have_no_imagenet_weights(encoder):
    message = error_message(encoder, weights="imagenet")
    assert "imagenet" in message and "mobilenetv2" in message


@pytest.mark.parametrize("encoder", ("plain", "mobilenetv2"))
@pytest.mark.parametrize("weights", ("missing.h5", "imagenette"))
def test_missing_weights(encoder, weights):
    assert weights in error_message(encoder, weights=weights)


@pytest.mark.parametrize("encoder", ("alexnet", "mobilenetv2"))
def test_file_without_weights(encoder, tmp_path):
    path = tmp_path / "notes.weights.h5"
    path.write_text("not weights", encoding="utf-8")
    assert str(path) in error_message(encoder, weights=str(path))


@pytest.mark.parametrize("encoder", (GOOGLENET, "mobilenetv2", "vgg16"))
def test_weights_of_another_network(encoder, tmp_path):
    network, _ = encoded("alexnet")
    path = tmp_path / "alexnet.weights.h5"
    network.save_weights(path)
    message = error_message(encoder, weights=str(path))
    assert str(path) in message and "do not fit" in message


# --- ImageNet weights, if the file is available ---


def weights_file(shared, alpha):
    name = f"mobilenet_v2_weights_tf_dim_ordering_tf_kernels_{alpha}_224_no_top.h5"
    path = shared / "keras_home" / "models" / name
    if not path.is_file():
        pytest.skip(f"needs {name} in the shared folder")
    return str(path)


@pytest.fixture(scope="module")
def pretrained(shared):
    weights = weights_file(shared, 0.35)
    return build_model("unet", 3, "mobilenetv2", weights=weights, alpha=0.35)


def test_weights_are_read_from_a_file(pretrained):
    kernel = ops.convert_to_numpy(pretrained.get_layer("encoder_Conv1").kernel)
    random = build_model("unet", 3, "mobilenetv2", alpha=0.35)
    other = ops.convert_to_numpy(random.get_layer("encoder_Conv1").kernel)
    assert kernel.shape == other.shape
    assert not np.allclose(kernel, other)
    variance = pretrained.get_layer("encoder_bn_Conv1").moving_variance
    assert not np.allclose(ops.convert_to_numpy(variance), 1)


def test_grey_images_with_weights_for_rgb(pretrained, shared):
    weights = weights_file(shared, 0.35)
    grey = build_model("unet", 3, "mobilenetv2", 1, weights=weights, alpha=0.35)
    grey.set_weights(pretrained.get_weights())
    random = np.random.RandomState(0)
    image = random.uniform(0, 255, (1, 40, 64, 1)).astype("float32")
    colour = np.repeat(image, 3, axis=3)
    np.testing.assert_allclose(
        ops.convert_to_numpy(grey(image, training=False)),
        ops.convert_to_numpy(pretrained(colour, training=False)),
        atol=1e-5,
    )


def test_weights_of_another_width(shared):
    path = weights_file(shared, "1.0")
    message = error_message("mobilenetv2", alpha=0.35, weights=path)
    assert path in message
    assert "0.35" in message


def test_generated_layer_names_are_renumbered():
    models = [build_model("unet", 2, "mobilenetv3") for _ in range(2)]
    names = [[layer.name for layer in model.layers] for model in models]
    assert names[0] == names[1]
    assert isinstance(models[1].get_layer("encoder_re_lu_1"), layers.ReLU)
