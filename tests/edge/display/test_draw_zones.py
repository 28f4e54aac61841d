"""Zones in the view."""

import numpy as np

from edge.display.draw import draw_semantic
from edge.display.draw_boxes import draw_objects
from edge.display.draw_zones import put_names, put_outlines
from edge.display.view import View
from edge.model_file.info import ModelInfo
from edge.predict.results import SemanticMap
from edge.zones.zone import Zone
from tests.support.object_results import DETECTION, detections

SQUARE = Zone("door", ((0.25, 0.25), (0.75, 0.25), (0.75, 0.75), (0.25, 0.75)))
WHITE, BLACK = [255] * 3, [0] * 3


def test_a_zone_is_a_white_line_on_black():
    image = np.full((200, 200, 3), 90, np.uint8)
    put_outlines(image, [SQUARE])
    (box,) = put_names(image, [SQUARE])
    assert image[150, 51:149].tolist() == [WHITE] * 98
    assert image[149, 60].tolist() == image[151, 60].tolist() == BLACK
    assert image[100, 100].tolist() == image[153, 100].tolist() == [90] * 3
    # The name is at the highest corner, on a darkened strip.
    assert box[:2] == (50, 50) and (image[55:58, 51:70] == 30).any()


def test_names_give_way_to_the_legend_and_to_each_other():
    image = np.full((200, 200, 3), 90, np.uint8)
    legend = (0, 0, 60, 100)
    other = Zone("exit", SQUARE.points)
    boxes = put_names(image, [SQUARE, other, SQUARE], [legend])
    # The right upper corner, then the left lower one.
    assert (boxes[0][2], boxes[0][1]) == (150, 50)
    assert (boxes[1][0], boxes[1][1]) == (50, 150)
    assert (boxes[2][2], boxes[2][1]) == (150, 150)
    (box,) = put_names(image, [SQUARE], [(0, 0, 200, 200)])
    assert box[:2] == (50, 50)


def test_names_stay_off_a_legend_that_covers_all_corners():
    """The rest of the zone is free; then nothing of it is, and the name goes beside."""
    image = np.full((200, 200, 3), 90, np.uint8)
    zone = Zone("new one", ((0.05, 0.05), (0.9, 0.05), (0.05, 0.6)))
    legend, strip = (0, 0, 60, 150), (100, 0, 200, 30)
    (box,) = put_names(image, [zone], [legend, strip])
    assert box[0] >= 60 and box[1] >= 30 and box[3] <= 120
    small = Zone("new one", ((0.05, 0.05), (0.2, 0.05), (0.2, 0.2)))
    (box,) = put_names(image, [small], [legend])
    assert box[:2] == (60, 10)


def test_zones_at_the_edge_stay_in_the_image():
    for size in ((40, 50, 3), (3, 4, 3)):
        image = np.full(size, 90, np.uint8)
        zones = [Zone("exit", ((0.1, 0.1), (1, 0.1), (1, 1)))]
        put_outlines(image, zones), put_names(image, zones)
        assert (image[-2:] != 90).any()


def test_names_in_other_scripts_do_not_fail():
    image = np.zeros((100, 100, 3), np.uint8)
    put_names(image, [Zone("дверь ประตู", SQUARE.points)])
    assert image.any()


def test_all_tasks_draw_zones():
    frame, view = np.full((100, 200, 3), 90, np.uint8), View(zones=(SQUARE,))
    info = ModelInfo(("a",), ((0, 0, 9),))
    labels = SemanticMap(np.zeros((100, 200), np.uint8))
    for drawn in (
        draw_semantic(frame, labels, info, "", view),
        draw_objects(frame, detections(), DETECTION, "", view),
    ):
        assert drawn[75, 60:140].tolist() == [WHITE] * 80
    assert (frame == 90).all()
