"""Reading files that the onnx library has written."""

import pytest

from edge.model_file.onnx_proto import metadata_props

LONG = "ä" * 300  # a length of two bytes


@pytest.fixture(scope="module")
def content() -> bytes:
    onnx = pytest.importorskip("onnx")
    helper = onnx.helper
    values = [
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1])
        for name in "xy"
    ]
    node = helper.make_node("Relu", ["x"], ["y"])
    graph = helper.make_graph([node], "graph", values[:1], values[1:])
    model = helper.make_model(graph)
    helper.set_model_props(model, {"kseg.json": LONG, "empty": ""})
    return model.SerializeToString()


def test_metadata_props_are_read(content):
    assert metadata_props(content) == {"kseg.json": LONG, "empty": ""}


def test_a_truncated_file_is_an_error(content):
    """Except after a complete field, such as before the metadata."""
    whole = 0
    for end in range(len(content)):
        try:
            whole += metadata_props(content[:end]).get("kseg.json") != LONG
        except ValueError:
            continue
    assert whole <= 2


@pytest.mark.parametrize("data", [b"", b"I am no model.", bytes(100), b"\xff" * 20])
def test_data_that_are_not_a_model(data):
    with pytest.raises(ValueError):
        metadata_props(data)
