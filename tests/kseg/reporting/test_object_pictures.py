"""Pictures of objects: colours of pixels by hand."""

import numpy as np

from edge.model_file.info import ModelInfo
from edge.predict.results import Detections, Instances
from kseg.reporting.object_pictures import (
    draw_objects,
    label_of,
    picture,
    resized_result,
    result_of_objects,
    truth_and_prediction,
)
from tests.support.objects import detections_of, instances_of, objects_of

RED, BLUE = (200, 0, 0), (0, 0, 200)
INFO = ModelInfo(class_names=("disc", "square"), colors=(RED, BLUE))
GREY = np.full((100, 100, 3), 100, np.uint8)
BOX = (40, 50, 80, 90)


def test_labelled_objects_become_the_same_masks():
    objects = objects_of([BOX, (0, 0, 9, 9)], [1, 0])
    objects.masks[0][:, :7] = False
    result = result_of_objects(objects, (100, 100))
    assert result.scores.tolist() == [1, 1]
    parts = list(result.masks())
    assert parts[0][:2] == (slice(50, 90), slice(40, 80))
    assert parts[1][:2] == (slice(0, 9), slice(0, 9))
    for (_, _, mask), expected in zip(parts, objects.masks, strict=True):
        np.testing.assert_array_equal(mask, expected)
    boxes = result_of_objects(objects_of([BOX], [1], masks=False), (100, 100))
    assert type(boxes) is Detections


def test_masks_are_blended_inside_and_boxes_are_drawn_on_the_last_pixel():
    """0.55 of grey 100 and 0.45 of the colour: 145, 55, 55."""
    shown = draw_objects(GREY, instances_of([BOX], [0], [0.9]), INFO)
    assert shown[70, 60].tolist() == [145, 55, 55]
    for place in ((50, 79), (89, 40), (89, 79)):
        assert shown[place].tolist() == list(RED)
    for place in ((70, 80), (90, 60), (10, 10)):
        assert shown[place].tolist() == [100, 100, 100]
    assert (GREY == 100).all()  # the image itself is unchanged


def test_the_better_result_is_above():
    shown = draw_objects(GREY, instances_of([BOX, BOX], [1, 0], [0.9, 0.8]), INFO)
    assert shown[89, 60].tolist() == list(BLUE)


def test_labels_stay_inside_the_image():
    """At all four corners, and in an image that is smaller than a label."""
    corners = [(0, 0, 9, 9), (91, 0, 100, 9), (0, 91, 9, 100), (91, 91, 100, 100)]
    result = detections_of(corners, [0] * 4, [0.9] * 4)
    assert draw_objects(GREY, result, INFO).shape == GREY.shape
    tiny = detections_of([(0, 0, 2, 2)], [0], [0.9], (3, 3))
    assert draw_objects(GREY[:3, :3], tiny, INFO).shape == (3, 3, 3)


def test_labels():
    result = detections_of([BOX], [1], [0.876])
    assert label_of(result, 0, INFO, True) == "square 0.88"
    assert label_of(result, 0, INFO, False) == "square"
    symbol = ModelInfo(class_names=("a", "\U0001f408"), colors=(RED, BLUE))
    assert label_of(result, 0, symbol, False) == "class 1"
    single = ModelInfo(class_names=("nucleus",), colors=(RED,))
    assert label_of(detections_of([BOX], [0], [0.5]), 0, single, True) == "0.50"


def test_a_result_is_resized_with_its_image():
    result = instances_of([BOX], [0], [0.9])
    moved = resized_result(result, (200, 50))
    assert isinstance(moved, Instances) and moved.size == (200, 50)
    assert moved.boxes.tolist() == [[20, 100, 40, 180]] == moved.mask_spans.tolist()


def test_pictures_fit_into_the_box():
    grey = np.full((50, 100, 1), 100, np.uint8)
    result = detections_of([BOX], [0], [0.9], (50, 100))
    assert picture(grey, result, INFO, (480, 640)).shape == (320, 640, 3)
    views = truth_and_prediction(grey, objects_of([], []), result, INFO, (25, 640))
    assert list(views) == ["ground truth", "prediction"]
    assert all(view.shape == (25, 50, 3) for view in views.values())
    assert (views["ground truth"] == 100).all()  # nothing is labelled


def test_many_objects_have_no_labels():
    """They would cover more than a quarter of the picture."""
    boxes = [(50, 50, 60, 60)] * 41
    shown = draw_objects(GREY, detections_of(boxes, [0] * 41, [0.9] * 41), INFO)
    assert (shown[:50] == 100).all()
    labelled = draw_objects(GREY, detections_of(boxes[:1], [0], [0.9]), INFO)
    assert (labelled[:50] != 100).any()
