"""Semantic maps of models made by others: real small .onnx files, and shapes."""

import numpy as np
import pytest

from edge.core.errors import InputError
from edge.engines.base import TensorSpec
from edge.engines.select import open_engine
from edge.model_file.info import unknown_model
from edge.model_file.reading import Reading
from edge.predict.maps import Map, as_map, choose, find_maps
from edge.predict.open import predictor_of
from edge.predict.tta import TTA
from tests.support.outputs import FixedOutputs

pytest.importorskip("onnxruntime")
LABELS = np.zeros((16, 16), np.uint8)  # of PICTURE: red is 0, green 1, blue 2
LABELS[8:, :8], LABELS[8:, 8:] = 1, 2


def opened(path, **given):
    """The predictor of a file, without a trial in a child process."""
    engine = open_engine(path, trial=False, reading=Reading(**given))
    return predictor_of(engine, unknown_model(), path.name)


def spec(shape, dtype="f4", name="out", **quantization):
    return TensorSpec(name, shape, np.dtype(dtype), **quantization)


@pytest.mark.parametrize(
    ("stride", "end", "options"),
    [
        (1, "", {}),
        (8, "", {}),
        (1, "ArgMax", {"axis": 1, "keepdims": 1}),
        (1, "ArgMax", {"axis": 1, "keepdims": 0}),
        (1, "Softmax", {"axis": 1}),
    ],
)
def test_channels_first(tmp_path, stride, end, options):
    from tests.support.stand_ins import PICTURE, score_map

    found = opened(score_map(tmp_path / "a.onnx", stride, end, **options))
    labels = found.predict(PICTURE).labels
    inner = np.s_[:, :] if stride == 1 else np.s_[::15, ::15]  # its corners
    np.testing.assert_array_equal(labels[inner], LABELS[inner])
    assert found.info.class_names == ("class 0", "class 1", "class 2")
    assert found.engine.image.layout == "NCHW"


def test_bgr_exchanges_red_and_blue(tmp_path):
    from tests.support.stand_ins import PICTURE, score_map

    found = opened(score_map(tmp_path / "a.onnx"), order="BGR")
    expected = np.uint8([2, 1, 0])[LABELS]
    np.testing.assert_array_equal(found.predict(PICTURE).labels, expected)


def test_free_sides_of_an_onnx_file(tmp_path):
    from tests.support.stand_ins import PICTURE, score_map

    path = score_map(tmp_path / "a.onnx", size=("height", "width"))
    assert opened(path).engine.size == (512, 512)
    found = opened(path, input_size=(16, 16))
    np.testing.assert_array_equal(found.predict(PICTURE).labels, LABELS)
    with pytest.raises(InputError, match="--input-size has no effect"):
        opened(score_map(tmp_path / "b.onnx"), input_size=(16, 16))


@pytest.mark.parametrize("end", ["", "Sigmoid"])
def test_one_channel_is_divided_at_half_or_the_threshold(tmp_path, end):
    """Scores are pixels from -1 to 1, so sigmoids are 0.27, 0.53 and 0.73."""
    from tests.support.stand_ins import score_map

    path = score_map(tmp_path / "a.onnx", 1, end, weights=[[1, 0, 0]])
    image = np.zeros((16, 16, 3), np.uint8)
    image[:, 4:8], image[:, 8:] = 140, 255
    for threshold, expected in ((None, [0, 1, 1]), (0.6, [0, 0, 1]), (0.2, [1, 1, 1])):
        given = {} if threshold is None else {"threshold": threshold}
        found = opened(path, normalize="-1..1", **given)
        assert found.predict(image).labels[0, [0, 5, 15]].tolist() == expected
    result = opened(path, normalize="-1..1", threshold=0.6).predict(
        image, confidence=True
    )
    odds = 1 / (1 + np.exp(-np.float64([-1, 140 / 127.5 - 1, 1])))
    np.testing.assert_allclose(
        result.confidence[0, [0, 5, 15]], [1 - odds[0], 1 - odds[1], odds[2]], rtol=1e-4
    )


@pytest.mark.parametrize("end", ["", "Softmax"])
def test_two_maps_have_a_threshold_too(tmp_path, end):
    from tests.support.stand_ins import score_map

    options = {"axis": 1} if end else {}
    weights = [[0, 0, 0], [1, 0, 0]]
    path = score_map(tmp_path / "a.onnx", 1, end, weights=weights, **options)
    image = np.full((16, 16, 3), 140, np.uint8)  # softmax 0.53
    for threshold, label in ((0.5, 1), (0.54, 0)):
        found = opened(path, normalize="-1..1", threshold=threshold)
        assert set(found.predict(image).labels.ravel()) == {label}
    flipped = predictor_of(found.engine, unknown_model(), "x", TTA(flip=True))
    assert set(flipped.predict(image).labels.ravel()) == {0}


@pytest.mark.parametrize(
    ("end", "options", "message"),
    [
        ("", {}, "divides two classes, and the model has 3"),
        ("ArgMax", {"axis": 1}, "no effect on a model whose output is labels"),
    ],
)
def test_a_threshold_of_other_maps_is_refused(tmp_path, end, options, message):
    from tests.support.stand_ins import score_map

    path = score_map(tmp_path / "a.onnx", 1, end, **options)
    with pytest.raises(InputError, match=message):
        opened(path, threshold=0.3)


def test_names_are_given_guessed_or_refused(tmp_path):
    from tests.support.stand_ins import score_map

    path = score_map(tmp_path / "a.onnx")
    assert opened(path, classes=("a", "b", "c")).info.class_names == ("a", "b", "c")
    with pytest.raises(InputError, match="a.onnx: --classes voc: has 21 classes"):
        opened(path, classes=("voc",))
    many = score_map(tmp_path / "b.onnx", weights=np.ones((19, 3)))
    info = opened(many).info
    assert (info.class_names[0], info.colors[0]) == ("road", (128, 64, 128))
    assert info.decoder["guessed_names"]


def test_scores_that_are_not_numbers_are_refused(tmp_path):
    from tests.support.stand_ins import PICTURE, score_map

    found = opened(score_map(tmp_path / "a.onnx", weights=np.full((3, 3), np.nan)))
    with pytest.raises(InputError, match="scores that are not numbers"):
        found.predict(PICTURE)


@pytest.mark.parametrize(
    ("shape", "size", "layout", "expected"),
    [
        ((1, 19, 64, 128), (512, 1024), "NCHW", ("NCHW", 19)),
        ((1, 64, 128, 19), (512, 1024), "NCHW", ("NHWC", 19)),
        ((1, 65, 65, 21), (513, 513), "NHWC", ("NHWC", 21)),
        ((1, 21, 21, 21), (168, 168), "NCHW", ("NCHW", 21)),
        ((1, 21, 21, 21), (168, 168), "NHWC", ("NHWC", 21)),
        ((-1, 19, -1, -1), (512, 512), "NCHW", ("NCHW", 19)),
        ((1, 512, 512), (512, 512), "NCHW", ("", 0)),
        ((1, 16, 23), (500, 722), "NHWC", ("", 0)),
        ((1, 1000), (224, 224), "NHWC", None),
        ((1, 1, 1, 21), (224, 224), "NHWC", None),
        ((1, 21, 1, 1), (64, 64), "NCHW", None),
        ((1, 100, 4), (224, 224), "NHWC", None),
        ((1, 64, 64, 512), (512, 512), "NHWC", None),
        ((2, 64, 64), (512, 512), "NHWC", None),
    ],
)
def test_which_shapes_are_maps(shape, size, layout, expected):
    found = as_map(0, spec(shape), size, layout)
    assert found == (expected and Map(0, *expected))


OUTPUTS = [spec((1, 1, 8, 8), name="edge"), spec((1, 5, 8, 8), name="main")]


def test_a_map_of_classes_comes_before_one_channel():
    found = find_maps(OUTPUTS, (64, 64), "NCHW")
    assert choose(OUTPUTS, found, Reading()).index == 1
    for name in ("edge", "0"):
        assert choose(OUTPUTS, found, Reading(output_name=name)).index == 0
    with pytest.raises(InputError, match="x: is no output; they are edge float32"):
        choose(OUTPUTS, found, Reading(output_name="x"))


def test_outputs_that_are_no_map_are_listed():
    engine = FixedOutputs({"boxes": np.zeros((10, 4), np.float32)}, (64, 64))
    with pytest.raises(InputError) as error:
        predictor_of(engine, unknown_model(), "x.onnx")
    assert "x.onnx: no semantic map among the outputs boxes float32 [1, 10, 4]" in str(
        error.value
    )


def test_class_ids_beyond_a_byte_are_refused():
    ids = np.full((8, 8), 300, np.int64)
    found = predictor_of(FixedOutputs({"a": ids}, (8, 8)), unknown_model())
    with pytest.raises(InputError, match="class ids from 300 to 300"):
        found.predict(np.zeros((8, 8, 3), np.uint8))


def test_half_precision_and_wide_integers_are_scores():
    for dtype in ("f2", "f8", "i4"):
        values = np.zeros((2, 2, 3), dtype)
        values[..., 1] = 7
        found = predictor_of(FixedOutputs({"a": values}, (8, 8)), unknown_model())
        assert set(found.predict(np.zeros((9, 9, 3), np.uint8)).labels.ravel()) == {1}


def test_whole_numbers_in_one_channel_of_floats_are_refused():
    values = np.arange(64, dtype=np.float32).reshape(8, 8)
    found = predictor_of(FixedOutputs({"a": values}, (8, 8)), unknown_model())
    with pytest.raises(InputError, match="whole numbers from 0 to 63 in floats"):
        found.predict(np.zeros((8, 8, 3), np.uint8))
