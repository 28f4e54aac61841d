"""Drawing: hand-computed colours, and unchanged inputs."""

import numpy as np
import pytest

from edge.core.constants import palette
from edge.display.colors import color_table, colored, hide_classes
from edge.display.draw import (
    blend,
    blurred,
    caption,
    center_crop,
    draw_semantic,
    legend,
    legend_alone,
    outlined,
    replace_background,
)
from edge.display.view import View, apply_key, toggle_class
from edge.model_file.info import ModelInfo
from edge.predict.results import SemanticMap

INFO = ModelInfo(
    class_names=("background", "road", "car"),
    colors=((0, 0, 0), (200, 0, 60), (0, 0, 255)),
)
BACKGROUND_ROAD_VOID = np.array([[0, 1, 255]], np.uint8)


def of_one_color(size, color) -> np.ndarray:
    return np.full((*size, 3), color, np.uint8)


@pytest.mark.parametrize(
    ("opacity", "order", "road"),
    [
        # Half of 100 and half of (200, 0, 60).
        (0.5, "RGB", (150, 50, 80)),
        (0.5, "BGR", (80, 50, 150)),
        # 75 and a quarter of (200, 0, 60).
        (0.25, "RGB", (125, 75, 90)),
        (1.0, "RGB", (200, 0, 60)),
        (0.0, "RGB", (100, 100, 100)),
    ],
)
def test_blended_values(opacity, order, road):
    image = of_one_color((1, 3), 100)
    result = blend(image, BACKGROUND_ROAD_VOID, INFO, opacity, order)
    assert result[0, 1].tolist() == list(road)


def test_black_classes_and_void_leave_pixels_untouched():
    image = np.random.default_rng(0).integers(0, 256, (8, 9, 3), dtype=np.uint8)
    labels = np.random.default_rng(1).choice([0, 1, 3, 255], (8, 9)).astype(np.uint8)
    result = blend(image, labels, INFO)
    np.testing.assert_array_equal(result[labels != 1], image[labels != 1])
    assert (result[labels == 1] != image[labels == 1]).any()


def test_colored():
    assert colored(BACKGROUND_ROAD_VOID, INFO).tolist() == [
        [[0, 0, 0], [200, 0, 60], [0, 0, 0]]
    ]
    assert colored(BACKGROUND_ROAD_VOID, INFO, "BGR")[0, 1].tolist() == [60, 0, 200]


def test_the_colour_table_is_black_for_unused_ids():
    table = color_table(INFO)
    assert (table.shape, table.dtype) == ((256, 3), np.uint8)
    assert table[:3].tolist() == [list(color) for color in INFO.colors]
    assert not table[3:].any()


ONLY_BLACK = ModelInfo(class_names=("background",), colors=((0, 0, 0),))
EVERYTHING = View(
    outlines=True,
    background=blurred,
    keep=frozenset({1}),
    hidden=frozenset({2}),
    keys=True,
    help=True,
)
MANY = ModelInfo(
    class_names=tuple(f"class {i}" for i in range(256)), colors=palette(256)
)


@pytest.mark.parametrize("size", [(480, 640), (30, 40), (5, 5)])
@pytest.mark.parametrize(
    "drawing",
    [
        lambda image, labels: blend(image, labels, INFO),
        lambda image, labels: blend(image, labels, ONLY_BLACK),
        lambda image, labels: legend(image, INFO, [0, 1]),
        lambda image, labels: legend(image, ONLY_BLACK, [0]),
        lambda image, labels: legend(image, MANY, [0, 3]),
        lambda image, labels: legend(image, MANY, []),
        lambda image, labels: caption(image, "12.5 fps"),
        lambda image, labels: caption(image, ""),
        lambda image, labels: draw_semantic(
            image, SemanticMap(labels), INFO, "12.5 fps"
        ),
        lambda image, labels: draw_semantic(
            image, SemanticMap(labels), INFO, "", EVERYTHING
        ),
        lambda image, labels: draw_semantic(
            image, SemanticMap(labels), INFO, "", View(opacity=0)
        ),
        lambda image, labels: outlined(image, labels, INFO),
        lambda image, labels: blurred(image),
        lambda image, labels: center_crop(image, image.shape[:2]),
        lambda image, labels: replace_background(image, labels, frozenset({1}), image),
    ],
    ids=[
        "blend",
        "blend black",
        "legend",
        "legend of black",
        "legend of many",
        "legend of none",
        "caption",
        "caption of nothing",
        "draw",
        "draw everything",
        "draw nothing",
        "outlined",
        "blurred",
        "covering",
        "in front",
    ],
)
def test_drawing_returns_a_new_image(drawing, size):
    image, labels = of_one_color(size, 100), np.ones(size, np.uint8)
    result = drawing(image, labels)
    assert (image == 100).all()
    assert (labels == 1).all()
    assert not np.shares_memory(result, image)
    assert (result.shape, result.dtype) == (image.shape, np.uint8)


def test_the_legend_shows_the_colours_in_bgr():
    # 480 rows: letters at 480 / 900 = 0.53 of their size, lines of 36 * 0.53 = 19.2
    # pixels. The first swatch spans rows 7 to 20 and columns 4 to 19.
    result = legend(of_one_color((480, 640), 90), INFO, [1])
    assert result[10, 10].tolist() == [60, 0, 200]
    assert result[10 + 19, 10].tolist() == [255, 0, 0]
    # The panel is a third as bright; the rest is unchanged.
    assert result[1, 1].tolist() == [30, 30, 30]
    assert (result[100:] == 90).all()
    assert (result[:, 400:] == 90).all()


def test_the_legend_of_many_classes_lists_those_present():
    image = of_one_color((480, 640), 90)
    first = legend(image, MANY, [0, 3, 200])
    assert first[10, 10].tolist() == [0, 128, 128]  # (128, 128, 0) in BGR
    np.testing.assert_array_equal(legend(image, MANY, [0]), image)


@pytest.mark.parametrize(("number", "rows"), [(10, 10), (11, 2)])
def test_a_legend_of_more_than_ten_classes_lists_those_that_occur(number, rows):
    """Lines of 36 * 480 / 900 = 19 pixels, and half a line below them."""
    image = of_one_color((480, 640), 90)
    colors = tuple((9, 9, 9 + i) for i in range(number))
    info = ModelInfo(tuple("abcdefghijk"[:number]), colors)
    result = legend(image, info, [2, 4])
    assert (result[:, 1] != 90).any(axis=1).sum() == 19 * rows + 9


def test_the_legend_alone_has_all_classes():
    number = 60  # more than fit into the height of a usual image
    colors = tuple((index + 1, 250, 7) for index in range(number))
    image = legend_alone(ModelInfo(tuple(f"c{i}" for i in range(number)), colors))
    assert image is not None
    for index in range(number):
        assert (image == (7, 250, index + 1)).all(axis=2).sum() > 50
    assert legend_alone(ONLY_BLACK) is None


def test_the_caption_is_in_the_lower_left_corner():
    image = of_one_color((480, 640), 90)
    changed = np.argwhere((caption(image, "12.5 fps") != image).any(axis=2))
    top, left = changed.min(axis=0)
    assert top > 440
    assert left < 20
    np.testing.assert_array_equal(caption(image, ""), image)


def test_draw_expects_bgr_frames():
    frame = of_one_color((480, 640), 100)
    labels = np.zeros((480, 640), np.uint8)
    labels[200:, 300:] = 1
    view = draw_semantic(frame, SemanticMap(labels), INFO, "")
    assert view[300, 400].tolist() == [80, 50, 150]
    assert view[150, 400].tolist() == [100, 100, 100]


def halves() -> np.ndarray:
    """(6, 8) labels: road on the left, car on the right."""
    labels = np.ones((6, 8), np.uint8)
    labels[:, 4:] = 2
    return labels


def test_outlines_are_on_both_sides_of_a_boundary():
    result = outlined(of_one_color((6, 8), 100), halves(), INFO)
    row = [[100] * 3] * 3 + [[200, 0, 60], [0, 0, 255]] + [[100] * 3] * 3
    assert result.tolist() == [row] * 6


def test_a_hidden_class_has_no_colour_and_no_outline():
    info = hide_classes(INFO, frozenset({2}))
    assert info.colors == ((0, 0, 0), (200, 0, 60), (0, 0, 0))
    result = outlined(of_one_color((6, 8), 100), halves(), info)
    assert (result[:, 4:] == 100).all()
    assert (result[:, 3] == (200, 0, 60)).all()
    view = View(hidden=frozenset({2}), legend=False)
    image = of_one_color((6, 8), 100)
    drawn = draw_semantic(image, SemanticMap(halves()), INFO, view=view)
    assert (drawn[:, 4:] == 100).all()
    assert (drawn[:, :4] == (80, 50, 150)).all()


def test_the_legend_shows_a_hidden_class_as_an_empty_box():
    frame, labels = of_one_color((480, 640), 90), np.zeros((480, 640), np.uint8)
    drawn = draw_semantic(
        frame, SemanticMap(labels), INFO, view=View(hidden=frozenset({1}))
    )
    assert drawn[10, 10].tolist() == [30, 30, 30]  # of the panel
    assert drawn[7, 10].tolist() == [60, 0, 200]  # of the box's edge
    assert drawn[10 + 19, 10].tolist() == [255, 0, 0]  # car, unchanged


def test_kept_classes_stay_in_front_of_a_background():
    """600 rows: softened over 2 * 3 + 1 = 7 columns, 3 on each side."""
    labels = np.ones((600, 40), np.uint8)
    labels[:, 20:] = 2
    frame, behind = of_one_color((600, 40), 100), of_one_color((600, 40), 30)
    result = replace_background(frame, labels, frozenset({2}), behind)
    # In column 19 three of the seven are of class 2: 30 + 70 * 3 / 7.
    assert result[300, :, 0].tolist()[16:24] == [30, 40, 50, 60, 70, 80, 90, 100]
    assert (result[:, :16] == 30).all()
    assert (result[:, 24:] == 100).all()


def test_a_background_without_colours_at_opacity_0():
    view = View(opacity=0, background=lambda frame: frame * 0, keep=frozenset({2}))
    labels = np.ones((100, 100), np.uint8)
    labels[:, 50:] = 2
    result = draw_semantic(
        of_one_color((100, 100), 100), SemanticMap(labels), INFO, view=view
    )
    assert not result[:, :49].any()
    assert (result[:, 51:] == 100).all()


def test_blurred_keeps_brightness_and_removes_detail():
    image = np.indices((160, 240)).sum(axis=0)[..., None].repeat(3, 2) % 2 * 255
    result = blurred(image.astype(np.uint8))
    assert result.mean() == pytest.approx(127.5, abs=1)
    assert result.std() < 3


@pytest.mark.parametrize("size", [(40, 60), (60, 40), (20, 200), (7, 7)])
def test_center_crop_is_the_middle_of_an_image(size):
    image = of_one_color((100, 100), 0)
    image[43:57, 43:57] = 200
    result = center_crop(image, size)
    assert result.shape == (*size, 3)
    bright = np.argwhere(result[..., 0] > 90)
    middle = (np.array(size) - 1) / 2
    assert bright.mean(axis=0) == pytest.approx(middle, abs=0.6)


def background(frame):
    return frame


@pytest.mark.parametrize(
    ("key", "changed"),
    [
        # The keys number the classes of the legend; background is black and not in it.
        ("1", {"hidden": {1}}),
        ("2", {"hidden": {2}}),
        ("3", {}),
        ("0", {}),
        ("a", {"hidden": {0, 1, 2}}),
        ("o", {"outlines": True}),
        ("l", {"legend": False}),
        ("h", {"help": True}),
        ("b", {"background": background}),
        ("+", {"opacity": 0.6}),
        ("-", {"opacity": 0.4}),
        ("x", {}),
        ("\xff", {}),
    ],
)
def test_keys(key, changed):
    view = apply_key(View(), key, INFO, background)
    assert view == View(**changed)


def test_pressing_a_key_twice_restores_the_view():
    for key in "12aolhb":
        once = apply_key(View(), key, INFO, background)
        assert apply_key(once, key, INFO, background) == View()
    assert apply_key(View(opacity=1.0), "+", INFO).opacity == 1
    assert apply_key(View(opacity=0.0), "-", INFO).opacity == 0


def test_the_tenth_class_has_the_key_0():
    ten = ModelInfo(class_names=tuple("abcdefghij"), colors=((1, 1, 1),) * 10)
    assert apply_key(View(), "0", ten) == toggle_class(View(), 9)
