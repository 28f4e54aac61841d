"""What computes an output, read from graphs of .tflite and .onnx files."""

import pytest

from edge.model_file.last_operator import Meaning, meanings
from tests.support.tflite import largest_channel


def test_argmax_of_a_tflite_file_tells_the_number_of_classes(tmp_path):
    path = tmp_path / "a.tflite"
    path.write_bytes(largest_channel((4, 4)))
    assert meanings(path) == [Meaning("labels", 3)]


def test_deeplab_of_coral_has_21_classes(deeplab):
    assert meanings(deeplab) == [Meaning("labels", 21)]


@pytest.mark.parametrize(
    ("end", "options", "meaning"),
    [
        ("ArgMax", {"axis": 1, "keepdims": 1}, Meaning("labels", 3)),
        ("ArgMax", {"axis": -3, "keepdims": 0}, Meaning("labels", 3)),
        ("Softmax", {"axis": 1}, Meaning("probabilities")),
        ("Sigmoid", {}, Meaning("probabilities")),
        ("Relu", {}, Meaning()),
        ("", {}, Meaning()),
    ],
)
def test_last_operators_of_onnx_files(tmp_path, end, options, meaning):
    from tests.support.stand_ins import score_map

    path = score_map(tmp_path / "a.onnx", 1, end, **options)
    assert meanings(path) == [meaning]


@pytest.mark.parametrize("name", ["a.onnx", "a.tflite"])
@pytest.mark.parametrize("data", [b"", b"no model", bytes(200)])
def test_other_files_tell_nothing(tmp_path, name, data):
    path = tmp_path / name
    path.write_bytes(data)
    assert meanings(path) == []
    assert meanings(tmp_path / "missing.onnx") == []
