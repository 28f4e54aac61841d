import numpy as np

from kseg.data.sample import Objects, Sample
from kseg.evaluation.labels import LabelledClasses

IMAGE = np.zeros((2, 2, 3), np.uint8)
NAMES = ("ground", "roof", "water")


def test_classes_without_a_pixel_are_named(caplog):
    labelled = LabelledClasses(NAMES)
    labelled.add(0, Sample(IMAGE, np.uint8([[0, 255], [2, 2]])), None)
    assert labelled.missing == ["roof"]
    labelled.report("photos", "val")
    assert "photos: no image of val shows roof; the metrics say nothing" in caplog.text


def test_classes_without_an_object_are_named():
    labelled = LabelledClasses(NAMES)
    boxes, crowd = np.zeros((2, 4), np.float32), np.zeros(2, bool)
    labelled.add(0, Sample(IMAGE, Objects(boxes, np.int32([1, 1]), crowd)), None)
    assert labelled.missing == ["ground", "water"]


def test_nothing_is_said_where_all_are_labelled_or_unknown(caplog):
    all_classes, unknown = LabelledClasses(NAMES), LabelledClasses(NAMES)
    all_classes.add(0, Sample(IMAGE, np.uint8([[0, 1, 2]])), None)
    unknown.add(0, Sample(IMAGE, np.float32([[0.5]])), None)
    for each in (all_classes, unknown):
        each.report("photos", "val")
    assert not caplog.text
