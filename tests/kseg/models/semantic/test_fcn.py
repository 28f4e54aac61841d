"""FCN as described by Long, Shelhamer and Darrell."""

import keras
import numpy as np
import pytest
from keras import ops

from kseg.models import build_model
from kseg.models.encoders import ENCODERS

# The networks of the paper with 21 classes: VGG16's convolutions, fc6 and fc7, score
# layers, and transposed convolutions between all classes.
PARAMETERS = {"fcn32s": 136_152_917, "fcn16s": 134_815_994, "fcn8s": 134_489_759}


@pytest.mark.slow
@pytest.mark.parametrize("name", PARAMETERS)
def test_vgg16_networks_have_the_number_of_parameters_of_the_paper(name):
    model = build_model(name, 21, "vgg16")
    assert model.count_params() == PARAMETERS[name]
    fc6, fc7 = (model.get_layer(f"fc{n}_conv") for n in (6, 7))
    assert (fc6.kernel_size, fc6.filters) == ((7, 7), 4096)
    assert (fc7.kernel_size, fc7.filters) == ((1, 1), 4096)
    assert model.get_layer("fc6_dropout").rate == 0.5
    last = {"fcn32s": 32, "fcn16s": 16, "fcn8s": 8}[name]
    enlarge = model.get_layer("score_up")
    assert enlarge.kernel_size == (2 * last, 2 * last)
    assert enlarge.strides == (last, last)


def small(name, encoder="plain", **options):
    if encoder in ("plain",):
        options["width"] = 4
    return build_model(name, 3, encoder, **options)


@pytest.mark.parametrize("name, skips", (("fcn16s", [16]), ("fcn8s", [16, 8])))
def test_scores_of_finer_taps_start_at_zero(name, skips):
    model = small(name)
    names = [layer.name for layer in model.layers]
    found = [stride for stride in (32, 16, 8, 4) if f"score{stride}" in names]
    assert found == [32, *skips]
    for stride in skips:
        for weight in model.get_layer(f"score{stride}").weights:
            assert not ops.convert_to_numpy(weight).any()
    assert ops.convert_to_numpy(model.get_layer("score32").kernel).any()


@pytest.mark.parametrize("encoder", ("plain", "vgg16"))
def test_skips_are_those_of_pool4_and_pool3(encoder):
    model = small("fcn8s", encoder, fc_width=8)
    pools = {
        "plain": {16: "encoder_down8_pool", 8: "encoder_down4_pool"},
        "vgg16": {16: "encoder_block4_pool", 8: "encoder_block3_pool"},
    }
    for stride, name in pools[encoder].items():
        source = model.get_layer(f"score{stride}").input
        assert source is model.get_layer(name).output


def test_untrained_finer_network_gives_the_scores_of_the_coarser():
    """Skips are zero, and two bilinear upsamplings are nearly the same as one."""
    image = np.random.RandomState(0).uniform(0, 255, (1, 320, 320, 3))
    coarse, fine = (small(name, upsampling="bilinear") for name in ("fcn32s", "fcn16s"))
    names = {layer.name for layer in coarse.layers}
    for layer in fine.layers:
        if layer.weights and layer.name in names:
            layer.set_weights(coarse.get_layer(layer.name).get_weights())
    a, b = (
        ops.convert_to_numpy(model(image.astype("float32"), training=False))
        for model in (coarse, fine)
    )
    # Two bilinear steps are not exactly one; the scores before them are equal.
    inside = (0, slice(64, -64), slice(64, -64))
    assert np.abs(a[inside] - b[inside]).mean() < 0.1 * a[inside].std()


def test_fc_width_is_an_option():
    model = small("fcn32s", fc_width=24)
    assert model.get_layer("fc6_conv").filters == 24
    assert model.get_layer("fc7_conv").filters == 24


@pytest.mark.parametrize(
    "encoder, kernel, norm", (("vgg16", 7, False), ("alexnet", 6, False))
)
def test_classifiers_are_those_of_the_encoder(encoder, kernel, norm):
    model = small("fcn32s", encoder, fc_width=8)
    assert model.get_layer("fc6_conv").kernel_size == (kernel, kernel)
    assert model.get_layer("fc6_conv").use_bias
    assert not any(layer.name.startswith("fc6_bn") for layer in model.layers)


def test_googlenet_is_scored_without_fc_layers():
    model = small("fcn32s", "googlenet")
    assert not any(layer.name.startswith("fc") for layer in model.layers)
    assert model.get_layer("score32").input.shape[-1] == 1024
    with pytest.raises(ValueError, match="googlenet has no layer fc6"):
        small("fcn32s", "googlenet", fc_width=64)


@pytest.mark.parametrize("size", ((64, 64), (65, 97), (95, 33)), ids=str)
def test_scores_are_aligned_with_the_image_at_any_size(size):
    """The score of a cell is upsampled to the pixels of that cell, despite the crop."""
    model = small("fcn32s", fc_width=4)
    score = keras.Model(model.input, model.get_layer("score32").output)
    image = np.random.RandomState(1).uniform(0, 255, (1, *size, 3)).astype("float32")
    cells = ops.convert_to_numpy(score(image, training=False))[0]
    logits = ops.convert_to_numpy(model(image, training=False))[0]
    assert cells.shape[:2] == tuple(-(-side // 32) for side in size)
    assert logits.shape[:2] == size
    # Between the two middle pixels of a cell only its own score has weight.
    for row in range(size[0] // 32):
        for column in range(size[1] // 32):
            middle = logits[32 * row + 15 : 32 * row + 17, 32 * column + 15 :][:, :2]
            expected = cells[row, column] * (1 - 1 / 64) ** 2
            close = np.abs(middle.mean((0, 1)) - expected)
            assert (close < 0.05 * np.abs(cells).max()).all()


@pytest.mark.slow
def test_every_encoder_can_be_scored():
    for encoder in sorted(set(ENCODERS) - {"vgg16", "resnet50", "efficientnetv2b0"}):
        options = {} if encoder == "googlenet" else {"fc_width": 8}
        model = small("fcn8s", encoder, **options)
        assert model.get_layer("score8").input.shape[-1] > 0
