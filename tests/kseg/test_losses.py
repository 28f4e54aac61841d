from math import log

import keras
import numpy as np
import pytest
from keras import ops

from kseg.losses import CrossEntropy, cross_entropy
from kseg.metrics import MeanIoU

# Odds of 1 to 3 are logits of 0 and log 3.
MASK = np.array([[[1, 1], [0, 255]]])
LOGITS = np.array(
    [[[[0, log(3)], [log(3), 0]], [[0, 0], [5, -5]]]], np.float32
)  # P(class 1): 3/4, 1/4; 1/2, void
EXPECTED = (-log(3 / 4) - log(1 / 4) - log(1 / 2)) / 3

on_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="needs TensorFlow's GradientTape"
)


def loss_of(mask, logits, **options):
    return float(cross_entropy(mask, logits, **options))


def padded(mask, logits, rows, columns):
    """Void below and to the right, with scores of any kind under it."""
    around = ((0, 0), (0, rows), (0, columns))
    return (
        np.pad(mask, around, constant_values=255),
        np.pad(logits, (*around, (0, 0)), constant_values=3.0),
    )


def test_worked_by_hand():
    assert loss_of(MASK, LOGITS) == pytest.approx(EXPECTED, rel=1e-6)


@pytest.mark.parametrize("dtype", ("uint8", "int32", "int64", "float32"))
def test_any_type_of_mask(dtype):
    assert loss_of(MASK.astype(dtype), LOGITS) == pytest.approx(EXPECTED, rel=1e-6)


def test_another_ignore_index():
    mask = np.where(MASK == 255, 7, MASK)
    assert loss_of(mask, LOGITS, ignore_index=7) == pytest.approx(EXPECTED, rel=1e-6)


def test_scores_under_void_do_not_matter():
    other = LOGITS.copy()
    other[0, 1, 1] = 1e4, -1e4
    assert loss_of(MASK, other) == loss_of(MASK, LOGITS)


@on_tensorflow
def test_gradient_is_probability_less_truth_and_zero_under_void():
    import tensorflow as tf

    logits = tf.Variable(LOGITS)
    with tf.GradientTape() as tape:
        loss = cross_entropy(MASK, logits)
    by_hand = [
        [[1 / 4 - 0, 3 / 4 - 1], [3 / 4 - 0, 1 / 4 - 1]],
        [[1 / 2 - 1, 1 / 2 - 0], [0, 0]],
    ]
    gradient = tape.gradient(loss, logits).numpy()[0]
    np.testing.assert_allclose(gradient, np.array(by_hand) / 3, atol=1e-6)
    assert gradient[1, 1].tolist() == [0, 0]


def test_void_alone_is_zero():
    assert loss_of(np.full_like(MASK, 255), LOGITS) == 0


@on_tensorflow
def test_void_alone_has_no_gradient():
    import tensorflow as tf

    logits = tf.Variable(LOGITS)
    with tf.GradientTape() as tape:
        loss = cross_entropy(np.full_like(MASK, 255), logits)
    assert not tape.gradient(loss, logits).numpy().any()


@pytest.mark.parametrize("size", (1.0, 6e4))  # 65504 is float16's largest
def test_float16_logits_are_finite(size):
    logits = ops.convert_to_tensor(np.sign(LOGITS) * size, "float16")
    loss = cross_entropy(MASK, logits)
    assert keras.backend.standardize_dtype(loss.dtype) == "float32"
    assert np.isfinite(float(loss))


@pytest.mark.parametrize("rows, columns", ((0, 0), (1, 0), (3, 5), (40, 40)))
def test_padding_does_not_dilute(rows, columns):
    mask, logits = padded(MASK, LOGITS, rows, columns)
    assert loss_of(mask, logits) == pytest.approx(EXPECTED, rel=1e-6)


def test_mean_is_over_the_pixels_of_the_batch():
    # Three valid pixels in the first image, one in the second: not a mean of means.
    mask = np.concatenate([MASK, np.array([[[0, 255], [255, 255]]])])
    logits = np.concatenate([LOGITS, np.zeros_like(LOGITS)])
    expected = (3 * EXPECTED - log(1 / 2)) / 4
    assert loss_of(mask, logits) == pytest.approx(expected, rel=1e-6)


def test_object_for_compile_is_the_function():
    loss = CrossEntropy()(MASK.astype("uint8"), LOGITS)
    assert float(loss) == pytest.approx(EXPECTED, rel=1e-6)


# --- weights ---

WEIGHT = np.array([[[2.0, 0.5], [0.0, 100.0]]], np.float32)  # the last under void
WEIGHTED = (2 * -log(3 / 4) + 0.5 * -log(1 / 4)) / 3  # by the number, not the weights


def test_weights_worked_by_hand():
    assert loss_of(MASK, LOGITS, weight=WEIGHT) == pytest.approx(WEIGHTED, rel=1e-6)
    loss = CrossEntropy()(MASK.astype("uint8"), LOGITS, WEIGHT)
    assert float(loss) == pytest.approx(WEIGHTED, rel=1e-6)


def test_weights_of_one_change_nothing():
    weight = np.ones_like(WEIGHT)
    assert loss_of(MASK, LOGITS, weight=weight) == loss_of(MASK, LOGITS)


def test_a_weight_takes_nothing_away_from_other_pixels():
    heavier = WEIGHT.copy()
    heavier[0, 0, 0] += 3
    more = loss_of(MASK, LOGITS, weight=heavier) - loss_of(MASK, LOGITS, weight=WEIGHT)
    assert more == pytest.approx(3 * -log(3 / 4) / 3, rel=1e-5)


@pytest.mark.parametrize("shape", ((1,), (1, 1), (1, 2, 2, 1)))
def test_weights_of_another_rank_are_refused(shape):
    with pytest.raises(ValueError, match=r"shape of the mask, \(1, 2, 2\)"):
        CrossEntropy()(MASK, LOGITS, np.ones(shape, np.float32))


def linear_model(rate):
    """A network that gives out what it gets, trained by plain descent."""
    model = keras.Sequential([keras.Input((2, 2, 2))])
    model.add(keras.layers.Conv2D(2, 1, use_bias=False))
    model.set_weights([np.eye(2, dtype=np.float32)[None, None]])
    model.compile(keras.optimizers.SGD(rate), CrossEntropy(), metrics=[MeanIoU(2)])
    return model


@pytest.mark.parametrize("weight, expected", ((None, EXPECTED), (WEIGHT, WEIGHTED)))
def test_fit_reports_the_weighted_loss(weight, expected):
    if keras.backend.backend() == "numpy":
        pytest.skip("Keras does not train on NumPy")
    model = linear_model(rate=0.0)
    mask = MASK.astype(np.uint8)
    history = model.fit(LOGITS, mask, sample_weight=weight, verbose=0).history
    assert history["loss"][0] == pytest.approx(expected, rel=1e-6)
    # Told 1, 0 and, a tie, 0 where 1, 1 and 0 are true: 1 of a union of 2 per class.
    # So without weights, which `MeanIoU` would refuse: `metrics` gets none from Keras.
    assert history["mean_iou"][0] == pytest.approx(0.5)


@pytest.mark.parametrize("weight", (None, WEIGHT))
def test_fit_descends_the_weighted_loss(weight):
    """The kernel moves by the gradient: the sum of x (p - y) w over valid pixels."""
    if keras.backend.backend() == "numpy":
        pytest.skip("Keras does not train on NumPy")
    model = linear_model(rate=1.0)
    model.fit(LOGITS, MASK.astype(np.uint8), sample_weight=weight, verbose=0)
    error = np.array([[1 / 4, -1 / 4], [3 / 4, -3 / 4], [-1 / 2, 1 / 2]])
    counted = np.ones(3) if weight is None else weight.reshape(-1)[:3]
    pixels = LOGITS.reshape(-1, 2)[:3]
    gradient = pixels.T @ (error * counted[:, None]) / 3
    moved = model.get_weights()[0][0, 0] - np.eye(2)
    np.testing.assert_allclose(moved, -gradient, atol=1e-6)


# --- saving ---


def test_config_is_restored():
    loss = keras.losses.deserialize(keras.losses.serialize(CrossEntropy(7, name="ce")))
    assert isinstance(loss, CrossEntropy)
    assert (loss.ignore_index, loss.name) == (7, "ce")
