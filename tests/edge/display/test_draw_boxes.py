"""Objects on frames: pixels at known places."""

from dataclasses import replace

import numpy as np
import pytest

from edge.display.draw_boxes import area_of, draw_objects, track_color
from edge.display.view import View, apply_key, help_of
from edge.model_file.info import ModelInfo
from tests.support.object_results import DETECTION, INSTANCE, detections, instances

DOG, CAT = [60, 0, 200], [0, 255, 255]  # in BGR
HALF_DOG = [80, 50, 150]  # half of 100 and half of the colour
BARE = View(boxes=False, legend=False)
BOXES = View(legend=False, masks=False)


def grey(size=(100, 200)) -> np.ndarray:
    return np.full((*size, 3), 100, np.uint8)


def changed(image: np.ndarray) -> np.ndarray:
    """(H, W) bool: where an image is not the grey frame."""
    return (image != 100).any(axis=2)


def test_a_mask_is_blended_inside_its_box():
    found = instances((0, 0.9, 20, 40, 60, 80))
    image = draw_objects(grey(), found, INSTANCE, view=BARE)
    assert (image[40:80, 20:60] == HALF_DOG).all()
    assert changed(image).sum() == 40 * 40


def test_only_pixels_of_the_mask_are_blended():
    # Two cells over 4 columns: inside where the logit is over 0, columns 2 and 3.
    found = instances((0, 0.9, 10, 10, 14, 12), crops=[[[-1.0, 1.0]]])
    image = draw_objects(grey(), found, INSTANCE, view=BARE)
    rows, columns = np.nonzero(changed(image))
    assert set(rows.tolist()) == {10, 11} and set(columns.tolist()) == {12, 13}


def test_the_mask_of_the_highest_score_is_on_top():
    found = instances((0, 0.9, 0, 0, 50, 50), (1, 0.5, 25, 0, 75, 50))
    image = draw_objects(grey(), found, INSTANCE, view=replace(BARE, opacity=1.0))
    assert image[10, 30].tolist() == DOG and image[10, 60].tolist() == CAT


def test_a_box_has_an_edge_of_2_pixels_inside_it():
    found = detections((0, 0.9, 20, 60, 80, 90))
    image = draw_objects(grey(), found, DETECTION, view=BOXES)
    assert (image[88:90, 20:80] == DOG).all() and (image[60:90, 78:80] == DOG).all()
    assert not changed(image[62:88, 22:78]).any()
    assert not changed(image[90:]).any() and not changed(image[:, 80:]).any()


def test_drawing_returns_a_new_image():
    frame = grey()
    found = instances((0, 0.9, 20, 40, 60, 80))
    views = (View(), BARE, View(outlines=True), View(opacity=0, boxes=False))
    for view in views:
        image = draw_objects(frame, found, INSTANCE, "1 fps", view)
        assert (frame == 100).all() and not np.shares_memory(frame, image)
        assert (image.shape, image.dtype) == (frame.shape, np.uint8)


@pytest.mark.parametrize(
    "box",
    [(-30, -20, 20, 20), (190, 95, 260, 130), (300, 300, 400, 400), (50, 50, 50, 50)],
)
def test_boxes_partly_or_wholly_outside_the_frame(box):
    """And one without area."""
    found = instances((0, 0.9, *box))
    image = draw_objects(grey(), found, INSTANCE, view=View(outlines=True))
    assert image.shape == (100, 200, 3)


@pytest.mark.parametrize("size", [(1, 1), (5, 7), (16, 16)])
def test_frames_smaller_than_a_label(size):
    found = instances((0, 0.9, 0, 0, *size[::-1]), size=size)
    assert draw_objects(grey(size), found, INSTANCE, "9 fps").shape == (*size, 3)


def test_without_objects_the_legend_and_the_caption_remain():
    for found, info in ((instances(), INSTANCE), (detections(), DETECTION)):
        image = draw_objects(grey((480, 640)), found, info, "9 fps")
        assert changed(image[:100, :100]).any() and changed(image[440:, :100]).any()
        assert not changed(image[:, 200:]).any()


def test_hidden_classes_are_not_drawn():
    found = instances((0, 0.9, 20, 40, 60, 80), (1, 0.8, 100, 40, 140, 80))
    view = View(legend=False, hidden=frozenset({0}))
    image = draw_objects(grey(), found, INSTANCE, view=view)
    assert not changed(image[:, :100]).any()
    # Yellow is (0, 255, 255): half of it and half of 100.
    assert image[60, 120].tolist() == [50, 178, 178]


def test_a_label_is_a_filled_strip_above_the_box():
    found = detections((0, 0.87, 50, 60, 120, 90))
    image = draw_objects(grey(), found, DETECTION, view=BOXES)
    strip = image[46:60, 50:80].reshape(-1, 3)
    assert (strip == DOG).all(axis=1).mean() > 0.5
    assert (strip > 180).all(axis=1).any()  # white letters on a dark colour


def test_letters_on_a_light_colour_are_dark():
    found = detections((1, 0.87, 50, 60, 120, 90))
    image = draw_objects(grey(), found, DETECTION, view=BOXES)
    strip = image[46:60, 50:80].reshape(-1, 3)
    assert (strip == CAT).all(axis=1).mean() > 0.5
    assert (strip < 60).all(axis=1).any() and not (strip > 200).all(axis=1).any()


def test_colours_by_track():
    rows = [(0, 0.9, 20, 40, 60, 80), (0, 0.8, 100, 40, 140, 80)]
    view = View(boxes=False, legend=False, opacity=1.0, color_by="track")
    found = instances(*rows, tracks=(3, 7))
    image = draw_objects(grey(), found, INSTANCE, view=view)
    assert tuple(image[60, 40].tolist()) == track_color(3)
    assert tuple(image[60, 120].tolist()) == track_color(7)
    assert track_color(3) != track_color(7)
    # Without tracks the colours are those of the classes.
    image = draw_objects(grey(), instances(*rows), INSTANCE, view=view)
    assert image[60, 40].tolist() == DOG


def test_outlines_follow_the_mask():
    found = instances((0, 0.9, 20, 40, 60, 80))
    view = View(boxes=False, legend=False, opacity=0, outlines=True)
    image = draw_objects(grey(), found, INSTANCE, view=view)
    assert image[60, 20].tolist() == image[40, 40].tolist() == DOG
    assert not changed(image[45:75, 25:55]).any()


def test_the_legend_counts_objects():
    """480 rows: lines of 19 pixels, as in test_draw.py."""
    frame, row = grey((480, 640)), (0, 0.9, 300, 300, 310, 310)
    view = View(boxes=False)
    none, one, two = (
        draw_objects(frame, instances(*[row] * n, size=(480, 640)), INSTANCE, "", view)
        for n in (0, 1, 2)
    )
    assert one[10, 10].tolist() == DOG
    # The first line differs by the number, the others do not.
    first = slice(4, 23)
    assert (one[first, :130] != none[first, :130]).any()
    assert (one[first, :130] != two[first, :130]).any()
    assert (one[24:100, :50] == two[24:100, :50]).all()


def test_a_background_replaces_all_but_the_masks_of_kept_classes():
    found = instances((0, 0.9, 20, 40, 60, 80), (1, 0.8, 40, 40, 140, 80))
    view = View(
        opacity=0,
        boxes=False,
        background=lambda frame: frame * 0,
        keep=frozenset({1}),
    )
    image = draw_objects(grey(), found, INSTANCE, view=view)
    # Cat keeps all of its mask, though dog is in front of a part of it.
    assert (image[42:78, 42:138] == 100).all()
    assert not image[:, :38].any() and not image[:38].any()


def test_with_a_background_only_kept_objects_have_boxes():
    found = detections((0, 0.9, 20, 60, 60, 80), (1, 0.8, 100, 60, 140, 80))
    view = View(background=lambda frame: frame * 0, keep=frozenset({1}), legend=False)
    image = draw_objects(grey(), found, DETECTION, view=view)
    assert not image[:, :98].any()
    assert image[79, 120].tolist() == CAT


def test_the_area_of_classes_is_a_union_of_masks_or_boxes():
    rows = [(0, 0.9, 0, 0, 2, 2), (0, 0.8, 1, 1, 4, 3), (1, 0.7, 5, 5, 6, 6)]
    for found in (detections(*rows), instances(*rows)):
        area = area_of(found, frozenset({0}))
        assert (area == 255).sum() == 4 + 6 - 1 and not area[5:].any()


def test_the_line_of_crossings_is_drawn():
    view = View(legend=False, line=("y", 0.5))
    image = draw_objects(grey(), detections(), DETECTION, view=view)
    assert (image[50] == 255).all() and not changed(image[60:]).any()
    view = View(legend=False, line=("x", 0.25))
    image = draw_objects(grey(), detections(), DETECTION, view=view)
    assert (image[:, 50] == 255).all() and not changed(image[:, 60:]).any()


def test_keys_of_objects():
    assert apply_key(View(), "m", INSTANCE) == View(masks=False)
    assert apply_key(View(), "x", INSTANCE) == View(boxes=False)
    assert apply_key(View(), "x", DETECTION) == View(boxes=False)
    assert apply_key(View(), "m", DETECTION) == View()
    semantic = replace(INSTANCE, task="semantic")
    assert apply_key(View(), "m", semantic) == apply_key(View(), "x", semantic)
    assert apply_key(View(), "1", INSTANCE).hidden == {0}
    assert "m masks   x boxes" in help_of(INSTANCE)
    assert "masks" not in help_of(semantic) and "opacity" not in help_of(DETECTION)


def test_classes_that_the_model_does_not_name_are_not_drawn():
    few = ModelInfo(("dog",), ((200, 0, 60),), task="detection")
    found = detections((7, 0.9, 20, 60, 60, 80))
    image = draw_objects(grey(), found, few, view=BOXES)
    assert not changed(image).any()
