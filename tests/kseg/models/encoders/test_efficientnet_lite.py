"""EfficientNet-Lite0: published numbers, and its features compared with PyTorch's."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from kseg.models.encoders.efficientnet_lite import STAGES, efficientnetlite0, torch_name
from kseg.models.encoders.features import features_of
from tests.kseg.models.encoders.torch_files import state_file

CLASSIFIER = 1280 * 1000 + 1000


def encoder(channels=3, weights="none"):
    image = keras.Input((None, None, channels), name="image")
    return efficientnetlite0(image, weights)


def torch_state(network, seed=0):
    """Random weights by the names and shapes of PyTorch's file."""
    random, state = np.random.RandomState(seed), {}
    for layer in network.layers:
        name = torch_name(layer.name) if layer.weights else ""
        if isinstance(layer, layers.BatchNormalization):
            (width,) = layer.gamma.shape
            state[f"{name}.weight"] = random.uniform(0.5, 1.5, width)
            state[f"{name}.bias"] = random.normal(0, 0.5, width)
            state[f"{name}.running_mean"] = random.normal(0, 0.1, width)
            state[f"{name}.running_var"] = random.uniform(0.5, 1.5, width)
        elif layer.weights:
            height, width, inputs, outputs = layer.kernel.shape
            shape = (outputs, inputs, height, width)
            if isinstance(layer, layers.DepthwiseConv2D):
                shape, inputs = (inputs, outputs, height, width), 1
            spread = np.sqrt(2 / (inputs * height * width))
            state[f"{name}.weight"] = random.normal(0, spread, shape)
    return {name: np.float32(array) for name, array in state.items()}


@pytest.fixture(scope="module")
def network():
    return encoder()


def test_parameters_are_the_published_4_652_008(network):
    trained = sum(int(np.prod(w.shape)) for w in network.trainable_weights)
    assert trained + CLASSIFIER == 4_652_008


def test_preprocessing_is_that_of_the_authors(network):
    scaled = network.get_layer("rescale")(np.float32([[[[0, 127, 255]]]]))
    found = ops.convert_to_numpy(scaled).ravel().tolist()
    assert found == pytest.approx([-127 / 128, 0, 1])


@pytest.fixture(scope="module")
def state(network):
    return torch_state(network)


@pytest.fixture(scope="module")
def path(state, tmp_path_factory):
    return state_file(tmp_path_factory.mktemp("torch") / "a.pth", state)


def test_weights_are_read_by_name(path, state):
    filled = encoder(weights=str(path))
    kernel = filled.get_layer("block3_expand_conv").kernel
    expected = state["_blocks.3._expand_conv.weight"]  # OIHW
    np.testing.assert_array_equal(
        ops.convert_to_numpy(kernel)[0, 0], expected[:, :, 0, 0].T
    )
    kernel = filled.get_layer("block3_depthwise_conv").kernel
    expected = state["_blocks.3._depthwise_conv.weight"]
    np.testing.assert_array_equal(
        ops.convert_to_numpy(kernel)[1, 2, :, 0], expected[:, 0, 1, 2]
    )
    bn = filled.get_layer("block3_project_bn")
    np.testing.assert_array_equal(
        ops.convert_to_numpy(bn.moving_variance), state["_blocks.3._bn2.running_var"]
    )


def test_grey_images_take_the_weights_of_rgb(path):
    grey, color = encoder(1, str(path)), encoder(3, str(path))
    image = np.random.RandomState(0).uniform(0, 255, (1, 32, 64, 1)).astype("float32")
    np.testing.assert_allclose(
        ops.convert_to_numpy(grey(image, training=False)),
        ops.convert_to_numpy(color(np.repeat(image, 3, 3), training=False)),
        atol=1e-5,
    )


def test_files_that_do_not_fit(tmp_path, state):
    partial = {name: array for name, array in state.items() if "_blocks.5" not in name}
    missing = state_file(tmp_path / "missing.pth", partial)
    with pytest.raises(ValueError, match=r"missing\.pth: the weights do not fit Eff"):
        encoder(weights=str(missing))
    with pytest.raises(ValueError, match="must be imagenet, none or a file"):
        encoder(weights=str(tmp_path / "none.pth"))


# --- compared with PyTorch ---


def torch_features(state, image):
    """The taps of strides 2 to 32: image (1, H, W, 3) -> arrays (1, h, w, c)."""
    import torch
    from torch.nn import functional

    state = {name: torch.tensor(array) for name, array in state.items()}

    def conv(x, name, stride=1, depthwise=False):
        kernel = state[f"{name}.weight"]
        pads = []
        for side in (x.shape[3], x.shape[2]):  # as TensorFlow's SAME
            missing = (-(-side // stride) - 1) * stride + kernel.shape[-1] - side
            pads += [max(missing, 0) // 2, max(missing, 0) - max(missing, 0) // 2]
        groups = x.shape[1] if depthwise else 1
        return functional.conv2d(
            functional.pad(x, pads), kernel, stride=stride, groups=groups
        )

    def norm(x, name):
        parts = ("running_mean", "running_var", "weight", "bias")
        return functional.batch_norm(
            x, *(state[f"{name}.{p}"] for p in parts), eps=1e-3
        )

    x = (torch.tensor(image).permute(0, 3, 1, 2) - 127) / 128
    x = functional.relu6(norm(conv(x, "_conv_stem", 2), "_bn0"))
    taps, number = [], 0
    for stage in STAGES:
        for index in range(stage.blocks):
            name, stride = f"_blocks.{number}.", stage.stride if index == 0 else 1
            y = x
            if stage.expansion > 1:
                y = functional.relu6(
                    norm(conv(y, f"{name}_expand_conv"), f"{name}_bn0")
                )
            if stride > 1:
                taps.append(y)
            y = norm(conv(y, f"{name}_depthwise_conv", stride, True), f"{name}_bn1")
            y = norm(conv(functional.relu6(y), f"{name}_project_conv"), f"{name}_bn2")
            x = x + y if stride == 1 and x.shape == y.shape else y
            number += 1
    taps.append(functional.relu6(norm(conv(x, "_conv_head"), "_bn1")))
    return [tap.permute(0, 2, 3, 1).numpy() for tap in taps]


@pytest.mark.slow
def test_features_equal_those_of_pytorch(path, state):
    pytest.importorskip("torch")
    filled = encoder(weights=str(path))
    taps = features_of(filled, "efficientnetlite0").taps
    model = keras.Model(filled.input, [taps[stride] for stride in sorted(taps)])
    image = np.random.RandomState(0).uniform(0, 255, (1, 64, 96, 3)).astype("float32")
    expected = torch_features(state, image)
    for ours, theirs in zip(model(image, training=False), expected, strict=True):
        np.testing.assert_allclose(ops.convert_to_numpy(ours), theirs, atol=1e-3)
