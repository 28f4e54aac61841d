import cv2
import numpy as np
import pytest

from edge.core.constants import palette
from edge.core.errors import InputError
from edge.predict.semantic import SemanticPredictor
from kseg.core.names import GROUPING_NAMES
from kseg.evaluation.grouping import (
    GROUPINGS,
    GroupingEngine,
    draw_borders,
    is_grouping,
    label_by_majority,
    measure_borders,
    merge_groups,
    open_grouping,
)
from kseg.evaluation.open import locate, open_predictor

SIZE = (60, 80)
RIGHT_HALF = np.indices(SIZE)[1] >= 40  # True in the right half
each_kind = pytest.mark.parametrize("kind", sorted(GROUPINGS))


def halves(left, right):
    """An image of two halves; each a grey value, a colour, or (H, W) grey values."""
    left, right = (
        half[..., None] if np.ndim(half) == 2 else half for half in (left, right)
    )
    halved = np.where(RIGHT_HALF[..., None], right, left)
    return np.broadcast_to(halved, (*SIZE, 3)).astype(np.uint8)


def squares(side):
    """A chessboard of 88 and 168, whose mean is 128."""
    rows, columns = np.indices(SIZE) // side
    return 88 + 80 * ((rows + columns) % 2)


def agreement(segments):
    """The fraction of pixels in which two segments equal the two halves."""
    share = (segments == RIGHT_HALF).mean()
    return max(share, 1 - share)


def line():
    """A grey image divided by a white line one pixel wide."""
    image = halves(120, 120)
    image[:, 40] = 255
    return image


RED, GREEN = (200, 60, 60), (60, 120, 120)  # both are grey 102


def test_the_option_lists_every_grouping():
    assert GROUPING_NAMES == tuple(sorted(GROUPINGS))


@pytest.mark.parametrize(
    ("kind", "image", "minimum"),
    [
        ("intensity", halves(80, 170), 1),
        ("intensity", halves(120, 128), 1),
        ("color", halves(RED, GREEN), 1),
        ("color", halves(120, 128), 1),
        ("texture", halves(squares(1), squares(4)), 0.95),
        ("texture", halves(128, squares(2)), 0.95),
        ("edges", halves(80, 170), 1),
        ("edges", line(), 0.98),
    ],
)
def test_two_halves_are_found(kind, image, minimum):
    assert agreement(GROUPINGS[kind](image, 2)) >= minimum


def test_the_two_hues_have_the_same_grey():
    grey = cv2.cvtColor(halves(RED, GREEN), cv2.COLOR_RGB2GRAY)
    assert grey.min() == grey.max()


def test_intensity_ignores_hue():
    assert agreement(GROUPINGS["intensity"](halves(RED, GREEN), 2)) < 0.9


def test_texture_ignores_grey():
    """Each half has a gradient from dark to bright; only the texture differs."""
    shade = np.linspace(-80, 80, SIZE[0])[:, None]
    image = halves(squares(1) + shade, squares(4) + shade)
    assert agreement(GROUPINGS["texture"](image, 2)) > 0.85
    assert agreement(GROUPINGS["intensity"](image, 2)) < 0.7


@each_kind
@pytest.mark.parametrize("segments", [2, 100, 254])
@pytest.mark.parametrize("size", [(2, 2), (2, 60), (7, 5), (90, 120)])
def test_ids_start_at_0_and_do_not_exceed_the_number_of_segments(kind, size, segments):
    for image in (
        np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8),
        np.full((*size, 3), 7, np.uint8),
    ):
        ids = GROUPINGS[kind](image, segments)
        assert ids.shape == size and ids.dtype == np.uint8
        assert np.unique(ids).tolist() == list(range(ids.max() + 1))
        assert ids.max() < segments


@each_kind
def test_a_photo_has_the_requested_number_of_segments(kind, bird):
    image = cv2.imread(str(bird))[::2, ::2, ::-1]
    ids = GROUPINGS[kind](np.ascontiguousarray(image), 50)
    assert len(np.unique(ids)) == 50
    for index in range(50):  # each is connected
        assert cv2.connectedComponents((ids == index).astype(np.uint8))[0] == 2


def test_the_same_image_gives_the_same_segments():
    """People draw strokes on the segments of an earlier call."""
    image = np.random.default_rng(1).integers(0, 256, (40, 50, 3), np.uint8)
    for group in GROUPINGS.values():
        np.testing.assert_array_equal(group(image, 9), group(image, 9))


def test_borders_by_hand():
    groups = np.array([[0, 0, 1], [2, 2, 1]])
    strength = np.array([[1, 2, 3], [4, 5, 6]], np.float32)
    length, total = measure_borders(groups, strength, 3)
    # 0|1 touch once, above; 0|2 twice; 1|2 once, below. The stronger pixel counts.
    assert length.tolist() == [[0, 1, 2], [1, 0, 1], [2, 1, 0]]
    assert total.tolist() == [[0, 3, 9], [3, 0, 6], [9, 6, 0]]


def test_groups_are_merged_across_the_weakest_border():
    """Three stripes of equal size with steps of 1 and 5: the first two are merged."""
    groups = np.repeat([[3, 8, 9]], 6, axis=0).repeat(4, axis=1)
    values = np.repeat([[0, 1, 6]], 6, axis=0).repeat(4, axis=1)
    features = values[..., None].astype(np.float32)
    assert merge_groups(groups, features, 2)[0, ::4].tolist() == [0, 0, 1]
    assert merge_groups(groups, features, 7)[0, ::4].tolist() == [0, 1, 2]


def test_a_single_pixel_is_merged_before_a_half():
    """Although its step is higher than that between the halves."""
    values = np.where(RIGHT_HALF, 30, 0).astype(np.float32)
    groups = RIGHT_HALF.astype(int)
    values[5, 5], groups[5, 5] = 60, 2
    ids = merge_groups(groups, values[..., None], 2)
    np.testing.assert_array_equal(ids, RIGHT_HALF)


# --- labels by majority ---


def test_labels_by_hand():
    segments = np.array([[0, 0, 0, 1], [0, 2, 2, 1], [3, 3, 2, 1]])
    mask = np.array([[4, 4, 1, 255], [1, 2, 2, 255], [255, 0, 4, 255]])
    # 0 has 4 and 1 twice each: the lower wins; 1 is void; 2 has 2 twice, 4 once; 3 has
    # 0 once.
    named = label_by_majority(segments, mask, 5)
    assert named.dtype == np.uint8
    assert named.tolist() == [[1, 1, 1, 255], [1, 2, 2, 255], [0, 0, 2, 255]]


def test_void_only():
    segments = np.array([[0, 1]])
    assert label_by_majority(segments, np.array([[255, 255]]), 3).tolist() == [
        [255] * 2
    ]


def test_another_ignore_index():
    named = label_by_majority(np.array([[0, 0, 1]]), np.array([[11, 2, 11]]), 11, 11)
    assert named.tolist() == [[2, 2, 11]]


def test_shapes_and_ids_that_do_not_fit_are_refused():
    segments = np.zeros((2, 2), int)
    with pytest.raises(ValueError, match="differ"):
        label_by_majority(segments, np.zeros((2, 3), int), 2)
    with pytest.raises(ValueError, match="outside the 2 classes"):
        label_by_majority(segments, np.array([[0, 1], [2, 255]]), 2)


def test_borders_are_drawn_into_a_copy():
    image = np.full((2, 4, 3), 9, np.uint8)
    drawn = draw_borders(image, np.array([[0, 0, 1, 1], [0, 0, 0, 0]]))
    assert (drawn == 255).all(2).tolist() == [[0, 0, 1, 0], [0, 0, 1, 1]]
    assert (image == 9).all()


# --- engine and predictor ---


@each_kind
def test_through_the_predictor(kind):
    predictor = open_predictor(locate(f"grouping:{kind}")[0], segments=5)
    assert isinstance(predictor, SemanticPredictor)
    assert isinstance(predictor.engine, GroupingEngine)
    assert predictor.engine.name == f"grouping:{kind}"
    image = halves(squares(1), RED)
    expected = GROUPINGS[kind](image, 5)
    np.testing.assert_array_equal(predictor.predict(image).labels, expected)
    assert predictor.predict(image[..., 0]).labels.shape == SIZE  # grey
    assert predictor.predict(np.repeat(image, 20, 1)).labels.shape == (
        60,
        1600,
    )  # wider than max_side


def test_the_classes_and_colors_of_a_grouping():
    info = open_grouping("grouping:color", 254).info
    assert (
        info.class_names[:2] == ("segment 0", "segment 1")
        and len(info.class_names) == 254
    )
    assert len(set(info.colors)) == 254 and (0, 0, 0) not in info.colors
    assert info.colors[0] == palette(2)[1]
    assert len(open_grouping("grouping:color").info.class_names) == 100


def test_one_row_is_refused():
    with pytest.raises(InputError, match="1x9 is smaller than .* minimum of 2x2"):
        open_grouping("grouping:texture").predict(np.zeros((1, 9, 3), np.uint8))


def test_an_existing_path_named_like_a_grouping_is_not_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "grouping:color").mkdir()
    assert not is_grouping("grouping:color")
    assert not is_grouping("saved_models/grouping")


@pytest.mark.parametrize("model", ["grouping:shape", "grouping:", "grouping"])
def test_an_unknown_kind_lists_the_kinds(model):
    with pytest.raises(InputError) as refusal:
        locate(model)
    line = str(refusal.value)
    assert line.startswith(model) and "\n" not in line
    assert all(f"grouping:{kind}" in line for kind in GROUPINGS)


@pytest.mark.parametrize("segments", [1, 255, 1000])
def test_segments_out_of_range(segments):
    with pytest.raises(InputError, match=f"--segments {segments}: .* 2 to 254$"):
        is_grouping("grouping:color", segments)


def test_segments_of_a_network_are_refused():
    with pytest.raises(
        InputError, match="--segments: .* grouping:KIND only, not to run"
    ):
        is_grouping("run", 7)
