"""The network of objects: outputs, sizes, saving, gradients."""

import keras
import numpy as np
import pytest
from keras import ops

from edge.predict.boxes import cell_count
from kseg.models import build_model, encoder_layers, geometry

CLASSES = 3
STRIDES = (4, 8, 16)


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(0)
    return build_model("instances", CLASSES, width=4, strides=STRIDES)


def random_image(height, width, channels=3, batch=1):
    random = np.random.RandomState(0)
    return random.uniform(0, 255, (batch, height, width, channels)).astype("float32")


def outputs_of(model, image):
    return {k: ops.convert_to_numpy(v) for k, v in model(image, training=False).items()}


@pytest.mark.parametrize("size", ((64, 64), (77, 50), (48, 112)), ids=str)
def test_outputs_have_a_row_for_each_cell_of_the_padded_image(network, size):
    found = outputs_of(network, random_image(*size, batch=2))
    padded = tuple(-(-side // 16) * 16 for side in size)
    cells = cell_count(padded, STRIDES)
    assert found["scores"].shape == (2, cells, CLASSES)
    assert found["boxes"].shape == (2, cells, 4)
    assert found["coefficients"].shape == (2, cells, 32)
    assert found["prototypes"].shape == (2, padded[0] // 2, padded[1] // 2, 32)
    assert {x.dtype for x in found.values()} == {np.dtype(np.float32)}
    assert np.abs(found["coefficients"]).max() <= 1
    assert found["prototypes"].min() >= 0


def test_every_cell_starts_at_a_score_of_about_one_percent(network):
    scores = outputs_of(network, np.zeros((1, 64, 64, 3), np.float32))["scores"]
    assert np.median(1 / (1 + np.exp(-scores))) == pytest.approx(0.01, abs=0.01)


def test_without_masks_there_are_scores_and_boxes():
    model = build_model("instances", 1, width=4, strides=STRIDES, masks=False)
    assert sorted(outputs_of(model, random_image(32, 32))) == ["boxes", "scores"]


def test_the_size_is_a_multiple_of_the_coarsest_stride(network):
    assert geometry(network).minimum == 16
    assert encoder_layers(network)


def test_grey_images():
    model = build_model("instances", 2, channels=1, width=4, strides=STRIDES)
    assert outputs_of(model, random_image(32, 48, 1))["scores"].shape[-1] == 2


@pytest.mark.slow
def test_mobilenet_has_taps_at_every_stride():
    for strides in (STRIDES, (8, 16, 32)):
        model = build_model("instances", 1, "mobilenetv2", alpha=0.35, strides=strides)
        found = outputs_of(model, random_image(64, 64))
        assert found["scores"].shape[1] == cell_count((64, 64), strides)
        assert found["prototypes"].shape[1] == 64 // (strides[0] // 2)


def test_strides_that_the_encoder_lacks_are_refused():
    with pytest.raises(ValueError, match="no features at stride 64"):
        build_model("instances", 1, "mobilenetv2", alpha=0.35, strides=(16, 32, 64))


def test_saved_and_loaded_gives_equal_outputs(network, tmp_path):
    network.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    image = random_image(40, 64)
    expected = outputs_of(network, image)
    for role, found in outputs_of(loaded, image).items():
        np.testing.assert_array_equal(found, expected[role])


def test_layer_names_are_the_same_in_each_build(network):
    again = build_model("instances", CLASSES, width=4, strides=STRIDES)
    names = [layer.name for layer in network.layers]
    assert names == [layer.name for layer in again.layers]
    assert len(set(names)) == len(names)
    assert network.name == "instances_plain"
