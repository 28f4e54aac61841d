"""Zones in the view."""

import numpy as np

from edge.display.draw import draw_semantic
from edge.display.draw_boxes import draw_objects
from edge.display.draw_zones import put_zones
from edge.display.view import View
from edge.model_file.info import ModelInfo
from edge.predict.results import SemanticMap
from edge.zones.zone import Zone
from tests.support.object_results import DETECTION, detections

SQUARE = Zone("door", ((0.25, 0.25), (0.75, 0.25), (0.75, 0.75), (0.25, 0.75)))
WHITE, BLACK = [255] * 3, [0] * 3


def test_a_zone_is_a_white_line_on_black():
    image = np.full((200, 200, 3), 90, np.uint8)
    put_zones(image, [SQUARE])
    assert image[150, 51:149].tolist() == [WHITE] * 98
    assert image[149, 60].tolist() == image[151, 60].tolist() == BLACK
    assert image[100, 100].tolist() == image[153, 100].tolist() == [90] * 3
    # The name is inside, at the highest point, on a darkened strip.
    assert (image[52:60, 51:70] == 30).any()


def test_zones_at_the_edge_stay_in_the_image():
    for size in ((40, 50, 3), (3, 4, 3)):
        image = np.full(size, 90, np.uint8)
        put_zones(image, [Zone("exit", ((0.1, 0.1), (1, 0.1), (1, 1)))])
        assert (image[-2:] != 90).any()


def test_names_in_other_scripts_do_not_fail():
    image = np.zeros((100, 100, 3), np.uint8)
    put_zones(image, [Zone("дверь ประตู", SQUARE.points)])
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
