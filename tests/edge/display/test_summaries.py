"""Objects as JSON and files."""

import json

import cv2
import numpy as np
import pytest

from edge.display.summaries import (
    counts_of,
    crossings_text,
    objects_of,
    polygon_of,
    write_boxes,
    write_instances,
)
from tests.support.object_results import DETECTION, INSTANCE, detections, instances

ROWS = [(2, 0.9, 10, 20, 14, 23), (0, 0.75, 0, 0, 5.25, 2), (2, 0.5, 1, 1, 2, 2)]


def test_objects_with_their_boxes():
    summary = objects_of(detections(*ROWS), DETECTION)
    assert summary["counts"] == {"dog": 1, "bird": 2}
    assert list(summary["counts"]) == ["dog", "bird"]  # in order of class id
    assert summary["objects"][0] == {
        "class": "bird",
        "score": 0.9,
        "box": [10.0, 20.0, 14.0, 23.0],
        "area": 12.0,
    }
    assert summary["objects"][1]["area"] == 10.5  # of a box of 5.25 x 2
    assert counts_of(detections(*ROWS), DETECTION) == {"counts": summary["counts"]}
    json.dumps(summary)


def test_objects_with_their_masks():
    # Two cells over 4 columns: half of the box.
    found = instances(ROWS[0], crops=[[[-1.0, 1.0]]], tracks=[5])
    (each,) = objects_of(found, INSTANCE, polygons=True)["objects"]
    assert (each["area"], each["track"]) == (6, 5)
    assert each["polygon"] == [[12, 20], [12, 22], [13, 22], [13, 20]]
    (each,) = objects_of(found, INSTANCE)["objects"]
    assert "polygon" not in each
    json.dumps(each)


def test_no_objects():
    empty = {"objects": [], "counts": {}}
    assert objects_of(instances(), INSTANCE, polygons=True) == empty
    assert objects_of(detections(), DETECTION) == empty


def test_a_polygon_is_the_outline_of_the_largest_part():
    mask = np.zeros((20, 30), bool)
    mask[2:4, 2:4] = True
    mask[10:20, 5:25] = True
    corners = {(5, 10), (5, 19), (24, 19), (24, 10)}
    assert {tuple(point) for point in polygon_of(mask, (0, 0))} == corners
    assert polygon_of(np.zeros((3, 3), bool), (7, 7)) == []


def test_a_line_of_pixels_is_a_polygon():
    mask = np.zeros((5, 9), bool)
    mask[0, 0] = mask[2, 1:8] = True
    assert sorted(polygon_of(mask, (0, 0))) == [[1, 2], [7, 2]]


def test_a_polygon_is_within_a_pixel_of_the_contour():
    disc = np.zeros((60, 60), np.uint8)
    cv2.circle(disc, (30, 30), 25, 1, -1)
    points = np.array(polygon_of(disc > 0, (0, 0)))
    assert 8 <= len(points) < 40
    filled = cv2.fillPoly(np.zeros_like(disc), [points], 1)
    assert (filled != disc).mean() < 0.02


def test_instances_are_written_with_16_bits(tmp_path):
    rows = [(0, 0.9, 0, 0, 1, 1)] * 299 + [(1, 0.5, 10, 10, 20, 20)]
    write_instances(tmp_path, "000007", instances(*rows), INSTANCE)
    read = cv2.imread(str(tmp_path / "000007.png"), cv2.IMREAD_UNCHANGED)
    assert (read.dtype, read.shape) == (np.uint16, (100, 200))
    assert read[0, 0] == 1 and (read[10:20, 10:20] == 300).all()
    assert (read > 0).sum() == 101


def test_boxes_are_written_as_json(tmp_path):
    write_boxes(tmp_path, "a", detections(ROWS[0], tracks=[4]), DETECTION)
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == {
        "size": [100, 200],
        "boxes": [[10.0, 20.0, 14.0, 23.0]],
        "classes": ["bird"],
        "scores": [0.9],
        "tracks": [4],
    }


@pytest.mark.parametrize("crossings", [None, {}, {"dog": {"up": 0, "down": 0}}])
def test_without_crossings_there_is_no_text(crossings):
    assert crossings_text(crossings, DETECTION) == ""


def test_crossings_have_a_line_for_each_class():
    counts = {"dog": {"down": 1, "up": 2}, "bird": {"down": 0, "up": 1}}
    text = crossings_text(counts, DETECTION)
    assert text == "dog 1 down, 2 up\nbird 0 down, 1 up"


def test_crossings_of_a_class_without_a_name():
    counts = {"class 7": {"down": 1, "up": 0}}
    assert crossings_text(counts, DETECTION) == "class 7 1 down, 0 up"
