"""Models written with TFLite's schema, read with `struct`."""

import numpy as np
import pytest

from edge.engines.select import open_engine
from edge.model_file.flatbuffer import (
    METADATA,
    normalization,
    required_size,
    standard_metadata,
)
from tests.support.tflite import operator, tensor, tflite

SHAPE = (1, 2, 2, 3)


def model(metadata: dict[bytes, bytes]) -> bytes:
    """An addition of 1 to [1, 2, 2, 3] floats, with named buffers."""
    tensors = {
        "in": tensor(shape=SHAPE),
        "one": tensor(shape=(1,), content=np.float32([1])),
        "out": tensor(shape=SHAPE),
    }
    add = operator("ADD", ["in", "one"], "out", options=("AddOptions", {}))
    return tflite(tensors, [add], metadata)


def metadata(mean, deviation) -> bytes:
    """TFLite Metadata with this normalization, after another process unit."""
    from kseg.deploy.metadata_tables import NORMALIZATION, packed

    values = {0: np.float32(mean), 1: np.float32(deviation)}
    units = [{0: NORMALIZATION + 1, 1: {}}, {0: NORMALIZATION, 1: values}]
    return packed({0: "any", 3: [{2: [{0: "image", 4: units}]}]}, b"M001")


def test_metadata_are_found_by_name():
    data = model({b"min_runtime_version": b"1.5.0", METADATA: b"here"})
    assert standard_metadata(data) == b"here"
    assert standard_metadata(model({b"other": b"there"})) == b""


@pytest.mark.parametrize(
    ("mean", "deviation"), [([0], [255]), ([123.5, 116.25, 103.5], [58, 57, 57.5])]
)
def test_normalization_of_float_inputs(mean, deviation):
    data = model({METADATA: metadata(mean, deviation)})
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
def test_metadata_without_normalization_or_damaged(inside):
    assert normalization(model({METADATA: inside})) is None


def test_a_model_without_metadata_and_other_data():
    assert normalization(model({})) is None
    assert normalization(b"TFL3") is None


def test_the_required_size_covers_the_whole_model():
    data = model({METADATA: bytes(1000)})
    assert required_size(data) <= len(data)
    assert required_size(data[:-1000]) > len(data) - 1000


@pytest.mark.parametrize(
    ("inside", "expected"),
    [
        (metadata([0], [255]), [1.0, 2.0, 1.6]),
        (metadata([0, 55, 100], [255, 100, 1]), [1.0, 3.0, 54.0]),
        (metadata([0, 1], [2, 2]), [0.0, 2.0, 1.2]),  # not for three channels
        (b"", [0.0, 2.0, 1.2]),  # from -1 to 1
    ],
)
def test_an_engine_normalizes_floats_as_the_metadata_say(tmp_path, inside, expected):
    path = tmp_path / "model.tflite"
    path.write_bytes(model({METADATA: inside}))
    image = np.full((2, 2, 3), (0, 255, 153), np.uint8)
    (output,) = open_engine(path, threads=1)(image)
    np.testing.assert_allclose(output.raw[0, 0], expected, atol=1e-6)
