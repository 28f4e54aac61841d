"""One contract that every network keeps, whatever its encoder."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from kseg.losses import cross_entropy
from kseg.models import MODELS, build_model, minimum_size
from kseg.models.encoders import ENCODERS
from kseg.models.layers import BatchNorm

CLASSES = 3
# Small ones of each encoder.
OPTIONS = {"plain": {"width": 4}, "mobilenetv2": {"alpha": 0.35}}
# U-Net goes as deep as its encoder likes, FCN to stride 32.
STRIDES = {("unet", "plain"): 16}

on_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="needs TensorFlow's GradientTape"
)


def build(name, encoder, **options):
    keras.utils.set_random_seed(0)
    return build_model(name, CLASSES, encoder, **OPTIONS[encoder], **options)


def picture(height, width, channels=3, batch=1):
    random = np.random.RandomState(0)
    return random.uniform(0, 255, (batch, height, width, channels)).astype("float32")


def logits_of(model, image):
    return ops.convert_to_numpy(model(image, training=False))


@pytest.fixture(
    scope="module",
    params=[(name, encoder) for name in sorted(MODELS) for encoder in sorted(ENCODERS)],
    ids="-".join,
)
def built(request):
    """(model's name, encoder's name, the network of both)."""
    return *request.param, build(*request.param)


@pytest.fixture(scope="module")
def model(built):
    return built[2]


def test_there_are_options_for_every_encoder():
    assert set(OPTIONS) == set(ENCODERS)


# --- the contract ---


@pytest.mark.parametrize("size", ((64, 96), (77, 50)), ids=str)
def test_logits_have_the_size_of_the_image(model, size):
    logits = logits_of(model, picture(*size, batch=2))
    assert logits.shape == (2, *size, CLASSES)
    assert logits.dtype == np.float32
    assert np.isfinite(logits).all()


def test_size_is_free_and_said_to_be(model):
    assert model.input_shape == (None, None, None, 3)
    assert model.output_shape == (None, None, None, CLASSES)


def test_minimum_size_is_the_stride_and_enough(built):
    name, encoder, model = built
    least = minimum_size(model)
    assert least == STRIDES.get((name, encoder), 32)
    assert logits_of(model, picture(least, least)).shape[1:3] == (least, least)


def test_layer_names_are_a_contract(built):
    """None is made up by Keras, whose counter would name them anew in each build."""
    name, encoder, model = built
    names = [operation.name for operation in model.operations]
    assert len(set(names)) == len(names)
    assert names[0] == "image"
    assert names[-1] == "logits"
    assert model.name == f"{name}_{encoder}"
    assert names == [operation.name for operation in build(name, encoder).operations]


def test_batch_norms_are_fast_and_of_the_momentum_asked_for(model):
    norms = [x for x in model.layers if isinstance(x, layers.BatchNormalization)]
    assert norms
    assert all(isinstance(norm, BatchNorm) for norm in norms)
    assert {norm.momentum for norm in norms} == {0.95}


def test_saved_and_loaded_gives_equal_logits(model, tmp_path):
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    image = picture(64, 45)
    np.testing.assert_array_equal(logits_of(loaded, image), logits_of(model, image))


@on_tensorflow
def test_every_weight_learns_and_the_loss_falls(built):
    import tensorflow as tf

    model = built[2]
    image = picture(64, 64, batch=2)
    mask = (image[..., 0] > 128).astype(np.uint8)
    mask[:, :8] = 255
    optimizer = keras.optimizers.Adam(3e-3)
    losses = []
    for _ in range(4):
        with tf.GradientTape() as tape:
            loss = cross_entropy(mask, model(image, training=True))
        weights = model.trainable_variables
        gradients = tape.gradient(loss, [weight.value for weight in weights])
        silent = [w.path for w, g in zip(weights, gradients, strict=True) if g is None]
        assert silent == []
        optimizer.apply(gradients, weights)
        losses.append(float(loss))
    assert losses[-1] < losses[0]


# --- what only some have ---


@pytest.mark.parametrize("name", sorted(MODELS))
@pytest.mark.parametrize("encoder", sorted(ENCODERS))
def test_grey_images(name, encoder):
    model = build(name, encoder, channels=1)
    assert model.input_shape == (None, None, None, 1)
    assert logits_of(model, picture(45, 64, channels=1)).shape == (1, 45, 64, CLASSES)


@pytest.mark.parametrize("encoder", sorted(ENCODERS))
@pytest.mark.parametrize("name, skips", (("fcn16s", [16]), ("fcn8s", [16, 8])))
def test_scores_of_finer_taps_start_at_zero(name, skips, encoder):
    model = build(name, encoder)
    names = [layer.name for layer in model.layers]
    assert [f"score{stride}" in names for stride in (32, 16, 8, 4)] == [
        True,
        True,
        8 in skips,
        False,
    ]
    for stride in skips:
        for weight in model.get_layer(f"score{stride}").weights:
            assert not ops.convert_to_numpy(weight).any()
    assert ops.convert_to_numpy(model.get_layer("score32").kernel).any()


def test_batch_norm_momentum_is_an_option():
    model = build("unet", "plain", batch_norm_momentum=0.5)
    assert model.get_layer("down1_1_bn").momentum == 0.5


def test_width_doubles_with_each_stage():
    model = build("unet", "plain")
    widths = [model.get_layer(f"down{s}_1_conv").filters for s in (1, 2, 4, 8, 16)]
    assert widths == [4, 8, 16, 32, 64]


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


@pytest.mark.parametrize("num_classes", (1, 0, -1))
def test_fewer_than_two_classes_are_refused(num_classes):
    assert str(num_classes) in refusal("unet", num_classes)


@pytest.mark.parametrize("channels", (0, 2, 4))
def test_channels_refused(channels):
    assert str(channels) in refusal("unet", CLASSES, channels=channels)


@pytest.mark.parametrize("weights", ("imagenet", "some.h5"))
def test_plain_encoder_has_no_weights(weights):
    message = refusal("unet", CLASSES, weights=weights)
    assert weights in message
    assert "mobilenetv2" in message


@pytest.mark.parametrize("weights", ("missing.h5", "imagenette"))
def test_weights_that_are_not_there_are_refused(weights):
    message = refusal("unet", CLASSES, encoder="mobilenetv2", weights=weights)
    assert weights in message


def test_file_that_holds_no_weights_is_refused(tmp_path):
    path = tmp_path / "notes.h5"
    path.write_text("not weights")
    message = refusal("unet", CLASSES, encoder="mobilenetv2", weights=str(path))
    assert str(path) in message


# --- ImageNet's weights, where they are at hand ---


def weights_file(shared, alpha):
    name = f"mobilenet_v2_weights_tf_dim_ordering_tf_kernels_{alpha}_224_no_top.h5"
    path = shared / "keras_home" / "models" / name
    if not path.is_file():
        pytest.skip(f"needs {name} in the shared folder")
    return str(path)


@pytest.fixture(scope="module")
def pretrained(shared):
    return build("unet", "mobilenetv2", weights=weights_file(shared, 0.35))


def test_weights_are_read_from_a_file(pretrained):
    kernel = ops.convert_to_numpy(pretrained.get_layer("Conv1").kernel)
    random = build("unet", "mobilenetv2").get_layer("Conv1").kernel
    assert kernel.shape == random.shape
    assert not np.allclose(kernel, ops.convert_to_numpy(random))
    moved = pretrained.get_layer("bn_Conv1").moving_variance
    assert not np.allclose(ops.convert_to_numpy(moved), 1)


def test_grey_images_with_weights_of_colour(pretrained, shared):
    grey = build("unet", "mobilenetv2", channels=1, weights=weights_file(shared, 0.35))
    grey.set_weights(pretrained.get_weights())
    image = picture(40, 64, channels=1)
    colour = np.repeat(image, 3, axis=3)
    np.testing.assert_allclose(
        logits_of(grey, image), logits_of(pretrained, colour), atol=1e-5
    )


def test_weights_of_another_width_are_refused(shared):
    path = weights_file(shared, "1.0")
    message = refusal("unet", CLASSES, encoder="mobilenetv2", alpha=0.35, weights=path)
    assert path in message
    assert "0.35" in message
