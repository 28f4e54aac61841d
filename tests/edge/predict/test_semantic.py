"""Sizes, padding, channels and labels of predictors, with tiny engines."""

from dataclasses import replace

import numpy as np
import pytest

from edge.core.constants import PADDING, palette
from edge.core.errors import InputError
from edge.engines.base import Output, TensorSpec
from edge.model_file.info import InputGeometry, ModelInfo
from edge.predict.semantic import SemanticPredictor, map_index, to_map
from edge.predict.semantic import scores_to_confidence as to_confidence
from edge.predict.semantic import scores_to_labels as to_labels
from edge.predict.tiling import (
    TILE,
)
from tests.support.engines import ArrayEngine, labels_and_confidence

FIT = ModelInfo(class_names=tuple("abcdef"), colors=palette(6), resize="fit")
STRETCH = replace(FIT, resize="stretch")


class Engine(ArrayEngine):
    """Records its inputs; outputs the first channel as labels."""

    def __call__(self, image):
        self.given = image.copy()
        return super().__call__(image)


class Scores(Engine):
    """Outputs one-hot scores of the ids 0, 1 and PADDING; the last is class 2.

    With `stride` 2 only for every other pixel.
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
    """Outputs the first channel of every fourth pixel as labels."""

    def labels(self, image):
        return image[::4, ::4, 0].astype(np.int64)


class Fixed(Engine):
    """Outputs the same for any input."""

    def __init__(self, output, size=None):
        super().__init__(size)
        self.output = np.asarray(output)

    def labels(self, image):
        return self.output


class Valid(Engine):
    """A network of valid convolutions: its output lacks 3 pixels on each side.

    Each label depends on the pixel, on those 3 away, and on its position in a square of
    4x4 from the input's corner, as with pooling.
    """

    border, step = 3, 4

    def __init__(self, size=None, channels=3):
        super().__init__(size, channels)
        self.tiles = []

    def labels(self, image):
        self.tiles.append(image.copy())
        ids, inside = image[..., 0].astype(np.int64), slice(3, -3)
        rows, columns = np.ogrid[: len(ids), : ids.shape[1]]
        mixed = ids[inside, inside] * 16 + rows[inside] % 4 * 4 + columns[:, 3:-3] % 4
        mixed += 5 * ids[:-6, inside] + 7 * ids[6:, inside]
        return (mixed + 11 * ids[inside, :-6] + 13 * ids[inside, 6:]) % 6


class ValidScores(Valid):
    """Outputs its labels as one-hot scores."""

    def labels(self, image):
        return np.eye(6, dtype=np.float32)[super().labels(image)]


def grey_as_rgb(ids) -> np.ndarray:
    """(H, W) ids -> (H, W, 3) with each id in all channels."""
    return np.repeat(np.asarray(ids, np.uint8)[..., None], 3, axis=2)


def random_ids(size, count=6) -> np.ndarray:
    return np.random.default_rng(1).integers(0, count, size, dtype=np.uint8)


# Labels of pixels


@pytest.mark.parametrize("size", [(5, 7), (1, 1), (9, 2)])
@pytest.mark.parametrize("engine", [Engine, Scores])
def test_any_size_gives_each_pixel_its_class(engine, size):
    ids = random_ids(size, count=2)
    labels = SemanticPredictor(engine(), FIT).predict(grey_as_rgb(ids)).labels
    assert labels.dtype == np.uint8
    np.testing.assert_array_equal(labels, ids)


@pytest.mark.parametrize("info", [FIT, STRETCH], ids=["fit", "stretch"])
def test_an_image_of_the_input_size_is_unchanged(info):
    engine, image = Engine((6, 8)), grey_as_rgb(random_ids((6, 8)))
    labels = SemanticPredictor(engine, info).predict(image).labels
    np.testing.assert_array_equal(engine.given, image)
    np.testing.assert_array_equal(labels, image[..., 0])


# Resizing: fit, stretch, any size


def test_fit_keeps_the_aspect_and_pads_below():
    # (4, 8) fits into (8, 8) without resizing and fills the upper half.
    engine, image = Engine((8, 8)), grey_as_rgb(random_ids((4, 8)))
    labels = SemanticPredictor(engine, FIT).predict(image).labels
    np.testing.assert_array_equal(engine.given[:4], image)
    assert (engine.given[4:] == PADDING).all()
    np.testing.assert_array_equal(labels, image[..., 0])


def test_fit_keeps_the_aspect_and_pads_to_the_right():
    engine, image = Engine((8, 8)), grey_as_rgb(random_ids((8, 3)))
    labels = SemanticPredictor(engine, FIT).predict(image).labels
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
    labels = SemanticPredictor(engine, FIT).predict(image).labels
    expected = [[4, 8, 1, 2], [3, 4, 5, 4]]
    assert engine.given[:2, :, 0].tolist() == expected
    assert (engine.given[2:] == PADDING).all()
    # Each label covers the block that it was averaged from.
    np.testing.assert_array_equal(labels, np.kron(expected, np.ones((2, 2))))


def test_stretch_fills_the_input():
    # (2, 4) into (4, 4): every row twice, no padding.
    image = grey_as_rgb([[0, 1, 2, 3]] * 2)
    engine = Engine((4, 4))
    labels = SemanticPredictor(engine, STRETCH).predict(image).labels
    assert engine.given[..., 0].tolist() == [[0, 1, 2, 3]] * 4
    np.testing.assert_array_equal(labels, image[..., 0])


@pytest.mark.parametrize(
    ("size", "given"),
    [((64, 48), (64, 48)), ((128, 64), (64, 32)), ((50, 100), (32, 64))],
)
def test_a_free_size_is_limited_by_max_side(size, given):
    engine = Engine()
    predictor = SemanticPredictor(engine, replace(FIT, max_side=64))
    labels = predictor.predict(np.zeros((*size, 3), np.uint8)).labels
    assert engine.given.shape == (*given, 3)
    assert labels.shape == size


def test_max_side_does_not_limit_a_fixed_size():
    engine = Engine((6, 8))
    SemanticPredictor(engine, replace(FIT, max_side=4)).predict(
        np.zeros((6, 8, 3), np.uint8)
    )
    assert engine.given.shape == (6, 8, 3)


@pytest.mark.parametrize("size", [(1, 300), (300, 1)])
@pytest.mark.parametrize("engine", [Engine((8, 8)), Scores((8, 8)), Engine()])
def test_an_image_of_one_row_or_column(engine, size):
    labels = (
        SemanticPredictor(engine, FIT).predict(np.ones((*size, 3), np.uint8)).labels
    )
    np.testing.assert_array_equal(labels, np.ones(size))


# Padding is not labelled


@pytest.mark.parametrize("size", [(4, 8), (8, 4), (8, 8), (16, 8), (2, 4)])
@pytest.mark.parametrize("engine", [Engine, Scores, CoarseScores])
def test_padding_is_cropped(engine, size):
    """Padding is PADDING for Engine and class 2 for Scores; neither may appear."""
    labels = (
        SemanticPredictor(engine((8, 8)), FIT)
        .predict(np.ones((*size, 3), np.uint8))
        .labels
    )
    np.testing.assert_array_equal(labels, np.ones(size))


def test_padding_does_not_affect_the_image():
    # (4, 8) in (8, 8) at stride 2 is 2 rows of scores; enlarged with those of the
    # padding below them, the last rows of the image would tend to class 2.
    ids = np.zeros((4, 8), np.uint8)
    ids[:, 4:] = 1
    labels = (
        SemanticPredictor(CoarseScores((8, 8)), FIT).predict(grey_as_rgb(ids)).labels
    )
    np.testing.assert_array_equal(labels, ids)


@pytest.mark.parametrize("engine", [CoarserScores, CoarserLabels])
@pytest.mark.parametrize("turned", [False, True], ids=["rows", "columns"])
def test_edges_do_not_shift_if_padding_starts_within_a_cell(engine, turned):
    # 6 of 8 rows are image and a cell is 4 rows: the upper cell sees rows 0 to 3,
    # which are class 0, the lower one rows 4 and 5, class 1, and then padding.
    ids = np.repeat([0, 0, 0, 0, 1, 1], 8).reshape(6, 8)
    ids = ids.T if turned else ids
    labels = SemanticPredictor(engine((8, 8)), FIT).predict(grey_as_rgb(ids)).labels
    np.testing.assert_array_equal(labels, ids)


# Labels at the image's size


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
    result = (
        SemanticPredictor(engine, STRETCH)
        .predict(np.zeros((*shape, 3), np.uint8))
        .labels
    )
    np.testing.assert_array_equal(result, wanted)


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.int64])
def test_label_maps_of_any_integer_type(dtype):
    labels = np.array([[0, 5], [20, 255]], dtype)
    result = (
        SemanticPredictor(Fixed(labels), FIT)
        .predict(np.zeros((2, 2, 3), np.uint8))
        .labels
    )
    assert result.dtype == np.uint8
    assert result.tolist() == [[0, 5], [20, 255]]


def test_scores_at_the_same_size_are_argmax():
    """Five values for six classes: nearly every pixel has ties."""
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
def test_scores_are_enlarged_before_argmax(width, expected):
    scores = np.array([[[3, 0], [0, 1]]], np.float32)
    assert to_labels(scores, (1, width)).tolist() == [expected]


def test_one_class_of_scores_is_class_0():
    assert not to_labels(np.ones((2, 2, 1), np.float32), (4, 4)).any()


# Confidence


def test_confidence_is_the_probability_of_the_label():
    # Odds of 3 to 1 for class 0, then of 1 to 9.
    scores = np.log(np.array([[[3, 1], [1, 9]]], np.float32))
    image = np.zeros((1, 2, 3), np.uint8)
    labels, confidence = labels_and_confidence(
        SemanticPredictor(Fixed(scores), FIT), image
    )
    assert labels.tolist() == [[0, 1]]
    np.testing.assert_allclose(confidence, [[3 / 4, 9 / 10]], rtol=1e-6)
    info = replace(FIT, head="probabilities")
    given = np.array([[[0.75, 0.25], [0.1, 0.9]]], np.float32)
    _, confidence = labels_and_confidence(SemanticPredictor(Fixed(given), info), image)
    np.testing.assert_allclose(confidence, [[3 / 4, 9 / 10]], rtol=1e-6)


def test_confidence_has_the_image_size_without_padding():
    scores = np.zeros((4, 4, 2), np.float32)
    scores[2:] = 0, 99  # of the padding below (4, 8) in (8, 8)
    engine = Fixed(scores, (8, 8))
    image = np.zeros((4, 8, 3), np.uint8)
    labels, confidence = labels_and_confidence(SemanticPredictor(engine, FIT), image)
    assert not labels.any() and confidence.shape == (4, 8)
    np.testing.assert_allclose(confidence, 0.5)


# Channels

RED = (255, 0, 0)


def of_one_color(color) -> np.ndarray:
    return np.full((4, 4, 3), color, np.uint8)


@pytest.mark.parametrize("size", [None, (4, 4), (2, 2), (8, 8), (4, 6)])
@pytest.mark.parametrize(
    ("color", "order"), [(RED, "RGB"), (RED[::-1], "BGR")], ids=["RGB", "BGR"]
)
def test_the_network_gets_rgb(size, color, order):
    engine = Engine(size)
    SemanticPredictor(engine, STRETCH).predict(of_one_color(color), order=order)
    assert (engine.given == RED).all()


@pytest.mark.parametrize(
    ("color", "order"), [(RED, "RGB"), (RED[::-1], "BGR")], ids=["RGB", "BGR"]
)
def test_a_grey_network_gets_luminance(color, order):
    engine = Engine(channels=1)
    SemanticPredictor(engine, FIT).predict(of_one_color(color), order=order)
    assert engine.given.shape == (4, 4, 1)
    assert (engine.given == 76).all()  # 0.299 * 255 = 76.2


@pytest.mark.parametrize("order", ["RGB", "BGR"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [None, (8, 8), (2, 3)])
@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 1)])
def test_a_grey_image_has_equal_channels(shape, size, channels, order):
    engine = Engine(size, channels)
    image = np.full(shape, 9, np.uint8)
    labels = SemanticPredictor(engine, STRETCH).predict(image, order=order).labels
    assert engine.given.shape == (*(size or (4, 4)), channels)
    assert (engine.given == 9).all()
    np.testing.assert_array_equal(labels, np.full((4, 4), 9))


# Errors, and unchanged inputs


@pytest.mark.parametrize("size", [(31, 100), (100, 31), (1, 1)])
def test_an_image_below_the_minimum_is_an_error(size):
    predictor = SemanticPredictor(
        Engine(), replace(FIT, geometry=InputGeometry(minimum=32))
    )
    with pytest.raises(InputError, match=f"{size[0]}x{size[1]}.*32x32") as error:
        predictor.predict(np.zeros((*size, 3), np.uint8))
    assert "\n" not in str(error.value)


def test_an_image_of_the_minimum_size_is_accepted():
    predictor = SemanticPredictor(
        Engine(), replace(FIT, geometry=InputGeometry(minimum=32))
    )
    assert predictor.predict(np.zeros((32, 32, 3), np.uint8)).labels.shape == (32, 32)


@pytest.mark.parametrize("size", [None, (8, 8), (4, 4), (16, 12)])
@pytest.mark.parametrize("info", [FIT, STRETCH], ids=["fit", "stretch"])
@pytest.mark.parametrize("order", ["RGB", "BGR"])
@pytest.mark.parametrize("shape", [(8, 8, 3), (8, 6, 3), (8, 8), (8, 8, 1)])
def test_the_image_is_never_modified(size, info, order, shape):
    image = random_ids(shape)
    before = image.copy()
    labels = SemanticPredictor(Engine(size), info).predict(image, order=order).labels
    labels[:] = 99  # the labels are a copy, not a part of the image
    np.testing.assert_array_equal(image, before)


def test_each_stage_is_timed():
    predictor = SemanticPredictor(Engine(), FIT)
    predictor.predict(np.zeros((4, 4, 3), np.uint8))
    assert {stage: len(times) for stage, times in predictor.stages.millis.items()} == {
        "preprocess": 1,
        "inference": 1,
        "postprocess": 1,
    }


# Confidence


def softmax_of_the_largest(scores):
    """All classes at once, in float64."""
    powers = np.exp(scores.astype(np.float64) - scores.max(axis=-1, keepdims=True))
    return (powers / powers.sum(axis=-1, keepdims=True)).max(axis=-1)


def test_confidence_is_the_maximum_of_softmax():
    # exp of the scores is 1, 2, 5 and 1, 1, 2: 5 of 8 and 2 of 4.
    scores = np.log(np.float32([[[1, 2, 5], [1, 1, 2]]]))
    np.testing.assert_allclose(to_confidence(scores, (1, 2)), [[0.625, 0.5]], 1e-6)


def test_large_scores_do_not_overflow():
    scores = np.random.default_rng(2).normal(0, 300, (7, 9, 5)).astype(np.float32)
    expected = softmax_of_the_largest(scores)
    np.testing.assert_allclose(to_confidence(scores, (7, 9)), expected, 1e-5)
    assert (scores > 89).any()  # whose exp overflows float32


def test_confidence_of_probabilities_is_their_maximum():
    scores = np.float32([[[0.25, 0.75], [0.5, 0.5]]])
    assert to_confidence(scores, (1, 2), "probabilities").tolist() == [[0.75, 0.5]]


def test_one_class_is_certain():
    assert to_confidence(np.float32([[[-3]]]), (1, 1)).tolist() == [[1]]


def test_scores_are_enlarged_before_softmax():
    # Two pixels become four: 0 and 4 at 0, 1, 3 and 4 quarters of the way... halved.
    scores = np.float32([[[0, 0], [4, 0]]])
    between = np.float32([[[0, 0], [1, 0], [3, 0], [4, 0]]])
    confidence = to_confidence(scores, (1, 4))
    np.testing.assert_allclose(confidence, softmax_of_the_largest(between), 1e-6)


@pytest.mark.parametrize("size", [(8, 8), (5, 7), (16, 6), (9, 30)])
@pytest.mark.parametrize("engine", [Scores, CoarseScores, CoarserScores])
def test_confidence_does_not_change_the_labels(engine, size):
    image = grey_as_rgb(random_ids(size, count=2))
    predictor = SemanticPredictor(engine((8, 8)), FIT)
    labels, confidence = labels_and_confidence(predictor, image)
    np.testing.assert_array_equal(labels, predictor.predict(image).labels)
    assert confidence.shape == size and confidence.dtype == np.float32
    # One of three scores is 1: at most e of e + 2; two equal ones give e of 2 e + 1.
    assert 1 / 3 <= confidence.min() <= confidence.max() <= np.e / (np.e + 2) + 1e-6


def test_padding_does_not_affect_the_confidence():
    """Scores are more confident in the padding, which is cropped."""

    class SureOfPadding(Scores):
        def labels(self, image):
            return super().labels(image) * np.where(image[..., :1] == PADDING, 50, 1)

    image = grey_as_rgb(random_ids((4, 8), count=2))
    _, confidence = labels_and_confidence(
        SemanticPredictor(SureOfPadding((8, 8)), FIT), image
    )
    np.testing.assert_allclose(confidence, np.e / (np.e + 2), 1e-6)


def test_label_outputs_have_no_confidence():
    image = grey_as_rgb(random_ids((4, 4)))
    labels, confidence = labels_and_confidence(SemanticPredictor(Engine(), FIT), image)
    assert confidence is None
    np.testing.assert_array_equal(labels, image[..., 0])


# Tiles, for networks of valid convolutions

VALID = replace(
    FIT,
    geometry=InputGeometry(
        minimum=2, min_input=11, input_step=Valid.step, valid_border=Valid.border
    ),
)


def in_one_piece(ids) -> np.ndarray:
    """The output of Valid for the whole image, mirrored by NumPy."""
    return Valid().labels(np.pad(ids, 3, "reflect")[..., None])


@pytest.mark.parametrize("size", [(2, 2), (5, 7), (31, 40), (2, 33), (20, 13)])
@pytest.mark.parametrize("box", [None, (15, 19), (11, 11), (43, 15), (63, 63)])
@pytest.mark.parametrize("engine", [Valid, ValidScores])
def test_tiles_leave_no_seam(engine, box, size):
    ids = random_ids(size)
    labels = SemanticPredictor(engine(box), VALID).predict(grey_as_rgb(ids)).labels
    assert labels.dtype == np.uint8
    np.testing.assert_array_equal(labels, in_one_piece(ids))


@pytest.mark.parametrize("box", [None, (15, 19), (11, 11)])
def test_confidence_of_tiles_has_the_image_size(box):
    ids = random_ids((20, 13))
    predictor = SemanticPredictor(ValidScores(box), VALID)
    labels, confidence = labels_and_confidence(predictor, grey_as_rgb(ids))
    np.testing.assert_array_equal(labels, in_one_piece(ids))
    np.testing.assert_allclose(confidence, np.full((20, 13), np.e / (np.e + 5)), 1e-6)


@pytest.mark.parametrize(
    ("size", "box", "count"),
    [
        ((5, 9), (11, 15), 1),  # the insides are 5x9
        ((6, 9), (11, 15), 2),  # the second begins at row 4
        ((9, 9), (11, 15), 2),
        ((10, 9), (11, 15), 3),
        ((10, 18), (11, 15), 9),  # at rows 0, 4, 8 and columns 0, 8, 16
    ],
)
def test_the_number_of_tiles_is_minimal(size, box, count):
    engine = Valid(box)
    SemanticPredictor(engine, VALID).predict(grey_as_rgb(random_ids(size)))
    assert [tile.shape for tile in engine.tiles] == [(*box, 3)] * count


def test_a_free_size_is_one_tile_that_covers_the_image():
    engine = Valid()
    SemanticPredictor(engine, VALID).predict(grey_as_rgb(random_ids((30, 42))))
    # 30 + 6 is 36, and 11 + 28 the next side; 42 + 6 is 48, and 11 + 40.
    assert [tile.shape for tile in engine.tiles] == [(39, 51, 3)]


def test_a_free_size_is_limited_by_the_largest_tile():
    size = (TILE[0] + 100, TILE[1])
    engine, ids = Valid(), random_ids(size)
    labels = SemanticPredictor(engine, VALID).predict(grey_as_rgb(ids)).labels
    # 512 + 6 is 518, and 11 + 4 * 127 the next side.
    assert [tile.shape for tile in engine.tiles] == [(519, 519, 3)] * 2
    np.testing.assert_array_equal(labels, in_one_piece(ids))


@pytest.mark.parametrize("box", [None, (15, 15)])
def test_max_side_limits_the_tiled_image(box):
    """Also for a fixed input size, which is that of a tile, not of the image."""
    engine = Valid(box)
    predictor = SemanticPredictor(engine, replace(VALID, max_side=20))
    tiles, placement = predictor.prepare(np.zeros((80, 40, 3), np.uint8))
    assert placement.content_size == (20, 10)
    assert len(tiles) == (1 if box is None else 3)
    labels = predictor.predict(np.zeros((80, 40, 3), np.uint8)).labels
    assert labels.shape == (80, 40)


def test_labels_of_tiles_are_resized_to_the_image_size():
    # Halved: each 2x2 block has one id, which its label covers again.
    ids = np.kron(random_ids((10, 12)), np.ones((2, 2), np.uint8))
    predictor = SemanticPredictor(Valid((15, 15)), replace(VALID, max_side=12))
    labels = predictor.predict(grey_as_rgb(ids)).labels
    halved = in_one_piece(ids[::2, ::2])
    np.testing.assert_array_equal(labels, np.kron(halved, np.ones((2, 2))))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("shape", [(9, 14), (9, 14, 1)])
@pytest.mark.parametrize("order", ["RGB", "BGR"])
def test_a_grey_image_is_tiled(shape, channels, order):
    image = random_ids(shape)
    engine = Valid((15, 15), channels)
    labels = SemanticPredictor(engine, VALID).predict(image, order=order).labels
    assert {tile.shape for tile in engine.tiles} == {(15, 15, channels)}
    np.testing.assert_array_equal(labels, in_one_piece(image.reshape(9, 14)))


def test_tiles_of_opencv_frames_are_rgb():
    image = random_ids((9, 14, 3))
    engines = Valid((15, 15)), Valid((15, 15))
    SemanticPredictor(engines[0], VALID).predict(image)
    SemanticPredictor(engines[1], VALID).predict(image[..., ::-1], order="BGR")
    np.testing.assert_array_equal(engines[0].tiles, engines[1].tiles)


def test_an_image_of_many_tiles_is_timed_once():
    predictor = SemanticPredictor(Valid((11, 11)), VALID)
    predictor.predict(np.zeros((20, 20, 3), np.uint8))
    assert len(predictor.engine.tiles) > 1
    assert [len(times) for times in predictor.stages.millis.values()] == [1, 1, 1]


def test_a_tiled_image_is_not_modified():
    image = random_ids((9, 14, 3))
    before = image.copy()
    SemanticPredictor(Valid((15, 15)), VALID).predict(image).labels[:] = 99
    np.testing.assert_array_equal(image, before)


# Selecting the map, and its values


def outputs_of(*shapes, dtype="uint8") -> tuple[TensorSpec, ...]:
    return tuple(TensorSpec(f"t{i}", s, np.dtype(dtype)) for i, s in enumerate(shapes))


def test_the_map_is_found_among_several_outputs():
    words = TensorSpec("words", (1, 2, 3), np.dtype(object))
    outputs = (*outputs_of((1, 1000)), words, *outputs_of((1, 2, 3)))
    assert map_index(outputs, FIT) == 2


def test_an_ignored_second_map_is_logged(caplog):
    caplog.set_level("INFO")
    assert map_index(outputs_of((1, 2, 3), (1, 2, 3, 4)), FIT) == 0
    assert "2 maps: t0 is used, t1 ignored" in caplog.text


def test_the_role_selects_the_map(caplog):
    caplog.set_level("INFO")
    info = replace(FIT, outputs=("edges", "logits"))
    assert map_index(outputs_of((1, 2, 3), (1, 2, 3, 4)), info) == 1
    assert not caplog.text


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((1, 1000), r"no semantic map .* \[\[1, 1000\]\]"),
        ((1, 2, 2, 257), "more than 256 classes"),
    ],
)
def test_models_without_a_map(shape, message):
    with pytest.raises(InputError, match=message):
        map_index(outputs_of(shape), FIT)


@pytest.mark.parametrize("dtype", ["uint8", "int32", "int64"])
@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 1)])
def test_integers_without_a_scale_are_labels(dtype, shape):
    ids = np.arange(6, dtype=dtype).reshape(shape)
    labels = to_map(Output(ids, TensorSpec("t", (1, *shape), np.dtype(dtype))))
    np.testing.assert_array_equal(labels, [[0, 1, 2], [3, 4, 5]])


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 1)])
@pytest.mark.parametrize("quantized", [False, True])
def test_a_sigmoid_channel_is_the_probability_of_class_1(shape, quantized):
    values = np.full(shape, 192, np.uint8) if quantized else np.full(shape, 0.75, "f4")
    scale = {"scale": 1 / 256} if quantized else {}
    spec = TensorSpec("t", (1, *shape), values.dtype, **scale)
    scores = to_map(Output(values, spec))
    np.testing.assert_array_equal(scores, np.full((2, 3, 2), [0.25, 0.75]))


def test_another_decoder_is_a_copy_of_the_same_class():
    first = SemanticPredictor(Engine(), FIT)
    other = first.with_decoder({"score": 0.5})
    assert isinstance(other, SemanticPredictor) and other.engine is first.engine
    assert other.info.decoder == {"score": 0.5} and first.info.decoder == {}
