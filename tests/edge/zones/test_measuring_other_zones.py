"""Zones that are replaced between two frames."""

import numpy as np

from edge.model_file.info import ModelInfo
from edge.predict.results import Detections
from edge.zones.measuring import Measurer
from edge.zones.zone import Zone
from edge.zones.zone_file import ZoneFile

INFO = ModelInfo(class_names=("cat",), colors=((0, 0, 9),), task="detection")
LEFT = Zone("left", ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)))
RIGHT = Zone("right", ((0.5, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 1.0)))
WIDER = Zone("left", ((0.0, 0.0), (0.9, 0.0), (0.9, 1.0), (0.0, 1.0)))


def with_zones(old, file):
    return old.with_zones(file.zones, file.smoothing_seconds, file.object_point)


def cat_at(x):
    """A tracked cat of 2x2 pixels in a frame of 10x10; its box begins at column x."""
    box = np.float32([[x, 4, x + 2, 6]])
    one = np.int32([0]), np.float32([0.9])
    return Detections(box, *one, (10, 10), track_ids=np.int32([1]))


def walked(measurer):
    """A cat that comes into the left zone at 1 s and stays until 3 s."""
    for seconds, x in ((0.0, 8), (1.0, 1), (2.0, 1), (3.0, 1)):
        measures = measurer(seconds, cat_at(x))
    assert measures.value("entered", "cat", "left") == 1
    assert measures.value("dwell", "cat", "left") == 2.0
    return measurer


def test_zones_that_stay_go_on():
    old = walked(Measurer(INFO, [LEFT]))
    new = with_zones(old, ZoneFile(zones=(RIGHT, LEFT)))
    measures = new(4.0, cat_at(1))
    assert list(measures.zones) == ["frame", "right", "left"]
    assert measures.value("entered", "cat", "left") == 1
    assert measures.value("dwell", "cat", "left") == 3.0
    assert measures.value("dwell", "cat", "frame") == 4.0
    assert measures.value("share", "cat", "left") == 4 / 50


def test_zones_that_are_new_or_changed_start():
    old = walked(Measurer(INFO, [LEFT]))
    new = with_zones(old, ZoneFile(zones=(WIDER,)))
    measures = new(4.0, cat_at(1))
    assert measures.value("entered", "cat", "left") == 0
    assert measures.value("dwell", "cat", "left") == 0.0
    assert measures.value("dwell", "cat", "frame") == 4.0


def test_another_point_of_objects_starts_all():
    old = walked(Measurer(INFO, [LEFT]))
    new = with_zones(old, ZoneFile(zones=(LEFT,), object_point="center"))
    assert new(4.0, cat_at(1)).value("dwell", "cat", "frame") == 0.0
    assert new.point == "center"
