"""Drawing: hand-computed colours, and nothing that was given is changed."""

import numpy as np
import pytest

from edge.metadata import ModelInfo, palette
from edge.overlay import blend, caption, color_table, colored, draw, legend

INFO = ModelInfo(
    names=("background", "road", "car"),
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
def test_the_blended_value(opacity, order, road):
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


def test_the_table_is_black_where_there_is_no_colour():
    table = color_table(INFO)
    assert (table.shape, table.dtype) == ((256, 3), np.uint8)
    assert table[:3].tolist() == [list(color) for color in INFO.colors]
    assert not table[3:].any()


ONLY_BLACK = ModelInfo(names=("background",), colors=((0, 0, 0),))
MANY = ModelInfo(names=tuple(f"class {i}" for i in range(256)), colors=palette(256))


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
        lambda image, labels: draw(image, labels, INFO, "12.5 fps"),
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
    # The panel is a third as bright; the rest is as it was.
    assert result[1, 1].tolist() == [30, 30, 30]
    assert (result[100:] == 90).all()
    assert (result[:, 400:] == 90).all()


def test_the_legend_of_many_classes_lists_those_that_are_there():
    image = of_one_color((480, 640), 90)
    first = legend(image, MANY, [0, 3, 200])
    assert first[10, 10].tolist() == [0, 128, 128]  # (128, 128, 0) in BGR
    np.testing.assert_array_equal(legend(image, MANY, [0]), image)


def test_the_caption_is_in_the_lower_left():
    image = of_one_color((480, 640), 90)
    changed = np.argwhere((caption(image, "12.5 fps") != image).any(axis=2))
    top, left = changed.min(axis=0)
    assert top > 440
    assert left < 20
    np.testing.assert_array_equal(caption(image, ""), image)


def test_draw_takes_bgr_frames():
    frame = of_one_color((480, 640), 100)
    labels = np.zeros((480, 640), np.uint8)
    labels[200:, 300:] = 1
    view = draw(frame, labels, INFO, "")
    assert view[300, 400].tolist() == [80, 50, 150]
    assert view[150, 400].tolist() == [100, 100, 100]
