"""Sizes, padding, channels and labels around a network, shown on tiny engines."""

from dataclasses import replace

import numpy as np
import pytest

from edge.command import BadInput
from edge.metadata import ModelInfo, palette
from edge.segmenter import PADDING, Segmenter, bounded, fitting, resize
from edge.segmenter import scores_to_labels as to_labels

FIT = ModelInfo(names=tuple("abcdef"), colors=palette(6), resize="fit")
STRETCH = replace(FIT, resize="stretch")


class Engine:
    """Remembers what it is given; gives the first channel as labels."""

    name, threads = "test", 1

    def __init__(self, size=None, channels=3):
        self.size, self.channels = size, channels

    def __call__(self, image):
        self.given = image.copy()
        return self.labels(image)

    def labels(self, image):
        return image[..., 0].astype(np.int64)


class Scores(Engine):
    """Gives one-hot scores of the ids 0, 1 and PADDING, these last as class 2.

    `stride` 2 gives them for every other pixel alone.
    """

    stride = 1

    def labels(self, image):
        ids = image[:: self.stride, :: self.stride, :1]
        return (ids == [0, 1, PADDING]).astype(np.float32)


class CoarseScores(Scores):
    stride = 2


class CoarserScores(Scores):
    stride = 4


class CoarserLabels(Engine):
    """Gives the first channel of every fourth pixel as labels."""

    def labels(self, image):
        return image[::4, ::4, 0].astype(np.int64)


class Fixed(Engine):
    """Gives the same output whatever it sees."""

    def __init__(self, output, size=None):
        super().__init__(size)
        self.output = np.asarray(output)

    def labels(self, image):
        return self.output


def grey_as_rgb(ids) -> np.ndarray:
    """(H, W) ids -> (H, W, 3) with each id in all channels."""
    return np.repeat(np.asarray(ids, np.uint8)[..., None], 3, axis=2)


def random_ids(size, count=6) -> np.ndarray:
    return np.random.default_rng(1).integers(0, count, size, dtype=np.uint8)


# One pixel, one class


@pytest.mark.parametrize("size", [(5, 7), (1, 1), (9, 2)])
@pytest.mark.parametrize("engine", [Engine, Scores])
def test_a_free_size_gives_each_pixel_its_class(engine, size):
    ids = random_ids(size, count=2)
    labels = Segmenter(engine(), FIT).predict(grey_as_rgb(ids))
    assert labels.dtype == np.uint8
    np.testing.assert_array_equal(labels, ids)


@pytest.mark.parametrize("info", [FIT, STRETCH], ids=["fit", "stretch"])
def test_a_picture_of_the_networks_size_is_given_as_it_is(info):
    engine, image = Engine((6, 8)), grey_as_rgb(random_ids((6, 8)))
    labels = Segmenter(engine, info).predict(image)
    np.testing.assert_array_equal(engine.given, image)
    np.testing.assert_array_equal(labels, image[..., 0])


# Fit, stretch, free


def test_fit_keeps_the_aspect_and_pads_below():
    # (4, 8) goes into (8, 8) as it is and fills the upper half.
    engine, image = Engine((8, 8)), grey_as_rgb(random_ids((4, 8)))
    labels = Segmenter(engine, FIT).predict(image)
    np.testing.assert_array_equal(engine.given[:4], image)
    assert (engine.given[4:] == PADDING).all()
    np.testing.assert_array_equal(labels, image[..., 0])


def test_fit_keeps_the_aspect_and_pads_to_the_right():
    engine, image = Engine((8, 8)), grey_as_rgb(random_ids((8, 3)))
    labels = Segmenter(engine, FIT).predict(image)
    np.testing.assert_array_equal(engine.given[:, :3], image)
    assert (engine.given[:, 3:] == PADDING).all()
    np.testing.assert_array_equal(labels, image[..., 0])


def test_fit_shrinks_by_averaging():
    # (4, 8) into (4, 4): half the size, (2, 4). Each 2x2 block becomes its mean.
    image = grey_as_rgb(
        [
            [0, 4, 8, 8, 1, 1, 2, 2],
            [8, 4, 8, 8, 1, 1, 2, 2],
            [3, 3, 4, 4, 5, 5, 0, 8],
            [3, 3, 4, 4, 5, 5, 0, 8],
        ]
    )
    engine = Engine((4, 4))
    labels = Segmenter(engine, FIT).predict(image)
    expected = [[4, 8, 1, 2], [3, 4, 5, 4]]
    assert engine.given[:2, :, 0].tolist() == expected
    assert (engine.given[2:] == PADDING).all()
    # Each label covers the block it was made of.
    np.testing.assert_array_equal(labels, np.kron(expected, np.ones((2, 2))))


def test_stretch_fills_the_input():
    # (2, 4) into (4, 4): every row twice, no padding.
    image = grey_as_rgb([[0, 1, 2, 3]] * 2)
    engine = Engine((4, 4))
    labels = Segmenter(engine, STRETCH).predict(image)
    assert engine.given[..., 0].tolist() == [[0, 1, 2, 3]] * 4
    np.testing.assert_array_equal(labels, image[..., 0])


@pytest.mark.parametrize(
    ("size", "given"),
    [((64, 48), (64, 48)), ((128, 64), (64, 32)), ((50, 100), (32, 64))],
)
def test_a_free_size_is_bounded_by_max_side(size, given):
    engine = Engine()
    segmenter = Segmenter(engine, replace(FIT, max_side=64))
    labels = segmenter.predict(np.zeros((*size, 3), np.uint8))
    assert engine.given.shape == (*given, 3)
    assert labels.shape == size


def test_max_side_does_not_bound_a_fixed_size():
    engine = Engine((6, 8))
    Segmenter(engine, replace(FIT, max_side=4)).predict(np.zeros((6, 8, 3), np.uint8))
    assert engine.given.shape == (6, 8, 3)


@pytest.mark.parametrize("size", [(1, 300), (300, 1)])
@pytest.mark.parametrize("engine", [Engine((8, 8)), Scores((8, 8)), Engine()])
def test_a_line_is_a_picture_too(engine, size):
    labels = Segmenter(engine, FIT).predict(np.ones((*size, 3), np.uint8))
    np.testing.assert_array_equal(labels, np.ones(size))


@pytest.mark.parametrize(
    ("size", "box", "expected"),
    [
        ((480, 640), (480, 640), (480, 640)),
        ((540, 960), (360, 480), (270, 480)),  # 480 / 960 = 0.5
        ((960, 540), (360, 480), (360, 202)),  # 360 / 960 = 0.375; 202.5 to even
        ((10, 10), (30, 50), (30, 30)),
        ((1, 1000), (8, 8), (1, 8)),
    ],
)
def test_fitting(size, box, expected):
    assert fitting(size, box) == expected


def test_bounded_leaves_small_sizes_alone():
    assert bounded((1024, 3), 1024) == (1024, 3)
    assert bounded((1025, 3), 1024) == (1024, 3)
    assert bounded((3000, 4000), 1024) == (768, 1024)


@pytest.mark.parametrize("shape", [(4, 6), (4, 6, 1), (4, 6, 3)])
@pytest.mark.parametrize("size", [(4, 6), (2, 3), (9, 9), (8, 3)])
def test_resize_keeps_the_number_of_dimensions(shape, size):
    assert resize(np.zeros(shape, np.uint8), size).shape == (*size, *shape[2:])


# What was padding is no label


@pytest.mark.parametrize("size", [(4, 8), (8, 4), (8, 8), (16, 8), (2, 4)])
@pytest.mark.parametrize("engine", [Engine, Scores, CoarseScores])
def test_the_padded_part_is_cut_off(engine, size):
    """Padding is PADDING to Engine and class 2 to Scores: neither may be seen."""
    labels = Segmenter(engine((8, 8)), FIT).predict(np.ones((*size, 3), np.uint8))
    np.testing.assert_array_equal(labels, np.ones(size))


def test_padding_does_not_bleed_into_the_picture():
    # (4, 8) in (8, 8) at stride 2 is 2 rows of scores; enlarged with those of the
    # padding below them, the last rows of the picture would lean towards class 2.
    ids = np.zeros((4, 8), np.uint8)
    ids[:, 4:] = 1
    labels = Segmenter(CoarseScores((8, 8)), FIT).predict(grey_as_rgb(ids))
    np.testing.assert_array_equal(labels, ids)


@pytest.mark.parametrize("engine", [CoarserScores, CoarserLabels])
@pytest.mark.parametrize("turned", [False, True], ids=["rows", "columns"])
def test_an_edge_stays_in_place_where_padding_begins_within_a_cell(engine, turned):
    # 6 of 8 rows are picture and a cell is 4 rows: the upper cell sees rows 0 to 3,
    # which are class 0, the lower one rows 4 and 5, class 1, and then padding.
    ids = np.repeat([0, 0, 0, 0, 1, 1], 8).reshape(6, 8)
    ids = ids.T if turned else ids
    labels = Segmenter(engine((8, 8)), FIT).predict(grey_as_rgb(ids))
    np.testing.assert_array_equal(labels, ids)


# Labels to the picture's own size


@pytest.mark.parametrize(
    ("labels", "size", "expected"),
    [
        # The centre of pixel i of n lies over pixel floor((i + 0.5) * m / n) of m.
        ([0, 1], 3, [0, 1, 1]),  # 0.33, 1, 1.67
        ([0, 1], 4, [0, 0, 1, 1]),
        ([0, 1, 2], 2, [0, 2]),  # 0.75, 2.25: by corners it would be 0, 1
        ([0, 1, 2, 3, 4], 3, [0, 2, 4]),  # 0.83, 2.5, 4.17: by corners 0, 1, 3
        ([0, 1, 2], 5, [0, 0, 1, 2, 2]),  # 0.3, 0.9, 1.5, 2.1, 2.7: 0, 0, 1, 1, 2
    ],
)
@pytest.mark.parametrize("turned", [False, True], ids=["row", "column"])
def test_label_maps_are_enlarged_from_the_centre(labels, size, expected, turned):
    given, shape, wanted = np.array([labels]), (1, size), np.array([expected])
    if turned:
        given, shape, wanted = given.T, shape[::-1], wanted.T
    engine = Fixed(given, given.shape)
    result = Segmenter(engine, STRETCH).predict(np.zeros((*shape, 3), np.uint8))
    np.testing.assert_array_equal(result, wanted)


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.int64])
def test_label_maps_of_any_integer_type(dtype):
    labels = np.array([[0, 5], [20, 255]], dtype)
    result = Segmenter(Fixed(labels), FIT).predict(np.zeros((2, 2, 3), np.uint8))
    assert result.dtype == np.uint8
    assert result.tolist() == [[0, 5], [20, 255]]


def test_scores_at_the_same_size_are_argmax():
    """Of five values for six classes: there are ties in nearly every pixel."""
    scores = random_ids((17, 23, 6), count=5).astype(np.float32)
    labels = to_labels(scores, (17, 23))
    assert labels.dtype == np.uint8
    np.testing.assert_array_equal(labels, scores.argmax(axis=2))


def test_ties_go_to_the_first_class():
    scores = np.array([[[1, 1, 1], [0, 2, 2], [-1, -2, -1]]], np.float32)
    assert to_labels(scores, (1, 3)).tolist() == [[0, 1, 0]]


@pytest.mark.parametrize(
    ("width", "expected"),
    [
        # At 1/6, 1/2 and 5/6 of the line. Class 0 is 3, 1.5, 0; class 1 is 0, 0.5, 1.
        (3, [0, 0, 1]),
        # Class 0 is 3, 2.25, 0.75, 0; class 1 is 0, 0.25, 0.75, 1: a tie in the third.
        (4, [0, 0, 0, 1]),
    ],
)
def test_scores_are_enlarged_before_the_largest_is_taken(width, expected):
    scores = np.array([[[3, 0], [0, 1]]], np.float32)
    assert to_labels(scores, (1, width)).tolist() == [expected]


def test_one_class_of_scores_is_class_0():
    assert not to_labels(np.ones((2, 2, 1), np.float32), (4, 4)).any()


# Channels

RED = (255, 0, 0)


def of_one_color(color) -> np.ndarray:
    return np.full((4, 4, 3), color, np.uint8)


@pytest.mark.parametrize("size", [None, (4, 4), (2, 2), (8, 8), (4, 6)])
@pytest.mark.parametrize(
    ("color", "order"), [(RED, "RGB"), (RED[::-1], "BGR")], ids=["RGB", "BGR"]
)
def test_the_network_sees_rgb(size, color, order):
    engine = Engine(size)
    Segmenter(engine, STRETCH).predict(of_one_color(color), order=order)
    assert (engine.given == RED).all()


@pytest.mark.parametrize(
    ("color", "order"), [(RED, "RGB"), (RED[::-1], "BGR")], ids=["RGB", "BGR"]
)
def test_a_grey_network_sees_luminance(color, order):
    engine = Engine(channels=1)
    Segmenter(engine, FIT).predict(of_one_color(color), order=order)
    assert engine.given.shape == (4, 4, 1)
    assert (engine.given == 76).all()  # 0.299 * 255 = 76.2


@pytest.mark.parametrize("order", ["RGB", "BGR"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [None, (8, 8), (2, 3)])
@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 1)])
def test_a_grey_picture_has_equal_channels(shape, size, channels, order):
    engine = Engine(size, channels)
    image = np.full(shape, 9, np.uint8)
    labels = Segmenter(engine, STRETCH).predict(image, order=order)
    assert engine.given.shape == (*(size or (4, 4)), channels)
    assert (engine.given == 9).all()
    np.testing.assert_array_equal(labels, np.full((4, 4), 9))


# Refusals and promises


@pytest.mark.parametrize("size", [(31, 100), (100, 31), (1, 1)])
def test_a_picture_below_the_minimum_is_refused(size):
    segmenter = Segmenter(Engine(), replace(FIT, minimum=32))
    with pytest.raises(BadInput, match=f"{size[0]}x{size[1]}.*32x32") as refusal:
        segmenter.predict(np.zeros((*size, 3), np.uint8))
    assert "\n" not in str(refusal.value)


def test_a_picture_of_the_minimum_is_taken():
    segmenter = Segmenter(Engine(), replace(FIT, minimum=32))
    assert segmenter.predict(np.zeros((32, 32, 3), np.uint8)).shape == (32, 32)


@pytest.mark.parametrize("size", [None, (8, 8), (4, 4), (16, 12)])
@pytest.mark.parametrize("info", [FIT, STRETCH], ids=["fit", "stretch"])
@pytest.mark.parametrize("order", ["RGB", "BGR"])
@pytest.mark.parametrize("shape", [(8, 8, 3), (8, 6, 3), (8, 8), (8, 8, 1)])
def test_the_picture_is_never_modified(size, info, order, shape):
    image = random_ids(shape)
    before = image.copy()
    labels = Segmenter(Engine(size), info).predict(image, order=order)
    labels[:] = 99  # the labels are the caller's, and no part of the picture
    np.testing.assert_array_equal(image, before)


def test_each_stage_is_timed():
    segmenter = Segmenter(Engine(), FIT)
    segmenter.predict(np.zeros((4, 4, 3), np.uint8))
    assert {stage: len(times) for stage, times in segmenter.stages.millis.items()} == {
        "preprocess": 1,
        "inference": 1,
        "postprocess": 1,
    }
