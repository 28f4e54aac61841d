"""Measures of hand-made results."""

import numpy as np
import pytest

from edge.model_file.info import ModelInfo
from edge.predict.results import SemanticMap
from edge.zones.measuring import Measurer
from edge.zones.zone import Zone
from tests.support.object_results import DETECTION, INSTANCE, detections, instances

INFO = ModelInfo(("road", "car", "sky"), ((0, 0, 1), (0, 1, 0), (1, 0, 0)))
LEFT = Zone("left", ((0, 0), (0.5, 0), (0.5, 1), (0, 1)))
TOP = Zone("top", ((0, 0), (1, 0), (1, 0.5), (0, 0.5)))


def semantic(rows):
    return SemanticMap(np.array(rows, np.uint8))


def test_shares_of_a_map():
    rows = [[1, 1, 0, 0], [1, 255, 0, 0], [0, 0, 0, 0], [0, 0, 0, 2]]
    measures = Measurer(INFO, [LEFT, TOP], smoothing_seconds=0)(0.0, semantic(rows))
    assert measures.to_json() == {
        "frame": {
            "road": {"share": 12 / 16 - 1 / 16},
            "car": {"share": 3 / 16},
            "sky": {"share": 1 / 16},
        },
        "left": {"road": {"share": 4 / 8}, "car": {"share": 3 / 8}},
        "top": {"road": {"share": 4 / 8}, "car": {"share": 3 / 8}},
    }


def test_a_triangle_counts_the_pixels_whose_centre_is_inside():
    triangle = Zone("triangle", ((0, 0), (1, 0), (0, 1)))  # 6 pixels of 16
    rows = [[1, 0, 0, 1], [1, 0, 1, 1], [1, 1, 1, 1], [1, 1, 1, 1]]
    measures = Measurer(INFO, [triangle], smoothing_seconds=0)(0.0, semantic(rows))
    assert measures.value("share", "car", "triangle") == 3 / 6


def test_a_class_that_is_gone_has_zeros():
    measure = Measurer(INFO, [], smoothing_seconds=0)
    measure(0.0, semantic([[1, 1]]))
    assert measure(1.0, semantic([[0, 0]])).zones == {
        "frame": {"road": {"share": 1}, "car": {"share": 0}}
    }


def test_shares_are_means_over_the_smoothing_time():
    measure = Measurer(INFO, [], smoothing_seconds=1.0)
    values = [
        measure(seconds, semantic([[label] * 4])).value("share", "car", "frame")
        for seconds, label in ((0, 0), (0.5, 0), (0.75, 1), (1.0, 1), (1.75, 0))
    ]
    assert values == [0, 0, 0.25 / 0.75, 0.5, 0.25]


def test_a_frame_of_another_size_starts_the_means_again():
    measure = Measurer(INFO, [LEFT], smoothing_seconds=10.0)
    measure(0.0, semantic([[1, 1]])), measure(1.0, semantic([[1, 1]]))
    measures = measure(2.0, semantic([[0, 0, 0, 0], [1, 0, 0, 0]]))
    assert measures.value("share", "car", "left") == 1 / 4


def test_objects_are_counted_where_they_stand():
    # Boxes of a frame of 100x200; the middle of the lower edge decides.
    found = detections(
        (0, 0.9, 80, 10, 100, 90),  # at x = 90: left
        (0, 0.8, 90, 10, 130, 90),  # at x = 110: right
        (1, 0.7, 10, 40, 30, 60),  # at y = 59: below the upper half
    )
    measures = Measurer(DETECTION, [LEFT, TOP], smoothing_seconds=0)(0.0, found)
    assert measures.value("count", "dog", "left") == 1
    assert measures.value("count", "dog", "frame") == 2
    assert measures.value("count", "cat", "left") == 1
    assert measures.value("count", "cat", "top") == 0


def test_objects_can_be_counted_by_their_centre():
    found = detections((1, 0.7, 10, 38, 30, 58))  # from 38 to 58: the centre is at 48
    measure = Measurer(DETECTION, [TOP], smoothing_seconds=0, point="center")
    assert measure(0.0, found).value("count", "cat", "top") == 1


def test_a_box_at_the_lower_edge_is_in_the_frame():
    found = detections((1, 0.7, 190, 90, 200, 100), (1, 0.6, 198, 90, 260, 130))
    measures = Measurer(DETECTION, [], smoothing_seconds=0)(0.0, found)
    assert measures.value("count", "cat", "frame") == 2


def test_the_share_of_boxes_counts_each_pixel_once():
    # Two boxes of 20x10, of which 10x10 are the same pixels: 300 of 20000.
    found = detections((0, 0.9, 0, 0, 20, 10), (0, 0.8, 10, 0, 30, 10))
    measures = Measurer(DETECTION, [LEFT], smoothing_seconds=0)(0.0, found)
    assert measures.value("share", "dog", "frame") == 300 / 20000
    assert measures.value("share", "dog", "left") == 300 / 10000


def test_the_share_of_masks():
    left_half = [[9.0, -9.0]]  # logits of a mask over a box of 40x10, bilinear
    found = instances((0, 0.9, 0, 0, 40, 10), crops=[left_half])
    measures = Measurer(INSTANCE, [], smoothing_seconds=0)(0.0, found)
    assert measures.value("share", "dog", "frame") == 200 / 20000


def test_a_count_is_the_rounded_mean():
    measure = Measurer(DETECTION, [], smoothing_seconds=1.0)
    one, none = detections((0, 0.9, 0, 0, 9, 9)), detections()
    counts = [
        measure(seconds, result).value("count", "dog", "frame")
        for seconds, result in (
            (0, one),
            (1, one),
            (1.25, none),
            (1.5, none),
            (1.75, none),
        )
    ]
    assert counts == [1, 1, 1, 1, 0]  # means 1, 1, 0.75, 0.5, 0.25


def test_tracks_give_times_and_crossings():
    measure = Measurer(DETECTION, [LEFT], smoothing_seconds=0)
    for seconds, x in ((0, 150), (1, 60), (3, 50)):
        box = 0, 0.9, x, 10, x + 20, 60
        measures = measure(
            seconds, detections(box, (2, 0.5, 0, 0, 9, 9), tracks=[4, 5])
        )
    assert measures.zones["left"]["dog"] == {
        **{"share": 20 * 50 / 10000, "count": 1},
        **{"dwell": 2, "mean_dwell": 0, "entered": 1, "left": 0},
    }
    assert measures.zones["frame"]["dog"]["dwell"] == 3
    assert measures.zones["left"]["bird"]["dwell"] == 3


def test_nothing_at_all():
    measures = Measurer(DETECTION, [LEFT])(0.0, detections())
    assert measures.zones == {"frame": {}, "left": {}}
    assert measures.value("count", "dog", "left") == 0


@pytest.mark.parametrize("size", [(1, 1), (2, 3)])
def test_frames_that_are_smaller_than_a_zone_has_points(size):
    zone = Zone("tiny", ((0.1, 0.1), (0.2, 0.1), (0.2, 0.2)))
    measure = Measurer(INFO, [zone])
    assert measure(0.0, SemanticMap(np.zeros(size, np.uint8))).zones["tiny"] == {}
