"""Places of labels."""

import numpy as np
import pytest

from edge.display.labels import overlaps, place_strips, put_labels, text_color

FRAME = (100, 200)


def test_a_strip_is_above_its_box_and_else_inside_at_its_top():
    places = place_strips([(10, 40, 90, 80), (100, 5, 190, 60)], [(60, 12)] * 2, FRAME)
    # Above the second there are 5 rows: its strip begins at the top of the frame.
    assert places.tolist() == [[10, 28, 70, 40], [100, 0, 160, 12]]


def test_strips_of_one_box_do_not_cover_each_other():
    boxes, sizes = [(20, 40, 100, 80)] * 6, [(30, 12)] * 6
    places = place_strips(boxes, sizes, FRAME)
    for index in range(6):
        assert not overlaps(places[index : index + 1], places[:index]).any()


def test_places_that_are_taken_are_avoided():
    free = place_strips([(0, 40, 80, 90)], [(30, 12)], FRAME)
    assert free.tolist() == [[0, 28, 30, 40]]
    places = place_strips([(0, 40, 80, 90)], [(30, 12)], FRAME, taken=[(0, 0, 60, 39)])
    assert places.tolist() == [[0, 40, 30, 52]]


def test_strips_stay_inside_the_frame():
    random = np.random.RandomState(0)
    corners = random.randint(-40, 240, (200, 2, 2))
    boxes = np.hstack([corners.min(axis=1), corners.max(axis=1)]).tolist()
    sizes = random.randint(5, 60, (200, 2)).tolist()
    places = place_strips(boxes, sizes, FRAME)
    assert places.min() >= 0
    assert places[:, 2].max() <= 200 and places[:, 3].max() <= 100
    np.testing.assert_array_equal(places[:, 2:] - places[:, :2], sizes)


def test_a_strip_wider_than_the_frame_begins_at_its_left_edge():
    places = place_strips([(3, 3, 9, 9)], [(60, 12)], (10, 10))
    assert places[0, :2].tolist() == [0, 0]


@pytest.mark.parametrize(
    ("color", "light"),
    [
        ((255, 255, 255), True),
        ((0, 255, 255), True),  # yellow
        ((0, 0, 0), False),
        ((255, 0, 0), False),  # blue
        ((0, 0, 255), True),  # red: 5.3 with black, 4.0 with white
    ],
)
def test_ink_has_the_larger_contrast(color, light):
    assert text_color(color) == ((0, 0, 0) if light else (255, 255, 255))


def test_labels_are_drawn_where_they_are_placed():
    image = np.full((*FRAME, 3), 100, np.uint8)
    put_labels(image, [(50, 60, 120, 90)], ["dog 0.87"], [(60, 0, 200)])
    rows, columns = np.nonzero((image != 100).any(axis=2))
    assert rows.max() == 59 and columns.min() == 50 and columns.max() < 120


def test_labels_that_would_hide_the_image_are_left_out():
    image = np.zeros((120, 160, 3), np.uint8)
    boxes = [(10, 10 + k, 30, 30 + k) for k in range(20)]
    put_labels(image, boxes, ["nucleus 0.93"] * 20, [(0, 255, 0)] * 20)
    assert not image.any()
    put_labels(image, boxes[:1], ["nucleus 0.93"], [(0, 255, 0)])
    assert image.any()
