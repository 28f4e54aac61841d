"""YOLO v1: the paper's size, the grid's arithmetic, the small form."""

import keras
import numpy as np
import pytest
from keras import ops

from kseg.models import build_model, geometry
from kseg.models.detection.yolo import GridBoxes, GridScores, input_size, yolo
from kseg.models.keras_engine import KerasEngine


@pytest.fixture(scope="module")
def small():
    keras.utils.set_random_seed(0)
    return build_model("yolo", 3, width=4)


def image(height, width, batch=1):
    random = np.random.RandomState(0)
    return random.uniform(0, 255, (batch, height, width, 3)).astype("float32")


def numpy_of(outputs):
    return {role: ops.convert_to_numpy(x) for role, x in outputs.items()}


def test_the_paper_s_network_has_271_703_550_parameters():
    """24 convolutions and 2 dense layers; no memory is allocated for the weights."""
    import tensorflow as tf

    with tf.Graph().as_default(), keras.StatelessScope(initialize_variables=False):
        inputs = keras.Input((*input_size("dense"), 3))
        model = keras.Model(inputs, yolo(inputs, 20, width=64, grid_head="dense"))
    layers = [type(x).__name__ for x in model.layers]
    assert (layers.count("Conv2D"), layers.count("Dense")) == (24, 2)
    assert model.count_params() == 60_155_968 + 205_524_992 + 6_022_590 == 271_703_550
    assert model.input_shape == (None, 448, 448, 3)
    shapes = {role: x.shape[1:] for role, x in model.output.items()}
    assert shapes["classes"] == (7, 7, 20) and shapes["places"] == (7, 7, 8)
    assert shapes["scores"] == (98, 20) and shapes["boxes"] == (98, 4)
    assert {x.rate for x in model.layers if isinstance(x, keras.layers.Dropout)} == {
        0.5
    }
    slopes = {
        x.negative_slope for x in model.layers if isinstance(x, keras.layers.LeakyReLU)
    }
    assert [pytest.approx(0.1)] == list(slopes)


@pytest.mark.parametrize("size", [(64, 64), (50, 77)], ids=str)
def test_the_small_form_takes_any_size(small, size):
    found = numpy_of(small(image(*size, batch=2), training=False))
    rows, columns = (-(-side // 8) for side in size)
    count = rows * columns * 2
    assert found["scores"].shape == (2, count, 3)
    assert found["boxes"].shape == (2, count, 4)
    assert found["classes"].shape == (2, rows, columns, 3)
    assert found["confidences"].shape == (2, rows, columns, 2)
    assert {x.dtype for x in found.values()} == {np.dtype(np.float32)}
    assert all(x.min() >= 0 and x.max() <= 1 for x in found.values())
    assert np.median(found["confidences"]) < 0.1
    # Row 5 is box 1 of cell 2: its class 0 by hand.
    product = found["classes"][0, 0, 2, 0] * found["confidences"][0, 0, 2, 1]
    assert found["scores"][0, 5, 0] == pytest.approx(product)


@pytest.mark.parametrize(("stride", "convolutions"), [(8, 16), (16, 16), (32, 21)])
def test_the_stride_decides_how_many_stages_there_are(stride, convolutions):
    model = build_model("yolo", 3, width=1, strides=(stride,))
    assert geometry(model).minimum == stride
    assert model(image(64, 128))["classes"].shape[1:3] == (64 // stride, 128 // stride)
    kinds = [type(x).__name__ for x in model.layers]
    assert kinds.count("Conv2D") == convolutions + 3
    assert "Dense" not in kinds


def test_grid_boxes_by_hand():
    """Cell (1, 0) of two rows and four columns, its second box."""
    places = np.zeros((1, 2, 4, 8), np.float32)
    places[0, 1, 0, 4:] = 0.5, 0.25, 0.5, 1.0
    found = ops.convert_to_numpy(GridBoxes()(places))
    assert found.shape == (1, 16, 4)
    assert found[0, 9].tolist() == [(1 + 0.5) / 2, 0.25 / 4, 0.25, 1.0]
    assert found[0, 15].tolist() == [1 / 2, 3 / 4, 0, 0]


def test_scores_of_linear_outputs_are_clipped():
    classes = np.float32([[[[1.5, -0.5, 0.5]]]])
    confidences = np.float32([[[[2.0, 0.5]]]])
    found = ops.convert_to_numpy(GridScores(clip=True)([classes, confidences]))
    assert found.tolist() == [[[1, 0, 0.5], [0.5, 0, 0.25]]]


def test_the_dense_form_is_for_one_size(monkeypatch):
    monkeypatch.setattr("kseg.models.detection.yolo.PAPER_SIZE", (64, 128))
    monkeypatch.setattr("kseg.models.detection.yolo.DENSE_WIDTH", 8)
    model = build_model("yolo", 3, grid_head="dense", width=1)
    assert KerasEngine(model).size == (64, 128)
    assert model(image(64, 128))["scores"].shape == (1, 1 * 2 * 2, 3)
    assert KerasEngine(model)(np.zeros((64, 128, 3), np.uint8))[0].raw.shape == (4, 3)


def test_options_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="yolo has one stride, got 8, 16"):
        build_model("yolo", 3, strides=(8, 16))
    with pytest.raises(ValueError, match="does not use an encoder"):
        build_model("yolo", 3, "mobilenetv2")
    with pytest.raises(ValueError, match="no option `alpha`"):
        build_model("yolo", 3, alpha=0.5)


def test_saved_and_loaded_gives_equal_outputs(small, tmp_path):
    small.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    expected = numpy_of(small(image(40, 64), training=False))
    for role, found in numpy_of(loaded(image(40, 64), training=False)).items():
        np.testing.assert_array_equal(found, expected[role])
