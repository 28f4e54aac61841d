"""One contract that every network keeps; `case` and `network` go through them all.

Its conversions to TFLite are in tests/kseg/deploy/conversion/test_tflite.py.
"""

import keras
import numpy as np
import pytest
from keras import layers, ops

from edge.model_file.info import ModelInfo
from edge.predict.semantic import SemanticPredictor
from kseg.models import MODELS, build_model, encoder_layers, geometry, has_encoder
from kseg.models.encoders import ENCODERS
from kseg.models.layers.norm import BatchNorm
from kseg.training.losses.pixel import cross_entropy

CLASSES = 3

on_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="needs TensorFlow's GradientTape"
)


def picture(height, width, channels=3, batch=1):
    random = np.random.RandomState(0)
    return random.uniform(0, 255, (batch, height, width, channels)).astype("float32")


def logits_of(model, image):
    return ops.convert_to_numpy(model(image, training=False))


def allowed(model, *sizes):
    """`sizes`, or the next that a network of valid convolutions takes."""
    return [geometry(model).smallest_input(size) for size in sizes]


def test_the_cases_are_the_whole_registry(request):
    from tests.support.networks import HEAVY, LIGHT, ON_PLAIN

    cases = [*ON_PLAIN, *LIGHT, *HEAVY]
    assert {case.model for case in cases} == set(MODELS)
    assert {case.encoder for case in cases} == set(ENCODERS)


# --- the contract ---


def test_logits_have_the_size_of_the_image(network):
    border = 2 * geometry(network).border
    for height, width in allowed(network, (64, 64), (77, 50), (48, 112)):
        logits = logits_of(network, picture(height, width, batch=2))
        assert logits.shape == (2, height - border, width - border, CLASSES)
        assert logits.dtype == np.float32
        assert np.isfinite(logits).all()


@pytest.mark.parametrize("size", ((64, 64), (77, 50), (33, 100)), ids=str)
def test_any_picture_is_labelled_at_its_own_size(network, engine, size):
    names, colors = ("a", "b", "c"), ((0, 0, 0), (9, 9, 9), (99, 0, 0))
    info = ModelInfo(names, colors, geometry=geometry(network))
    image = picture(*size)[0].astype(np.uint8)
    labels = SemanticPredictor(engine, info).predict(image).labels
    assert labels.shape == size and labels.dtype == np.uint8
    assert labels.max() < CLASSES


def test_size_is_free_and_said_to_be(network):
    assert network.input_shape == (None, None, None, 3)
    assert network.output_shape == (None, None, None, CLASSES)


def test_minimum_size_is_enough(network):
    least = geometry(network).minimum
    (size,) = allowed(network, (least, least))
    border = 2 * geometry(network).border
    logits = logits_of(network, picture(*size))
    assert logits.shape[1:3] == (size[0] - border, size[1] - border)


def test_layer_names_are_a_contract(case, network, rebuilt):
    """None is made up by Keras, whose counter would name them anew in each build."""
    names = [layer.name for layer in network.layers]
    assert len(set(names)) == len(names)
    assert names[0] == "image"
    assert names[-1] == "logits"
    own = f"{case.model}_{case.encoder}" if has_encoder(case.model) else case.model
    assert network.name == own
    assert names == [layer.name for layer in rebuilt.layers]


def test_the_encoders_layers_can_be_told(case, network):
    assert bool(encoder_layers(network)) == has_encoder(case.model)
    heads = ("score", "up", "fc", "join", "logits", "neck", "skip")
    outside = [x.name for x in network.layers if x not in encoder_layers(network)]
    assert any(name.startswith(heads) for name in outside)


def test_batch_norms_are_fast_and_of_the_momentum_asked_for(network):
    norms = [x for x in network.layers if isinstance(x, layers.BatchNormalization)]
    assert all(isinstance(norm, BatchNorm) for norm in norms)
    assert {norm.momentum for norm in norms} <= {0.95}


def test_saved_and_loaded_gives_equal_logits(network, tmp_path):
    network.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    (size,) = allowed(network, (64, 45))
    image = picture(*size)
    np.testing.assert_array_equal(logits_of(loaded, image), logits_of(network, image))


@on_tensorflow
def test_gradients_reach_every_weight_and_one_step_lowers_the_loss(rebuilt):
    import tensorflow as tf

    model = rebuilt
    for layer in model.layers:
        if isinstance(layer, layers.Dropout):
            layer.rate = 0.0  # or two losses of one batch differ by chance
    (size,) = allowed(model, (64, 64))
    border = geometry(model).border
    image = picture(*size, batch=2)
    inside = image[:, border : size[0] - border, border : size[1] - border, 0]
    mask = (inside > 128).astype(np.uint8)
    mask[:, :8] = 255
    weights = [weight.value for weight in model.trainable_variables]
    with tf.GradientTape() as tape:
        before = cross_entropy(mask, model(image, training=True))
    gradients = tape.gradient(before, weights)
    for weight, gradient in zip(model.trainable_variables, gradients, strict=True):
        assert gradient is not None and np.any(gradient), weight.path
    # As long a step as would lower the loss by a hundredth, were it linear.
    square = sum(float(tf.reduce_sum(gradient**2)) for gradient in gradients)
    for weight, gradient in zip(weights, gradients, strict=True):
        weight.assign_sub(0.01 * before / square * gradient)
    after = cross_entropy(mask, model(image, training=True))
    assert float(after) < float(before)


# --- what only some have ---


@pytest.mark.parametrize("name", sorted(MODELS))
def test_grey_images(name):
    model = build_model(name, CLASSES, channels=1, width=4)
    assert model.input_shape == (None, None, None, 1)
    (size,) = allowed(model, (45, 64))
    assert logits_of(model, picture(*size, channels=1)).shape[-1] == CLASSES


@pytest.mark.parametrize("size", ((571, 572), (187, 188), (32, 32)), ids=str)
def test_sizes_that_the_paper_does_not_have_are_refused(size):
    model = build_model("unet_paper", 2, channels=1, width=2)
    with pytest.raises(ValueError, match=r"188 \+ k \* 16 pixels"):
        logits_of(model, picture(*size, channels=1))


def test_frozen_encoders_keep_their_layers_apart():
    model = build_model("fcn8s", CLASSES, "mobilenetv2", alpha=0.35)
    for layer in encoder_layers(model):
        layer.trainable = False
    paths = {weight.path.split("/")[0] for weight in model.trainable_variables}
    scores = {"score32", "score16", "score8", "up16", "up8", "score_up"}
    fc = {f"fc{n}_{kind}" for n in (6, 7) for kind in ("conv", "bn")}
    assert paths == scores | fc


def test_batch_norm_momentum_is_an_option():
    model = build_model("unet", CLASSES, width=4, batch_norm_momentum=0.5)
    assert model.get_layer("encoder_down1_1_bn").momentum == 0.5
    assert model.get_layer("up1_1_bn").momentum == 0.5


# --- what is refused ---


def refusal(*args, **options):
    with pytest.raises(ValueError) as caught:
        build_model(*args, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_unknown_model_lists_the_names():
    message = refusal("segment-anything", CLASSES)
    assert "segment-anything" in message
    assert all(repr(name) in message for name in MODELS)


def test_unknown_encoder_lists_the_names():
    message = refusal("unet", CLASSES, encoder="resnet")
    assert "resnet" in message
    assert all(repr(name) in message for name in ENCODERS)


def test_unknown_upsampling_lists_the_names():
    message = refusal("unet", CLASSES, upsampling="bicubic")
    assert "bicubic" in message
    for name in ("nearest", "bilinear", "transposed", "resize-conv", "unpool"):
        assert name in message


SLOW_TO_BUILD = ("resnet50", "efficientnetv2b0")  # in full, to be refused


@pytest.mark.parametrize(
    "encoder",
    [
        pytest.param(name, marks=[pytest.mark.slow] if name in SLOW_TO_BUILD else [])
        for name in sorted(set(ENCODERS) - {"plain", "vgg16"})
    ],
)
def test_unpooling_needs_two_by_two_pools(encoder):
    message = refusal("segnet", CLASSES, encoder=encoder)
    assert f"{encoder} has no 2x2 max pooling at stride" in message
    assert "vgg16" in message


@pytest.mark.parametrize("name", ("fcn32s", "fcn8s", "hypercolumn", "patch"))
def test_unpooling_needs_features_of_the_pools(name):
    assert "unet and segnet" in refusal(name, CLASSES, upsampling="unpool")


@pytest.mark.parametrize("how", ("bilinear", "resize-conv", "unpool"))
def test_the_papers_unet_does_not_look_beyond_its_tile(how):
    assert how in refusal("unet_paper", CLASSES, upsampling=how)


@pytest.mark.parametrize(
    "name, encoder, options",
    (
        ("unet", "plain", {"alpha": 0.5}),
        ("unet", "plain", {"fc_width": 64}),
        ("unet", "mobilenetv2", {"width": 4}),
        ("dense", "plain", {"upsampling": "bilinear"}),
        ("fcn8s", "plain", {"widht": 4}),
    ),
)
def test_option_that_does_nothing_is_refused(name, encoder, options):
    message = refusal(name, CLASSES, encoder=encoder, **options)
    (option,) = options
    assert f"takes no `{option}`" in message


@pytest.mark.parametrize("name", [name for name in MODELS if not has_encoder(name)])
def test_network_without_an_encoder_takes_none(name):
    assert "mobilenetv2" in refusal(name, CLASSES, encoder="mobilenetv2")
    assert "imagenet" in refusal(name, CLASSES, weights="imagenet")


@pytest.mark.parametrize("num_classes", (1, 0, -1))
def test_fewer_than_two_classes_are_refused(num_classes):
    assert str(num_classes) in refusal("unet", num_classes)


@pytest.mark.parametrize("channels", (0, 2, 4))
def test_channels_refused(channels):
    assert str(channels) in refusal("unet", CLASSES, channels=channels)
