"""TFLite Metadata inside a model, read back field by field."""

import numpy as np
import pytest

from edge.core.constants import palette
from edge.engines.select import open_engine
from edge.model_file.flatbuffer import normalization, required_size, standard_metadata
from edge.model_file.info import ModelInfo
from edge.model_file.metadata import read_info
from kseg.deploy.tflite_metadata import with_metadata
from tests.support.engines import only
from tests.support.flatbuffer_tables import Read
from tests.support.tflite import operator, tensor, tflite

SHAPE = (1, 4, 4, 3)
NAMES = ("sky", "road", "car")


def model(shape=SHAPE) -> bytes:
    tensors = {"in": tensor(shape=shape), "out": tensor(shape=shape)}
    return tflite(tensors, [operator("TANH", ["in"], "out")], {b"other": b"kept"})


def info(head: str) -> ModelInfo:
    return ModelInfo(NAMES, palette(3), head=head)


@pytest.mark.parametrize(
    ("head", "activation", "kind"),
    [("logits", 2, 2), ("probabilities", 0, 2), ("labels", 0, 3)],
)
def test_every_field(head, activation, kind):
    inside = standard_metadata(with_metadata(model(), info(head)))
    assert inside[4:8] == b"M001"
    root = Read(inside)
    assert root.string(7) == "1.5.0"
    (graph,) = root.tables(3)
    (image,), (output,) = graph.tables(2), graph.tables(3)
    assert (image[3].enum(0), image[3][1].enum(0)) == (2, 1)  # an image, RGB
    (unit,) = image.tables(4)
    assert unit.enum(0) == 1  # normalization
    assert (unit[1].floats(0), unit[1].floats(1)) == ([0.0], [1.0])
    assert (image[5].floats(0), image[5].floats(1)) == ([255.0], [0.0])
    (labels,) = output.tables(6)
    assert (labels.string(0), labels.enum(2)) == ("labels.txt", kind)
    (custom,) = graph.tables(9)
    assert custom.string(0) == "SEGMENTER_METADATA"
    offset, options = custom.bytes(1)
    assert (offset % 16, options[4:8]) == (0, b"V001")
    assert (Read(options).enum(0), Read(options).string(1)) == (activation, "1.0.0")


@pytest.mark.parametrize("task", ["instance", "detection"])
def test_outputs_of_objects_are_described_in_the_order_of_the_file(task):
    """None of it is what MediaPipe's ObjectDetector looks for."""
    roles = ("boxes", "scores", *(("prototypes",) if task == "instance" else ()))
    given = ModelInfo(NAMES, palette(3), task=task, head="raw", outputs=roles)
    inside = standard_metadata(with_metadata(model(), given))
    root = Read(inside)
    assert root.string(7) == "1.0.0" and b"DETECTOR" not in inside
    (graph,) = root.tables(3)
    assert not graph.offset(9)  # no custom metadata
    assert [output.string(0) for output in graph.tables(3)] == list(roles)
    (image,) = graph.tables(2)
    assert image.tables(4)[0][1].floats(1) == [1.0]
    named = [bool(output.offset(6)) for output in graph.tables(3)]
    assert named == [role == "scores" for role in roles]
    assert all(output.string(1).endswith(".") for output in graph.tables(3))


def test_grayscale_images():
    inside = standard_metadata(with_metadata(model((1, 4, 4, 1)), info("logits")))
    (graph,) = Read(inside).tables(3)
    assert graph.tables(2)[0][3][1].enum(0) == 2


def test_the_model_is_unchanged(tmp_path):
    """Its output, its other metadata, and the description appended to it."""
    before, after = tmp_path / "before.tflite", tmp_path / "after.tflite"
    before.write_bytes(model())
    after.write_bytes(with_metadata(model(), info("logits")))
    info("logits").attach(after)
    assert read_info(after) == info("logits")
    assert b"kept" in after.read_bytes()
    data = after.read_bytes()
    assert normalization(data) == ((0.0,), (1.0,)) and required_size(data) <= len(data)
    image = np.random.RandomState(0).randint(0, 2, SHAPE[1:]).astype(np.uint8)
    engine = open_engine(after, threads=1)
    np.testing.assert_allclose(only(engine, image), np.tanh(image.astype(np.float32)))
    # Without metadata, float inputs are scaled to -1..1.
    symmetric = np.tanh((image - 127.5) / 127.5)
    found = only(open_engine(before), image)
    np.testing.assert_allclose(found, symmetric, atol=1e-6)
