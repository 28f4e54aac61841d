"""Segments of a grouping measured as objects of one class."""

import json

import numpy as np
import pytest

import kseg
from edge.core.errors import InputError
from kseg.cli.evaluate import main
from kseg.data.open import open_data
from kseg.evaluation.grouped_objects import (
    OPENERS,
    border_scores,
    connected_parts,
    with_one_class,
)
from kseg.evaluation.grouping import GROUPINGS
from kseg.evaluation.open import open_predictor

EVALUATED = ["--data", "{data}", "--task", "instance", "--segments", "12"]


def square_image(size=(60, 80)) -> np.ndarray:
    """A red square of rows 10 to 40 and columns 20 to 50 on grey."""
    image = np.full((*size, 3), 128, np.uint8)
    image[10:40, 20:50] = 200, 30, 30
    return image


def test_a_segment_of_two_parts_is_two_objects():
    segments = np.uint8([[0, 0, 1, 0], [1, 0, 1, 1]])
    assert connected_parts(segments).tolist() == [[1, 1, 2, 3], [4, 1, 2, 2]]


def test_scores_by_hand():
    """Part 1 touches part 2 at one row of 2 steps, of strengths 1 and 3."""
    parts = np.array([[1, 1], [2, 2], [2, 2]])
    strength = np.float32([[1, 0], [0.5, 3], [9, 9]])
    assert border_scores(parts, strength).tolist() == pytest.approx([2 / 3, 2 / 3])
    alone = border_scores(np.ones((3, 3), int), np.ones((3, 3), np.float32))
    assert alone.tolist() == [0]  # the edge of the image is no border


@pytest.mark.parametrize("kind", ["color", "edges", "intensity"])
def test_a_square_is_found_with_its_mask(kind):
    predictor = OPENERS["instance"](f"grouping:{kind}", 2)
    result = predictor.predict(square_image())
    assert len(result) == 2 and result.class_ids.tolist() == [0, 0]
    areas = np.prod(result.boxes[:, 2:] - result.boxes[:, :2], axis=1)
    square = int(np.argmin(areas))
    np.testing.assert_allclose(result.boxes[square], [20, 10, 50, 40], atol=1)
    rows, columns, mask = list(result.masks())[square]
    found = np.zeros((60, 80), bool)
    found[rows, columns] = mask
    expected = (square_image()[..., 0] == 200) & True
    assert (found & expected).sum() / (found | expected).sum() > 0.9
    assert result.scores[0] >= result.scores[1] > 0.5


def test_a_large_image_is_grouped_at_its_limited_size():
    image = np.repeat(np.repeat(square_image(), 20, 0), 20, 1)  # 1200x1600
    result = OPENERS["detection"]("grouping:color", 2).predict(image)
    assert result.size == (1200, 1600)
    areas = np.prod(result.boxes[:, 2:] - result.boxes[:, :2], axis=1)
    box = result.boxes[int(np.argmin(areas))]
    np.testing.assert_allclose(box, [400, 200, 1000, 800], atol=10)


def test_the_decoder_limits_the_objects():
    predictor = OPENERS["instance"]("grouping:color", 9)
    image = np.random.RandomState(0).randint(0, 256, (40, 40, 3)).astype(np.uint8)
    found = predictor.predict(image)
    assert len(found) > 2 and (np.diff(found.scores) <= 0).all()
    assert len(predictor.with_decoder({"max_detections": 2}).predict(image)) == 2
    assert len(predictor.with_decoder({"score": 1.0}).predict(image)) == 0


def test_every_kind_is_a_model_of_each_task():
    image = square_image()
    for kind in GROUPINGS:
        for task in OPENERS:
            predictor = open_predictor(f"grouping:{kind}", segments=3, task=task)
            assert predictor.info.task == task
            predictor.predict(image)


def test_data_of_one_class_keep_the_objects(object_data):
    data = open_data(str(object_data))
    one = with_one_class(data)
    assert one.class_names == ("object",) and one.task == "instance"
    split, expected = one.split("val"), data.split("val")
    assert split.names == expected.names and split.sizes == expected.sizes
    assert split.files == expected.files
    sample, before = split.read(1), expected.read(1)
    np.testing.assert_array_equal(sample.image, before.image)
    np.testing.assert_array_equal(sample.target.boxes, before.target.boxes)
    assert not sample.target.class_ids.any() and before.target.class_ids.any()


def test_the_command_prints_the_tables(object_data, capsys, tmp_path):
    path = tmp_path / "found.json"
    arguments = [word.format(data=object_data) for word in EVALUATED]
    main(["grouping:color", *arguments, "--json", str(path), "--output", str(tmp_path)])
    table = capsys.readouterr().out
    assert "object" in table and "AP50" in table and "masks" in table
    metrics = json.loads(path.read_text(encoding="utf-8"))
    assert list(metrics["per_class"]) == ["object"]
    assert 0 < metrics["mask_ap"] < 1 and 0 < metrics["box_ap"] < 1
    assert (tmp_path / "samples.png").is_file()


def test_boxes_alone_are_measured(object_data):
    found = kseg.evaluate("grouping:edges", object_data, task="detection", segments=12)
    assert found.headline == "box_ap" and "mask_ap" not in found.metrics


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"data": "shapes"}, "add --name-by-truth.*or measure.*--task instance"),
        (
            {"data": "shapes", "task": "instance", "name_by_truth": True},
            "--name-by-truth: has no effect with --task instance.*leave it out",
        ),
        ({"task": "instance"}, "grouping:color: was not trained on data; add --data"),
        ({"data": "{semantic}", "task": "instance"}, "labelled for semantic"),
        (
            {"data": "shapes", "task": "instance", "flip": True},
            "--flip and --scales apply to networks only",
        ),
    ],
)
def test_errors_are_one_line(data_folder, options, message):
    options = dict(options)
    data = options.pop("data", "").format(semantic=data_folder)
    with pytest.raises(InputError, match=message) as caught:
        kseg.evaluate("grouping:color", data or None, **options)
    assert "\n" not in str(caught.value)
