"""Opening model files of others: options are kept, and assumptions said."""

import json
import logging

import numpy as np
import pytest

from edge.core.errors import InputError
from edge.model_file.info import ModelInfo
from edge.model_file.reading import Reading, kept_path
from edge.predict import open_predictor

pytest.importorskip("onnxruntime")


@pytest.fixture
def net(tmp_path):
    from tests.support.stand_ins import score_map

    return score_map(tmp_path / "net.onnx")


def test_options_are_given_once(net, caplog):
    from tests.support.stand_ins import PICTURE

    caplog.set_level(logging.INFO)
    given = Reading(classes=("r", "g", "b"), normalize="0..1", order="BGR")
    first = open_predictor(net, given=given)
    assert json.loads(kept_path(net).read_text(encoding="utf-8"))["order"] == "BGR"
    again = open_predictor(net)
    assert again.info == first.info and again.engine.reading == given
    labels = [each.predict(PICTURE).labels for each in (first, again)]
    np.testing.assert_array_equal(*labels)
    assert "net.onnx has no kseg.json and is read as: input 16x16; BGR, NCHW; " in (
        caplog.text
    )
    assert "float32 0..1; output logits [1, 3, 16, 16] as scores; " in caplog.text
    assert "classes are the 3 given (options are kept in net.json)" in caplog.text


def test_what_is_assumed_is_said_with_its_option(net, caplog):
    caplog.set_level(logging.INFO)
    open_predictor(net)
    assert "RGB (assumed, --order)" in caplog.text
    assert "float32 imagenet (assumed, --normalize)" in caplog.text
    assert "classes are numbered (--classes)" in caplog.text
    assert not kept_path(net).exists()


def test_options_that_do_not_fit_are_not_kept(net):
    with pytest.raises(InputError, match="has 21 classes, and the model 3"):
        open_predictor(net, given=Reading(classes=("voc",)))
    assert not kept_path(net).exists()
    open_predictor(net, given=Reading(order="BGR"))
    with pytest.raises(InputError, match=r"options are kept in .*net\.json"):
        open_predictor(net, given=Reading(output_name="x"))


def test_where_options_cannot_be_kept_that_is_said(net, caplog):
    kept_path(net).write_text("{}", encoding="utf-8")
    found = open_predictor(net, given=Reading(order="BGR"))
    assert found.engine.image.order == "BGR"
    assert "net.json: the options cannot be kept there (it is a file of" in caplog.text
    assert kept_path(net).read_text(encoding="utf-8") == "{}"


def test_a_file_of_kseg_needs_no_options_but_the_threshold(tmp_path, deeplab):
    path = tmp_path / "int8.tflite"
    from tests.support.tflite import largest_channel

    path.write_bytes(largest_channel((8, 8)))
    ModelInfo(("a", "b", "c"), ((0, 0, 0),) * 3, head="labels").attach(path)
    with pytest.raises(InputError, match="says itself how it is read; leave --classes"):
        open_predictor(path, given=Reading(classes=("voc",)))
    with pytest.raises(InputError, match="--threshold: has no effect on a model whose"):
        open_predictor(path, given=Reading(threshold=0.3))
    assert [file.name for file in tmp_path.iterdir()] == ["int8.tflite"]


def test_an_input_size_is_not_for_tflite(tmp_path):
    path = tmp_path / "net.tflite"
    from tests.support.tflite import largest_channel

    path.write_bytes(largest_channel((8, 8)))
    with pytest.raises(InputError, match="--input-size is for .onnx files"):
        open_predictor(path, given=Reading(input_size=(8, 8)))


def test_deeplab_of_coral_has_names_of_voc(deeplab):
    info = open_predictor(deeplab).info
    assert (info.class_names[15], info.colors[15]) == ("person", (192, 128, 128))
    assert info.decoder["names_are"] == "Pascal VOC, a guess from their number, 21"


def test_more_inputs_than_an_image_are_refused(tmp_path):
    from tests.support.stand_ins import kind, node, save

    given = {"image": (kind.FLOAT, 1, 3, 8, 8), "more": (kind.FLOAT, 1)}
    made = {"out": (kind.FLOAT, 1, 3, 8, 8)}
    path = save(tmp_path / "a.onnx", [node("Add", "image more", "out")], given, made)
    with pytest.raises(InputError, match=r"has 2 inputs \(image \[1, 3, 8, 8\], more"):
        open_predictor(path)


def test_names_in_the_metadata_of_an_export(tmp_path):
    from tests.support.stand_ins import constant_outputs

    table = np.zeros((4 + 2, 84), np.float32)
    notes = {"names": "{0: 'cat', 1: 'dog'}", "task": "detect"}
    path = constant_outputs(
        tmp_path / "a.onnx", {"output0": table}, (64, 64), notes=notes
    )
    found = open_predictor(path)
    assert found.info.class_names == ("cat", "dog")
    assert found.engine.image.describe() == "float32 0..1"


def test_a_free_batch_is_one_image(tmp_path):
    """Keras's own export leaves the batch open."""
    from tests.support.tflite import operator, tensor, tflite

    free = {"shape": (1, 8, 8, 3), "dynamic": True}
    tensors = {"image": tensor(**free), "out": tensor(**free)}
    path = tmp_path / "net.tflite"
    path.write_bytes(tflite(tensors, [operator("RELU", ["image"], "out")]))
    found = open_predictor(path, given=Reading(normalize="0..1"))
    assert found.engine.input.shape == found.engine.outputs[0].shape == (1, 8, 8, 3)
    image = np.zeros((8, 8, 3), np.uint8) + np.uint8([0, 9, 5])
    assert set(found.predict(image).labels.ravel()) == {1}
