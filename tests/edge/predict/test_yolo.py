"""Models of the YOLO family: tables made by hand."""

from dataclasses import replace

import numpy as np
import pytest

from edge.core.errors import InputError
from edge.engines.base import TensorSpec
from edge.model_file.info import unknown_model
from edge.model_file.reading import Reading
from edge.predict.open import predictor_of
from edge.predict.yolo import Table, find_table, yolo_predictor
from tests.support.outputs import FixedOutputs

SIZE = (64, 64)
CELLS = 8 * 8 + 4 * 4 + 2 * 2
IMAGE = np.zeros((128, 128, 3), np.uint8)  # twice the input


def columns(classes=3, masks=0, unit=1.0) -> np.ndarray:
    """(4 + classes + masks, cells): two objects, and a worse copy of the first."""
    table = np.zeros((4 + classes + masks, CELLS), np.float32)
    for cell, box, label, score in (
        (5, (32, 16, 20, 10), 1, 0.9),
        (6, (33, 16, 20, 10), 1, 0.8),
        (30, (10, 50, 8, 8), 0, 0.6),
        (40, (32, 32, 60, 60), 0, 0.1),
    ):
        table[:4, cell] = np.float32(box) * unit
        table[4 + label, cell] = score
    table[4 + classes :, 5], table[4 + classes :, 30] = 1, -1
    return table


def predictor(arrays, names=("cat", "dog", "cow"), reading=None):
    engine = FixedOutputs(arrays, SIZE)
    if reading:
        engine.reading = reading
    return predictor_of(engine, unknown_model(names), "net.onnx")


# x0, y0, x1, y1 from the middles and sides above, times 2
BOXES = [[44, 22, 84, 42], [12, 92, 28, 108]]


@pytest.mark.parametrize("unit", [1.0, 1 / 64])
def test_a_table_by_columns_in_pixels_or_shares(unit):
    found = predictor({"output0": columns(unit=unit)})
    result = found.predict(IMAGE)
    np.testing.assert_allclose(result.boxes, BOXES, atol=1e-4)
    assert result.scores.tolist() == pytest.approx([0.9, 0.6])
    assert result.counts(found.info) == {"cat": 1, "dog": 1}
    assert (found.info.task, found.info.resize) == ("detection", "fit")


def test_a_table_by_rows_with_objectness():
    rows = np.insert(columns(), 4, 0.5, axis=0).T
    rows = np.concatenate([rows, np.zeros((2 * CELLS, 8), np.float32)])
    result = predictor({"output0": rows}).predict(IMAGE)
    np.testing.assert_allclose(result.boxes, BOXES, atol=1e-4)
    assert result.scores.tolist() == pytest.approx([0.45, 0.3])


@pytest.mark.parametrize("first", [True, False])
def test_masks_from_prototypes(first):
    prototypes = np.ones((4, 16, 16), np.float32)
    prototypes = prototypes if first else prototypes.transpose(1, 2, 0)
    arrays = {"output0": columns(masks=4), "output1": prototypes}
    found = predictor(arrays)
    result = found.predict(IMAGE)
    assert found.info.task == "instance"
    np.testing.assert_allclose(result.boxes, BOXES, atol=1e-4)
    # The first has the weights 1, so all of its box; the second -1, so nothing.
    shares = [mask.mean() for _, _, mask in result.masks()]
    assert shares == [1, 0]


def test_a_list_of_found_objects():
    rows = np.zeros((300, 6), np.float32)
    rows[0], rows[1] = (10, 10, 30, 40, 0.9, 2), (10, 10, 30, 40, 0.7, 2)
    found = predictor({"output0": rows})
    result = found.predict(IMAGE)
    assert result.boxes.tolist() == [[20, 20, 60, 80]] * 2
    assert result.counts(found.info) == {"cow": 2}
    with pytest.raises(InputError, match="nms has no effect"):
        found.with_decoder({"nms": 0.5})


def test_score_and_nms_are_the_users():
    found = predictor({"output0": columns()})
    assert len(found.with_decoder({"nms": 1.0}).predict(IMAGE)) == 3
    assert len(found.with_decoder({"score": 0.7}).predict(IMAGE)) == 1


def test_names_of_coco_are_guessed_for_80_classes():
    info = predictor({"output0": columns(80)}, names=()).info
    assert (info.class_names[0], len(info.class_names)) == ("person", 80)
    assert info.decoder["guessed_names"] and (0, 0, 0) not in info.colors


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t[4:].__iadd__(5), "scores from 5 to 5.9, and probabilities"),
        (lambda t: t[4:].__imul__(np.nan), "scores from nan to nan"),
        (lambda t: t[:4].__imul__(np.inf), "boxes are not numbers"),
    ],
)
def test_tables_that_are_not_decoded(change, message):
    table = columns()
    with np.errstate(invalid="ignore"):
        change(table)
    with pytest.raises(InputError, match=message):
        predictor({"output0": table}).predict(IMAGE)


def test_an_output_name_has_no_effect():
    with pytest.raises(InputError, match="net.onnx: --output-name 1: has no effect"):
        predictor({"output0": columns()}, reading=Reading(output_name="1"))


@pytest.mark.parametrize(
    ("shape", "size", "expected"),
    [
        ((1, 84, 8400), (640, 640), Table(0, columns=True, classes=80)),
        ((1, 84, 6300), (480, 640), Table(0, columns=True, classes=80)),
        ((1, 25200, 85), (640, 640), Table(0, objectness=True, classes=80)),
        ((1, 300, 6), (640, 640), Table(0, listed=True)),
        ((1, 84, 8399), (640, 640), None),
        ((1, 640, 640), (640, 640), None),
        ((1, 48, 64), (48, 64), None),  # a map: 48x64 has 64 cells
    ],
)
def test_shapes(shape, size, expected):
    found = find_table([TensorSpec("a", shape, np.dtype("f4"))], size)
    assert found == expected


def test_a_file_of_kseg_is_never_taken_for_one():
    described = replace(unknown_model(), decoder={})
    engine = FixedOutputs({"output0": columns()}, SIZE)
    assert yolo_predictor(engine, described) is None
    assert yolo_predictor(engine, unknown_model()) is not None


@pytest.mark.parametrize("more", [1, 51])
def test_angles_and_keypoints_are_no_classes(more):
    """One more number is an angle, 51 are 17 keypoints; the file names its classes."""
    with pytest.raises(InputError) as caught:
        predictor({"output0": columns(3 + more)})
    assert str(caught.value) == (
        f"net.onnx: names 3 classes, and its objects have {3 + more} numbers beside "
        "their box: keypoints or angles are not read; export a model of boxes or masks"
    )
