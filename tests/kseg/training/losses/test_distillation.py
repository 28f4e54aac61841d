"""The loss of a student by the probabilities of its teachers."""

from math import log

import keras
import numpy as np
import pytest
from keras import ops

from kseg.training.losses.distillation import (
    DistillationLoss,
    distillation,
    probabilities_of,
)
from kseg.training.losses.segmentation import SegmentationLoss
from tests.kseg.models.test_backends import run
from tests.kseg.training.losses.cases import LOGITS, MASK, on_tensorflow

# Roots 3 : 4, so probabilities 0.36 and 0.64; the second pixel has no soft label.
SOFT = np.uint8([[[[60, 80], [0, 0]]]])
EQUAL = np.zeros((1, 1, 2, 2), np.float32)  # logits of two classes of 1/2
BY_HAND = 0.36 * log(0.36 / 0.5) + 0.64 * log(0.64 / 0.5)


def test_soft_labels_are_squared_and_divided_by_their_sum():
    probabilities, known = probabilities_of(SOFT)
    np.testing.assert_allclose(probabilities[0, 0], [[0.36, 0.64], [0, 0]], rtol=1e-6)
    assert known.numpy().tolist() == [[[1, 0]]]


def test_the_divergence_by_hand():
    """A pixel without a soft label does not count, whatever its logits."""
    logits = EQUAL.copy()
    logits[0, 0, 1] = 9, -9
    assert float(distillation(SOFT, logits, 1.0)) == pytest.approx(BY_HAND, rel=1e-5)


def test_the_temperature_divides_the_logits_and_its_square_multiplies_the_loss():
    """At T = 2, logits 2 ln(0.36) and 2 ln(0.64) are the teacher's probabilities."""
    logits = EQUAL.copy()
    logits[0, 0, 0] = 2 * log(0.36), 2 * log(0.64)
    assert float(distillation(SOFT, logits, 2.0)) == pytest.approx(0, abs=1e-6)
    found = float(distillation(SOFT, EQUAL, 2.0))
    assert found == pytest.approx(4 * BY_HAND, rel=1e-5)


@on_tensorflow
@pytest.mark.parametrize("temperature", (1.0, 2.0, 5.0))
def test_the_gradient_is_the_difference_times_the_temperature(temperature):
    import tensorflow as tf

    logits = tf.constant(EQUAL)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = distillation(SOFT, logits, temperature)
    gradient = tape.gradient(loss, logits).numpy()[0, 0]
    expected = [temperature * (0.5 - 0.36), temperature * (0.5 - 0.64)]
    np.testing.assert_allclose(gradient, [expected, [0, 0]], atol=1e-6)


def test_one_class_of_probability_0_adds_nothing():
    soft = np.uint8([[[[255, 0]]]])
    found = float(distillation(soft, np.zeros((1, 1, 1, 2), np.float32), 1.0))
    assert found == pytest.approx(log(2), rel=1e-5)


def test_without_any_soft_label_the_term_is_0():
    assert float(distillation(np.zeros_like(SOFT), EQUAL, 2.0)) == 0


@pytest.mark.parametrize("dtype", ("float16", "bfloat16"))
def test_logits_of_half_precision(dtype):
    found = float(distillation(SOFT, ops.cast(EQUAL, dtype), 1.0))
    assert found == pytest.approx(BY_HAND, rel=1e-5)


def soft_of(mask: np.ndarray) -> np.ndarray:
    return np.full((*mask.shape, LOGITS.shape[-1]), 100, np.uint8)


def test_the_loss_is_a_sum_and_void_learns_too():
    soft = soft_of(MASK)
    loss = DistillationLoss("ce+dice", teacher_weight=3.0, temperature=2.0)
    term = float(distillation(soft, LOGITS, 2.0))
    plain = float(SegmentationLoss("ce+dice")(MASK, LOGITS))
    assert float(loss(MASK, LOGITS, soft)) == pytest.approx(plain + 3 * term, rel=1e-6)
    void = np.full_like(MASK, 255)
    assert float(loss(void, LOGITS, soft)) == pytest.approx(3 * term, rel=1e-6)


def test_without_soft_labels_it_is_the_loss_of_masks():
    weights = (0.5, 2.0)
    loss = DistillationLoss("ce", weights)
    assert float(loss(MASK, LOGITS)) == float(
        SegmentationLoss("ce", weights)(MASK, LOGITS)
    )


def test_the_configuration_makes_an_equal_loss():
    loss = DistillationLoss("ohem+dice", teacher_weight=0.5, temperature=4.0)
    again = DistillationLoss.from_config(loss.get_config())
    soft = soft_of(MASK)
    assert float(again(MASK, LOGITS, soft)) == float(loss(MASK, LOGITS, soft))
    made = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(loss)
    )
    assert (made.teacher_weight, made.temperature) == (0.5, 4.0)


BACKEND = """
from tests.kseg.training.losses.test_distillation import EQUAL, SOFT, distillation
print(float(distillation(SOFT, EQUAL, 2.0)))
"""


@pytest.mark.full
@pytest.mark.parametrize("name", ("jax", "torch"))
def test_other_backends(name):
    (line,) = run(name, BACKEND)
    assert float(line) == pytest.approx(4 * BY_HAND, rel=1e-5)
