"""Detection models of other people: a real file, and outputs made by hand."""

import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge.core.errors import InputError
from edge.engines.base import TensorSpec
from edge.model_file.info import unknown_model
from edge.predict import open_predictor
from edge.predict.open import predictor_of
from edge.predict.ssd import SsdPredictor, ssd_predictor, ssd_roles
from edge.predict.tta import TTA
from tests.support.outputs import FixedOutputs

FILE = Path(__file__).parents[2] / "files" / "ssd.tflite"
IMAGE = np.zeros((100, 200, 3), np.uint8)


def outputs(boxes, classes, scores, count=None) -> dict[str, np.ndarray]:
    """The outputs in their usual order, with TensorFlow 1's names."""
    count = len(scores) if count is None else count
    values = np.float32(boxes).reshape(-1, 4), np.float32(classes), np.float32(scores)
    names = ["TFLite_Detection_PostProcess"]
    names += [f"{names[0]}:{k}" for k in (1, 2, 3)]
    return dict(zip(names, (*values, np.float32(count)), strict=True))


class Ssd(FixedOutputs):
    """The count is a single number in a file, (1,) with the batch."""

    def __init__(self, *arguments):
        super().__init__(outputs(*arguments), (50, 50))


ONE = ([0.1, 0.2, 0.5, 0.6], [0], [0.9])


def predict(*arguments, names=()):
    return ssd_predictor(Ssd(*arguments), unknown_model(names)).predict(IMAGE)


def test_a_real_file_is_recognized(tmp_path):
    path = tmp_path / "ssd.tflite"
    path.write_bytes(FILE.read_bytes())
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("labelmap.txt", "???\ncat\ndog\n")
    predictor = open_predictor(path)
    assert isinstance(predictor, SsdPredictor)
    found = predictor.predict(IMAGE)
    # In 100 x 200 pixels; the second box is clipped.
    expected = [[0, 0, 100, 50], [100, 55, 200, 100]]
    np.testing.assert_allclose(found.boxes, expected, atol=1e-4)
    assert found.scores.tolist() == pytest.approx([0.9, 0.6])
    assert found.counts(predictor.info) == {"cat": 1, "dog": 1}
    assert predictor.info.task == "detection" and found.size == (100, 200)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("???", "person", "bicycle"), "person"),
        (("background", "person"), "person"),
        (("person", "bicycle", "???"), "person"),
        ((), "class 0"),
    ],
)
def test_class_0_is_the_first_name_but_for_a_background(names, expected):
    predictor = ssd_predictor(Ssd(*ONE), unknown_model(names))
    assert predictor.predict(IMAGE).counts(predictor.info) == {expected: 1}
    info = predictor.info
    assert len(info.class_names) == len(info.colors)
    assert (0, 0, 0) not in info.colors  # black is not drawn


def test_boxes_are_shares_of_the_image():
    found = predict(*ONE)
    assert found.boxes.tolist() == [pytest.approx([40, 10, 120, 50], abs=1e-4)]


def test_rows_beyond_the_count_and_low_scores_are_left_out():
    box = ONE[0]
    boxes, scores = [box] * 4, [0.4, 0.9, 0.2, 0.8]
    found = predict(boxes, [0, 1, 2, 3], scores, 3)
    assert found.class_ids.tolist() == [1, 0]
    assert found.scores.tolist() == pytest.approx([0.9, 0.4])
    assert len(predict(boxes, [0, 1, 2, 3], scores, 0)) == 0


def test_the_decoder_limits_scores_and_number():
    engine = Ssd([ONE[0]] * 3, [0, 1, 2], [0.9, 0.5, 0.2])
    predictor = ssd_predictor(engine, unknown_model())
    assert len(predictor.with_decoder({"score": 0.1}).predict(IMAGE)) == 3
    few = predictor.with_decoder({"score": 0.1, "max_detections": 2})
    assert few.predict(IMAGE).class_ids.tolist() == [0, 1]
    with pytest.raises(InputError, match="score is 2"):
        predictor.with_decoder({"score": 2})
    with pytest.raises(InputError, match="nms has no effect"):
        predictor.with_decoder({"nms": 0.5})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (([0.1, np.nan, 0.5, 0.6], [0], [0.9]), "boxes has 1 of 1 boxes"),
        ((*ONE, 2), "count is 2, and output scores has 1 rows"),
    ],
)
def test_damaged_outputs_are_named(changes, message):
    with pytest.raises(InputError, match=message):
        predict(*changes)


def spec(name, *shape):
    return TensorSpec(name, (1, *shape), np.dtype(np.float32))


@pytest.mark.parametrize(
    ("given", "roles"),
    [
        # TensorFlow 2's numbers, with the outputs in another order in the file.
        (
            [spec("S:1", 9), spec("S:3", 9, 4), spec("S:0"), spec("S:2", 9)],
            ("scores", "boxes", "count", "classes"),
        ),
        (
            [spec("P:1", 9), spec("P:3"), spec("P:0", 9, 4), spec("P:2", 9)],
            ("classes", "count", "boxes", "scores"),
        ),
        # Names without numbers: the order of the file.
        (
            [spec("a", 9), spec("b", 9, 4), spec("c"), spec("d", 9)],
            ("scores", "boxes", "count", "classes"),
        ),
        # Other files: a box has 4 sides, rows are as many, and there are 4 outputs.
        ([spec("a", 9, 5), spec("b", 9), spec("c", 9), spec("d")], None),
        ([spec("a", 9, 4), spec("b", 9), spec("c", 8), spec("d")], None),
        ([spec("a", 9, 4), spec("b", 9), spec("c", 9)], None),
        ([spec("a", 9, 4), spec("b", 9), spec("c", 9, 3), spec("d", 2, 2, 3)], None),
        ([], None),
    ],
)
def test_roles_follow_from_names_and_shapes(given, roles):
    assert ssd_roles(given) == roles


def test_only_files_without_roles_are_tried():
    described = replace(unknown_model(), outputs=("labels", "a", "b", "c"))
    assert not isinstance(predictor_of(Ssd(*ONE), described), SsdPredictor)


def test_there_is_no_test_time_augmentation():
    with pytest.raises(InputError, match="x.tflite: the task detection has no test"):
        predictor_of(Ssd(*ONE), unknown_model(), "x.tflite", TTA(flip=True))
