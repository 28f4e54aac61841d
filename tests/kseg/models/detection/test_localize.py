"""The network of one object: outputs, sizes, saving."""

import keras
import numpy as np
import pytest
from keras import ops

from kseg.models import build_model, encoder_layers, geometry
from kseg.models.detection.localize import MapCenters


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(0)
    return build_model("localize", 3, width=4)


def outputs_of(model, height, width):
    image = np.random.RandomState(0).uniform(0, 255, (2, height, width, 3))
    found = model(image.astype("float32"), training=False)
    return {role: ops.convert_to_numpy(x) for role, x in found.items()}


@pytest.mark.parametrize("size", [(64, 64), (50, 77)], ids=str)
def test_there_is_one_row_for_each_image(network, size):
    found = outputs_of(network, *size)
    shapes = {role: x.shape for role, x in found.items()}
    assert shapes == {"scores": (2, 1, 3), "boxes": (2, 1, 4), "logits": (2, 1, 3)}
    assert {x.dtype for x in found.values()} == {np.dtype(np.float32)}
    np.testing.assert_allclose(found["scores"].sum(-1), 1, atol=1e-6)
    exponents = np.exp(found["logits"])
    expected = exponents / exponents.sum(-1, keepdims=True)
    np.testing.assert_allclose(found["scores"], expected, atol=1e-6)
    assert 0 <= found["boxes"].min() and found["boxes"].max() <= 1


def test_it_has_an_encoder_and_a_stride(network):
    assert geometry(network).minimum == 32
    assert encoder_layers(network) and network.name == "localize_plain"
    assert build_model("localize", 1, channels=1, width=4).input_shape[-1] == 1


def test_saved_and_loaded_gives_equal_outputs(network, tmp_path):
    network.save(tmp_path / "model.keras")
    expected = outputs_of(network, 64, 64)
    loaded = keras.models.load_model(tmp_path / "model.keras")
    for role, found in outputs_of(loaded, 64, 64).items():
        np.testing.assert_array_equal(found, expected[role])


def test_centers_of_maps_by_hand():
    maps = np.full((1, 2, 4, 2), -100, np.float32)
    maps[0, 1, 3, 0] = 0  # one cell
    maps[0, :, 1, 1] = 5  # two cells
    found = ops.convert_to_numpy(MapCenters()(maps))
    assert found.shape == (1, 4)
    assert found[0].tolist() == [1.5 / 2, 3.5 / 4, 1 / 2, 1.5 / 4]


def test_equal_maps_have_their_centre_in_the_middle():
    found = ops.convert_to_numpy(MapCenters()(np.ones((1, 3, 5, 1), np.float32)))
    assert found[0].tolist() == pytest.approx([0.5, 0.5])
