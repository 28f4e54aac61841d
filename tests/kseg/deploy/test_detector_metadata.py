"""What MediaPipe's ObjectDetector reads in a file, field by field."""

import pytest
from flatbuffers.number_types import BoolFlags, Float32Flags, Int32Flags

from edge.core.constants import palette
from edge.model_file.flatbuffer import standard_metadata
from edge.model_file.info import InputGeometry, ModelInfo
from kseg.deploy.tflite_metadata import with_metadata
from tests.support.flatbuffer_tables import Read
from tests.support.tflite import operator, tensor, tflite

INFO = ModelInfo(
    ("disc", "ring"),
    palette(3)[1:],
    task="detection",
    head="boxes",
    outputs=("scores", "boxes"),
    decoder={"strides": [8, 16], "variances": [0.1, 0.2, 0.25, 0.5]},
    geometry=InputGeometry(minimum=16),
)


def subgraph(info=INFO, size=(16, 32)) -> tuple[Read, Read]:
    """The metadata of a file, and of its one graph."""
    shape = (1, *size, 3)
    tensors = {"in": tensor(shape=shape), "out": tensor(shape=shape)}
    model = tflite(tensors, [operator("TANH", ["in"], "out")])
    root = Read(standard_metadata(with_metadata(model, info)))
    (graph,) = root.tables(3)
    return root, graph


def options(info=INFO, size=(16, 32)) -> Read:
    (custom,) = subgraph(info, size)[1].tables(9)
    assert custom.string(0) == "DETECTOR_METADATA"
    offset, content = custom.bytes(1)
    assert (offset % 16, content[4:8]) == (0, b"V001")
    return Read(content)


def test_outputs_have_the_names_that_mediapipe_looks_for_in_the_order_of_the_file():
    root, graph = subgraph()
    assert root.string(7) == "1.5.0"
    scores, boxes = graph.tables(3)
    assert (scores.string(0), boxes.string(0)) == ("score", "location")
    (labels,) = scores.tables(6)
    assert (labels.string(0), labels.enum(2)) == ("labels.txt", 2)  # axis labels
    content = boxes[3]
    assert content.enum(0) == 3  # BoundingBoxProperties
    assert content[1].uints(0) == [1, 0, 3, 2]
    assert (content[1].enum(1), content[1].enum(2)) == (1, 0)  # BOUNDARIES, RATIO
    (image,) = graph.tables(2)
    assert image.tables(4)[0][1].floats(1) == [1.0]  # pixels are not scaled


def test_anchors_are_shares_of_the_input():
    """16x32 pixels: 2x4 cells of stride 8 and 1x2 of 16; sides of 32 and 64 pixels."""
    anchors = options()[1][0].tables(0)
    rows = [[each.number(k, Float32Flags) for k in range(4)] for each in anchors]
    assert len(rows) == 10
    assert rows[0] == [4 / 32, 4 / 16, 32 / 32, 32 / 16]
    assert rows[1][:2] == [12 / 32, 4 / 16]  # row by row
    assert rows[4][:2] == [4 / 32, 12 / 16]
    assert rows[9] == [24 / 32, 8 / 16, 64 / 32, 64 / 16]


def test_a_padded_input_has_the_anchors_of_the_padding_too():
    """10x20 is padded to 16x32; shares are those of the input without padding."""
    anchors = options(size=(10, 20))[1][0].tables(0)
    assert len(anchors) == 10
    last = [anchors[9].number(k, Float32Flags) for k in range(4)]
    assert last == pytest.approx([24 / 20, 8 / 10, 64 / 20, 64 / 10])


def test_how_boxes_are_decoded():
    decoding = options()[2]
    counts = [decoding.number(k, Int32Flags) for k in range(6)]
    assert counts == [2, 10, 4, 0, 0, 2]  # classes, boxes, coordinates, no keypoints
    scales = [decoding.number(k, Float32Flags) for k in range(6, 10)]
    assert scales == [5, 10, 2, 4]  # 1 / variance of x, y, width, height
    assert decoding.number(10, BoolFlags) and not decoding.number(11, BoolFlags)
