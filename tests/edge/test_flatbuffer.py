"""A model written by TFLite's own schema, read with `struct`."""

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from edge.engines import TFLite
from edge.flatbuffer import METADATA, normalization, reach, standard_metadata


def model(*, metadata: dict[bytes, bytes]) -> bytes:
    """An addition of 1 to [1, 2, 2, 3] floats, with named buffers."""

    def tensor(name: bytes, shape: list[int], buffer: int) -> schema.TensorT:
        result = schema.TensorT()
        result.name, result.shape, result.buffer = name, shape, buffer
        result.type = schema.TensorType.FLOAT32
        return result

    def buffer(data: bytes | None) -> schema.BufferT:
        result = schema.BufferT()
        result.data = None if data is None else np.frombuffer(data, np.uint8)
        return result

    code, operator = schema.OperatorCodeT(), schema.OperatorT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.ADD
    code.version = 1
    operator.inputs, operator.outputs = [0, 1], [2]
    operator.builtinOptionsType = schema.BuiltinOptions.AddOptions
    operator.builtinOptions = schema.AddOptionsT()
    graph = schema.SubGraphT()
    shape = [1, 2, 2, 3]
    graph.tensors = [
        tensor(b"in", shape, 0),
        tensor(b"one", [1], 1),
        tensor(b"out", shape, 0),
    ]
    graph.inputs, graph.outputs, graph.operators = [0], [2], [operator]
    content = schema.ModelT()
    content.version, content.operatorCodes, content.subgraphs = 3, [code], [graph]
    content.buffers = [buffer(None), buffer(np.float32([1]).tobytes())]
    content.metadata = []
    for name, data in metadata.items():
        entry = schema.MetadataT()
        entry.name, entry.buffer = name, len(content.buffers)
        content.metadata.append(entry)
        content.buffers.append(buffer(data))
    builder = flatbuffers.Builder()
    builder.Finish(content.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def metadata(mean, deviation) -> bytes:
    """TFLite Metadata with this normalization, and something else before it."""
    from kseg.quantize.metadata import NORMALIZATION, packed

    values = {0: np.float32(mean), 1: np.float32(deviation)}
    units = [{0: NORMALIZATION + 1, 1: {}}, {0: NORMALIZATION, 1: values}]
    return packed({0: "any", 3: [{2: [{0: "image", 4: units}]}]}, b"M001")


def test_metadata_are_found_by_name():
    data = model(metadata={b"min_runtime_version": b"1.5.0", METADATA: b"here"})
    assert standard_metadata(data) == b"here"
    assert standard_metadata(model(metadata={b"other": b"there"})) == b""


@pytest.mark.parametrize(
    ("mean", "deviation"), [([0], [255]), ([123.5, 116.25, 103.5], [58, 57, 57.5])]
)
def test_what_floats_are_to_have(mean, deviation):
    data = model(metadata={METADATA: metadata(mean, deviation)})
    assert normalization(data) == (tuple(mean), tuple(deviation))


@pytest.mark.parametrize(
    "inside",
    [
        b"",
        b"M001",
        b"\x08\0\0\0M001",
        metadata([], []),
        metadata([0], [0]),
        metadata([0], [255])[:100],
        metadata([0], [255]).replace(b"M001", b"M002"),
    ],
)
def test_metadata_that_say_nothing_or_are_damaged(inside):
    assert normalization(model(metadata={METADATA: inside})) is None


def test_a_model_without_metadata_or_no_model():
    assert normalization(model(metadata={})) is None
    assert normalization(b"TFL3") is None


def test_all_of_a_model_is_within_its_reach():
    data = model(metadata={METADATA: bytes(1000)})
    assert reach(data) <= len(data)
    assert reach(data[:-1000]) > len(data) - 1000


@pytest.mark.parametrize(
    ("inside", "expected"),
    [
        (metadata([0], [255]), [1.0, 2.0, 1.6]),
        (metadata([0, 55, 100], [255, 100, 1]), [1.0, 3.0, 54.0]),
        (metadata([0, 1], [2, 2]), [0.0, 2.0, 1.2]),  # of no three channels
        (b"", [0.0, 2.0, 1.2]),  # from -1 to 1
    ],
)
def test_an_engine_feeds_floats_as_the_model_wants_them(tmp_path, inside, expected):
    from ai_edge_litert.interpreter import Interpreter

    path = tmp_path / "model.tflite"
    data = model(metadata={METADATA: inside})
    path.write_bytes(data)
    engine = TFLite(path, "litert", Interpreter, 1, normalization(data))
    image = np.full((2, 2, 3), (0, 255, 153), np.uint8)
    np.testing.assert_allclose(engine(image)[0, 0], expected, atol=1e-6)
