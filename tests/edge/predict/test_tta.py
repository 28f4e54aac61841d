"""Tiles, mirrored images and scales, with tiny engines."""

from dataclasses import replace
from math import log

import numpy as np
import pytest

from edge.core.constants import palette
from edge.core.errors import InputError
from edge.model_file.info import InputGeometry, ModelInfo
from edge.predict.semantic import SemanticPredictor
from edge.predict.tta import FULL_SIZE_TILE, MARGIN, STEP, TTA, SemanticTTA, spans
from tests.support.engines import ArrayEngine, labels_and_confidence

INFO = ModelInfo(class_names=tuple("abcdef"), colors=palette(6), resize="fit")
VALID = replace(
    INFO, geometry=InputGeometry(minimum=2, min_input=11, input_step=4, valid_border=3)
)


def random_image(size) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (*size, 3), dtype=np.uint8)


class Engine(ArrayEngine):
    """Records its input sizes; outputs the first channel modulo 6 as labels."""

    def __init__(self, size=None):
        super().__init__(size)
        self.given = []

    def labels(self, image):
        self.given.append(image.shape[:2])
        return self.output(image)

    def output(self, image):
        return image[..., 0] % 6


class Local(Engine):
    """Outputs one-hot scores of labels that depend on pixels `reach` away, 0 outside,
    and of where in its cell of STEP a pixel lies: what poolings make of it.
    """

    reach = MARGIN

    def output(self, image):
        ids = np.pad(image[..., 0].astype(int), self.reach)
        height, width = image.shape[:2]
        rows, columns = np.ogrid[:height, :width]
        labels = rows % STEP + columns % STEP
        for y, x in (1, 0), (1, 2), (0, 1), (2, 1), (1, 1):
            y, x = y * self.reach, x * self.reach
            labels = 3 * labels + ids[y : y + height, x : x + width]
        return np.eye(6, dtype=np.float32)[labels % 6]


class Valid(Engine):
    """A network of valid convolutions: each label depends on pixels 3 away and on where
    in a square of 4x4 it lies."""

    def output(self, image):
        ids, inside = image[..., 0].astype(np.int64), slice(3, -3)
        rows, columns = np.ogrid[: len(ids), : ids.shape[1]]
        mixed = ids[inside, inside] * 16 + rows[inside] % 4 * 4 + columns[:, 3:-3] % 4
        mixed += 5 * ids[:-6, inside] + 7 * ids[6:, inside]
        return (mixed + 11 * ids[inside, :-6] + 13 * ids[inside, 6:]) % 6


class ByHeight(Engine):
    """Outputs the same odds everywhere, depending on the input height."""

    def __init__(self, odds, size=None):
        super().__init__(size)
        self.odds = odds

    def output(self, image):
        scores = np.log(np.array(self.odds[len(image)], np.float32))
        return np.broadcast_to(scores, (*image.shape[:2], len(scores)))


class LeftRight(Engine):
    """Odds of 3 to 1 for class 0 on the left half, 1 to 9 on the right, for any
    input."""

    def output(self, image):
        half = image.shape[1] // 2
        scores = np.zeros((*image.shape[:2], 2), np.float32)
        scores[:, :half, 0] = log(3)
        scores[:, half:, 1] = log(9)
        return scores


def augmented(engine, info=INFO, **passes) -> SemanticTTA:
    return SemanticTTA(SemanticPredictor(engine, info), TTA(**passes))


# Positions of tiles


def test_spans_equal_manual_results():
    # A stride of ten would do, but tiles start at multiples of 4: at 0, 8, and the last
    # step from which 12 pixels go to the end, 32 - 12 = 20.
    found = spans(32, tile=12, margin=1, step=4)
    sources = [(span.source.start, span.source.stop) for span in found]
    targets = [(span.target.start, span.target.stop) for span in found]
    assert sources == [(0, 12), (8, 20), (16, 28), (20, 32)]
    assert targets == [(0, 9), (9, 17), (17, 21), (21, 32)]
    assert [span.inner.start for span in found] == [0, 1, 1, 1]


def test_the_last_tile_is_less_than_a_step_longer():
    (only,) = spans(15, tile=12, margin=1, step=4)
    assert only == (slice(0, 15), slice(0, 15), slice(0, 15))
    assert len(spans(16, tile=12, margin=1, step=4)) == 2


@pytest.mark.parametrize("margin", (0, 3, 16))
@pytest.mark.parametrize("step", (1, 8, 32))
@pytest.mark.parametrize("length", (1, 64, 65, 96, 200, 333))
def test_each_pixel_is_written_once_and_not_from_a_margin(length, step, margin):
    found = spans(length, 64, margin, step)
    counted = np.zeros(length, int)
    for span in found:
        counted[span.target] += 1
        assert span.source.start % step == 0
        assert span.source.stop - span.source.start < 64 + step
        assert span.source.start + span.inner.start == span.target.start
        assert (
            span.inner.stop - span.inner.start == span.target.stop - span.target.start
        )
        assert span.target.start - span.source.start >= margin or span.target.start == 0
        assert (
            span.source.stop - span.target.stop >= margin or span.target.stop == length
        )
    assert (counted == 1).all()


# Tiles


@pytest.mark.parametrize("size", [(100, 90), (300, 515), (257, 700), (900, 260)])
@pytest.mark.parametrize("tile", [(256, 256), (300, 271), (1000, 256)])
def test_tiles_equal_one_pass_if_the_margin_covers_the_receptive_field(size, tile):
    image = random_image(size)
    predictor = augmented(Local(), tile=tile)
    labels, confidence = labels_and_confidence(predictor, image)
    whole = SemanticPredictor(Local(), replace(INFO, max_side=9999))
    expected, sure = labels_and_confidence(whole, image)
    np.testing.assert_array_equal(labels, expected)
    np.testing.assert_array_equal(confidence, sure)
    largest = np.max(predictor.engine.given, axis=0)
    assert (largest < np.array(tile) + STEP).all()


def test_a_margin_narrower_than_the_receptive_field_changes_labels():
    """The test above can fail: the receptive field is one pixel wider here."""
    engine, image = Local(), random_image((300, 515))
    engine.reach = MARGIN + 1
    expected = SemanticPredictor(engine, INFO).predict(image).labels
    assert (augmented(engine, tile=(256, 256)).predict(image).labels != expected).any()


def test_the_margin_of_small_tiles_is_a_quarter():
    assert augmented(Engine(), tile=(100, 400)).margin == 25
    assert augmented(Engine(), tile=(400, 400)).margin == MARGIN


@pytest.mark.parametrize("size", [(31, 40), (100, 90), (200, 77)])
def test_tiles_of_valid_convolutions_equal_one_pass(size):
    image = random_image(size)
    expected = SemanticPredictor(Valid(), VALID).predict(image).labels
    labels = augmented(Valid(), VALID, tile=(64, 48)).predict(image).labels
    np.testing.assert_array_equal(labels, expected)


@pytest.mark.parametrize("size", [(64, 96), (65, 97), (200, 300)])
def test_a_network_of_fixed_size_has_tiles_of_that_size(size):
    image, engine = random_image(size), Engine((64, 96))
    labels = augmented(engine, full_size=True).predict(image).labels
    np.testing.assert_array_equal(labels, image[..., 0] % 6)
    assert set(engine.given) == {(64, 96)}


def test_an_image_smaller_than_a_fixed_tile_is_padded():
    image, engine = random_image((40, 300)), Engine((64, 96))
    labels = augmented(engine, tile=(64, 96)).predict(image).labels
    np.testing.assert_array_equal(labels, image[..., 0] % 6)


def test_full_size_ignores_max_side_and_uses_default_tiles():
    engine, image = Engine(), random_image((500, 1300))
    predictor = augmented(engine, replace(INFO, max_side=64), full_size=True)
    np.testing.assert_array_equal(predictor.predict(image).labels, image[..., 0] % 6)
    assert predictor.tile == FULL_SIZE_TILE
    assert max(width for _, width in engine.given) < FULL_SIZE_TILE[1] + STEP


@pytest.mark.parametrize("shape", [(90, 200), (90, 200, 1), (90, 200, 3)])
def test_tiles_of_grey_images_and_of_frames(shape):
    image = random_image((90, 200))
    image = image if len(shape) == 3 and shape[2] == 3 else image[..., 0].reshape(shape)
    engine = Engine()
    labels = augmented(engine, tile=(64, 64)).predict(image, order="BGR").labels
    first = image[..., -1] if image.ndim == 3 else image  # red
    np.testing.assert_array_equal(labels, first % 6)


# Averages


def test_a_mirrored_pass_is_flipped_back_and_averaged():
    # Left: 3/4 of class 0, and flipped back 1/10: 0.425. Right the same in reverse
    # order: 1/10 and 3/4. A single pass would give 0 on the left.
    image = np.zeros((2, 4, 3), np.uint8)
    assert augmented(LeftRight()).predict(image).labels.tolist() == [[0, 0, 1, 1]] * 2
    labels, sure = labels_and_confidence(augmented(LeftRight(), flip=True), image)
    assert labels.tolist() == [[1] * 4] * 2
    np.testing.assert_allclose(sure, 1 - (3 / 4 + 1 / 10) / 2, rtol=1e-6)


def test_flip_does_not_change_a_symmetrical_network():
    image = random_image((70, 90))

    class Pixels(Engine):
        def output(self, image):
            return np.eye(6, dtype=np.float32)[image[..., 0] % 6]

    expected = labels_and_confidence(SemanticPredictor(Pixels(), INFO), image)
    found = labels_and_confidence(augmented(Pixels(), flip=True), image)
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_allclose(found[1], expected[1], rtol=1e-6)


ODDS = {4: (7, 3), 8: (7, 3), 16: (15, 85)}  # of class 0: 0.7, 0.7 and 0.15


def test_probabilities_are_averaged_not_logits():
    """(0.7 + 0.7 + 0.15) / 3 = 0.517: class 0. Logits would sum to 0.85 + 0.85 - 1.73,
    below 0: class 1."""
    assert log(7 / 3) * 2 + log(15 / 85) < 0
    engine = ByHeight(ODDS)
    predictor = augmented(engine, scales=(0.5, 1.0, 2.0))
    labels, sure = labels_and_confidence(predictor, np.zeros((8, 6, 3), np.uint8))
    assert not labels.any()
    np.testing.assert_allclose(sure, 1.55 / 3, rtol=1e-6)
    assert engine.given == [(4, 3), (8, 6), (16, 12)]


def test_probabilities_are_averaged_without_softmax():
    class Probabilities(ByHeight):
        def output(self, image):
            return np.exp(super().output(image)) / sum(self.odds[len(image)])

    info = replace(INFO, head="probabilities")
    predictor = augmented(Probabilities(ODDS), info, scales=(0.5, 1.0, 2.0))
    _, sure = labels_and_confidence(predictor, np.zeros((8, 6, 3), np.uint8))
    np.testing.assert_allclose(sure, 1.55 / 3, rtol=1e-6)


def test_scales_are_relative_to_the_default_input_size():
    engine = Engine()
    engine.output = lambda image: np.ones((*image.shape[:2], 2), np.float32)
    predictor = augmented(engine, replace(INFO, max_side=100), scales=(0.5, 1.5))
    assert predictor.predict(np.zeros((200, 400, 3), np.uint8)).labels.shape == (
        200,
        400,
    )
    assert engine.given == [(25, 50), (75, 150)]


def test_scales_and_flip_work_with_tiles():
    engine = LeftRight()
    predictor = augmented(engine, tile=(64, 64), flip=True, scales=(0.5, 1.0))
    assert (predictor.predict(np.zeros((96, 64, 3), np.uint8)).labels == 1).all()
    assert (
        engine.given
        == [(32, 32)] * 2 + [(64, 64)] * 2 + [(32, 32)] * 2 + [(64, 64)] * 2
    )


def test_a_mirrored_image_of_a_fixed_size_is_padded_correctly():
    """Flipping must not move padding into the image."""

    class Pixels(Engine):
        def output(self, image):
            return np.eye(256, dtype=np.float32)[image[..., 0]]

    image = np.array([[[1] * 3, [2] * 3, [3] * 3]] * 8, np.uint8)
    labels = augmented(Pixels((8, 8)), flip=True).predict(image).labels
    assert labels.tolist() == [[1, 2, 3]] * 8


# Errors


@pytest.mark.parametrize(
    ("engine", "info", "passes", "message"),
    [
        (Engine((8, 8)), INFO, {"tile": (8, 9)}, "--tile 8x9: .* accepts only 8x8"),
        (Engine((8, 8)), INFO, {"scales": (1.0, 2.0)}, "--scales: .* accepts only 8x8"),
        (
            Engine(),
            replace(INFO, geometry=InputGeometry(minimum=32)),
            {"tile": (31, 64)},
            "at least 32x32",
        ),
        (Engine(), VALID, {"tile": (64, 20)}, "--tile 64x20: .* at least 38x38"),
        (Engine(), replace(INFO, head="labels"), {"flip": True}, "--head logits"),
        (Engine(), replace(INFO, head="labels"), {"scales": (2.0,)}, "--head logits"),
    ],
)
def test_unsupported_passes_are_errors(engine, info, passes, message):
    with pytest.raises(InputError, match=message) as error:
        augmented(engine, info, **passes)
    assert "\n" not in str(error.value)


def test_averaging_labels_is_an_error():
    with pytest.raises(InputError, match="outputs labels only"):
        augmented(Engine(), flip=True).predict(random_image((8, 8)))


def test_a_scale_below_the_minimum_is_an_error():
    predictor = augmented(
        LeftRight(), replace(INFO, geometry=InputGeometry(minimum=16)), scales=(0.5,)
    )
    with pytest.raises(
        InputError, match="--scales 0.5: the input of 15x40 is smaller .*16x16"
    ):
        predictor.predict(random_image((30, 80)))
