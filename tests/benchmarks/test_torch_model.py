"""The PyTorch model equals the Keras model, forward and backward."""

import keras
import numpy as np
import pytest

from benchmarks.torch_losses import cross_entropy
from benchmarks.torch_model import torch_model
from kseg.models import build_model
from kseg.training.losses.segmentation import SegmentationLoss

CLASSES = 3
NETWORKS = {
    "unet-plain": ("unet", "plain", {"width": 4}),
    "unet-plain-transposed": (
        "unet",
        "plain",
        {"width": 4, "upsampling": "transposed"},
    ),
    "unet-mobilenetv2": ("unet", "mobilenetv2", {"alpha": 0.35}),
    "fcn8s-plain": ("fcn8s", "plain", {"width": 4, "fc_width": 8}),
    "fcn16s-nearest": (
        "fcn16s",
        "plain",
        {"width": 4, "fc_width": 8, "upsampling": "nearest"},
    ),
    "fcn8s-mobilenetv2": ("fcn8s", "mobilenetv2", {"alpha": 0.35, "fc_width": 8}),
    # Has strided convolutions and overlapping poolings with "same" padding.
    "fcn32s-alexnet": ("fcn32s", "alexnet", {"fc_width": 8}),
}


@pytest.fixture(scope="module", autouse=True)
def with_torch() -> None:
    """PyTorch is imported by the first test: each worker collects the tests."""
    global torch
    torch = pytest.importorskip("torch", reason="pip install -e '.[torch]'")


def network(name: str) -> keras.Model:
    """A network with random batch norm statistics and score weights."""
    keras.utils.set_random_seed(0)
    model, encoder, options = NETWORKS[name]
    model = build_model(model, CLASSES, encoder, **options)
    random = np.random.RandomState(0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.Dropout):
            layer.rate = 0.0  # libraries drop different units
        if isinstance(layer, keras.layers.BatchNormalization):
            shape = layer.gamma.shape
            layer.set_weights([random.uniform(0.5, 1.5, shape) for _ in range(4)])
        elif layer.name.startswith("score") and layer.weights:
            kernel = layer.get_weights()[0]
            layer.kernel.assign(random.normal(0, 0.1, kernel.shape))
    return model


def images(height: int, width: int) -> np.ndarray:
    random = np.random.RandomState(1)
    return random.uniform(0, 255, (2, height, width, 3)).astype("float32")


def as_torch(image: np.ndarray) -> "torch.Tensor":
    tensor = torch.from_numpy(image.transpose(0, 3, 1, 2).copy())
    return tensor.to(memory_format=torch.channels_last)


def as_keras(logits: "torch.Tensor") -> np.ndarray:
    return logits.detach().numpy().transpose(0, 2, 3, 1)


@pytest.fixture
def model(request) -> keras.Model:
    return network(request.param)


def networks(*quick: str) -> pytest.MarkDecorator:
    """All networks; those that are not in `quick` are slow tests."""
    params = [
        name if name in quick else pytest.param(name, marks=pytest.mark.slow)
        for name in NETWORKS
    ]
    return pytest.mark.parametrize("model", params, indirect=True)


@networks("unet-plain", "fcn8s-plain", "unet-mobilenetv2")
def test_outputs_equal_those_of_keras(model):
    converted = torch_model(model)
    for training, size in ((False, (64, 96)), (True, (50, 70))):
        image = images(*size)
        expected = np.asarray(model(image, training=training))
        found = as_keras(converted.train(training)(as_torch(image)))
        assert found.shape == expected.shape and np.abs(expected).max() > 0.1
        np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())


@networks("unet-plain")
def test_a_training_step_equals_that_of_keras(model):
    """SGD changes each weight by its gradient, so the changes must be equal."""
    converted, before = torch_model(model), torch_model(model)
    image = images(64, 64)
    mask = np.random.RandomState(2).randint(0, CLASSES, (2, 64, 64)).astype("uint8")
    mask[:, :20] = 255
    model.compile(keras.optimizers.SGD(0.1), SegmentationLoss())
    model.train_on_batch(image, mask)
    loss = cross_entropy(converted(as_torch(image)), torch.from_numpy(mask))
    loss.backward()
    torch.optim.SGD(converted.parameters(), 0.1).step()
    expected = dict(torch_model(model).named_parameters())
    old = dict(before.named_parameters())
    for name, value in converted.named_parameters():
        change = (expected[name] - old[name]).detach()
        size = float(change.abs().max())
        # The gradient of a bias before a batch norm is zero.
        assert size > 1e-6 or name.endswith("bias"), name
        found = (value - old[name]).detach()
        tolerance = max(1e-6, 1e-2 * size)
        torch.testing.assert_close(found, change, rtol=0, atol=tolerance, msg=name)


def test_memory_is_channels_last():
    converted = torch_model(network("unet-plain"))
    seen = []
    for module in converted.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.register_forward_hook(lambda m, x, y: seen.append(y))
    converted(as_torch(images(64, 64)))
    assert seen
    for y in seen:
        assert y.is_contiguous(memory_format=torch.channels_last)


def one_layer(layer: keras.layers.Layer) -> keras.Model:
    image = keras.Input((None, None, 3), name="image")
    return keras.Model(image, layer(image))


@pytest.mark.parametrize(
    ("layer", "why"),
    [
        (keras.layers.Softmax(name="odd"), "odd: Softmax is not supported"),
        (keras.layers.Conv2D(4, 3, activation="relu", name="odd"), "odd: .* relu"),
        (keras.layers.ReLU(negative_slope=0.1, name="odd"), "odd: .* negative_slope"),
        (keras.layers.Reshape((3, -1), name="odd"), "odd: .* target_shape"),
        (keras.layers.BatchNormalization(scale=False, name="odd"), "odd: .* scale"),
        (keras.layers.Conv2DTranspose(4, 3, 2, "same", name="odd"), "odd: .* 3x3"),
        (keras.layers.Activation("gelu", name="odd"), "odd: .* gelu"),
    ],
)
def test_unsupported_layers_are_named(layer, why):
    with pytest.raises(ValueError, match=why):
        torch_model(one_layer(layer))


def test_relu_is_in_place_only_without_other_readers():
    """An in-place first ReLU would change the input of the sum."""
    image = keras.Input((None, None, 3), name="image")
    x = keras.layers.Rescaling(1.0, offset=-128.0, name="rescale")(image)
    y = keras.layers.Add(name="sum")([x, keras.layers.ReLU(name="relu")(x)])
    model = keras.Model(image, keras.layers.ReLU(name="last")(y))
    converted, image = torch_model(model), images(4, 4)
    np.testing.assert_allclose(as_keras(converted(as_torch(image))), model(image))
    assert converted.last.inplace and not converted.relu.inplace


def test_rescaling_by_channel_and_a_relu_of_its_own():
    image = keras.Input((None, None, 3), name="image")
    scale, offset = [1.0, 2.0, 3.0], [-300.0, 0.0, -100.0]
    x = keras.layers.Rescaling(scale, offset=offset, name="rescale")(image)
    model = keras.Model(image, keras.layers.Activation("relu", name="relu")(x))
    found = as_keras(torch_model(model)(as_torch(images(4, 6))))
    expected = np.maximum(images(4, 6) * scale + offset, 0)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_channels_and_rows_are_joined():
    """(2, 4, 6, 3) twice: 6 channels; as rows of 3 channels, 48 rows."""
    image = keras.Input((4, 6, 3), name="image")
    rows = keras.layers.Reshape((-1, 3), name="rows")(image)
    tall = keras.layers.Concatenate(axis=1, name="tall")([rows, rows])
    deep = keras.layers.Concatenate(name="deep")([image, image])
    model = keras.Model(image, {"tall": tall, "deep": deep})
    found = torch_model(model)(as_torch(images(4, 6)))
    expected = model(images(4, 6))
    assert found["tall"].shape == (2, 48, 3) and found["deep"].shape == (2, 6, 4, 6)
    np.testing.assert_array_equal(found["tall"].numpy(), expected["tall"])
    np.testing.assert_array_equal(as_keras(found["deep"]), expected["deep"])


def test_features_are_joined_by_channels_only():
    image = keras.Input((4, 6, 3), name="image")
    joined = keras.layers.Concatenate(axis=1, name="odd")([image, image])
    with pytest.raises(ValueError, match="odd: only axis -1"):
        torch_model(keras.Model(image, joined))


def test_an_activation_in_a_convolution():
    model = one_layer(keras.layers.Conv2D(2, 1, activation="tanh", name="tanh"))
    image = images(4, 6) / 255
    found = as_keras(torch_model(model)(as_torch(image)))
    np.testing.assert_allclose(found, model(image), atol=1e-5)
