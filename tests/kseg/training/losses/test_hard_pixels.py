"""The choice of hard pixels, by hand, compared with NumPy's sort, on each backend."""

from functools import partial
from math import log

import numpy as np
import pytest
from keras import ops

from kseg.training.losses.hard_pixels import hard_pixels, kth_largest
from kseg.training.losses.pixel import cross_entropy, ohem
from kseg.training.losses.segmentation import SegmentationLoss
from tests.kseg.models.test_backends import run
from tests.kseg.training.losses.cases import gradient_of, on_tensorflow, random_batch

# -log p for p of 0.9, 0.8, 0.6, 0.5 and of void.
TERMS = -np.log(np.float32([[[0.9, 0.8, 0.6, 0.5, 0.1]]]))
VALID = np.float32([[[1, 1, 1, 1, 0]]])


@pytest.mark.parametrize(
    "probability, share, expected",
    (
        (0.7, 1 / 16, [0, 0, 1, 1]),  # two are under 0.7, which is over one of four
        (0.7, 1 / 2, [0, 0, 1, 1]),
        (0.85, 1 / 2, [0, 1, 1, 1]),  # the share is a least one
        (0.7, 0.6, [0, 1, 1, 1]),  # rounded up: three of four, the third is not hard
        (0.4, 1 / 16, [0, 0, 0, 1]),  # none is under 0.4
        (0.0, 1 / 2, [0, 0, 1, 1]),
        (1.0, 1 / 16, [1, 1, 1, 1]),
    ),
)
def test_hard_pixels_worked_by_hand(probability, share, expected):
    found = hard_pixels(TERMS, VALID, share, probability)
    assert ops.convert_to_numpy(found).tolist() == [[[*expected, 0]]]


def test_equal_terms_at_the_limit_share_what_is_missing():
    terms = np.float32([[[3, 1, 1, 1, 0]]])
    found = hard_pixels(terms, np.ones_like(terms), 0.4, 0.0)  # two of five
    expected = [[[1, 1 / 3, 1 / 3, 1 / 3, 0]]]
    np.testing.assert_allclose(ops.convert_to_numpy(found), expected, rtol=1e-6)


def test_perfect_pixels_count_too_if_the_share_needs_them():
    terms = np.zeros((1, 2, 2), "float32")
    found = hard_pixels(terms, np.ones((1, 2, 2), "float32"), 0.5, 0.7)
    assert ops.convert_to_numpy(found).tolist() == [[[0.5, 0.5], [0.5, 0.5]]]


def test_only_void():
    found = hard_pixels(TERMS, 0 * VALID, 0.5, 0.7)
    assert not ops.convert_to_numpy(found).any()
    assert float(ohem(np.full((1, 1, 2), 255), np.zeros((1, 1, 2, 3)))) == 0


def test_the_choice_is_over_the_batch():
    """All four places go to the second image, in which everything is harder."""
    terms = np.stack([np.full((2, 4), 0.5), np.full((2, 4), 2.0)]).astype("float32")
    found = ops.convert_to_numpy(hard_pixels(terms, np.ones_like(terms), 0.25, 0.0))
    assert found.sum((1, 2)).tolist() == [0, 4]


@pytest.mark.parametrize("count", (1, 2, 100, 1999, 2000))
def test_the_kth_largest_is_that_of_a_sort(count):
    random = np.random.RandomState(0)
    terms = (random.exponential(size=2000) ** 8).astype("float32")  # 1e-20 to 1e7
    expected = np.sort(terms)[-count]
    mixed = np.concatenate([terms, -np.ones(50, "float32")])  # void is ignored
    assert float(kth_largest(random.permutation(mixed), float(count))) == expected


def test_the_loss_is_the_mean_over_the_hard_pixels():
    # P(class 0) of 0.9, 0.6 and 0.5: the last two are under 0.7.
    mask, p = np.zeros((1, 1, 3), int), np.array([0.9, 0.6, 0.5])
    logits = np.log(np.stack([p, 1 - p], -1))[None, None].astype("float32")
    assert float(ohem(mask, logits)) == pytest.approx(-log(0.6 * 0.5) / 2, rel=1e-5)
    at = {"hard_probability": 0.55, "hard_share": 0.1}
    loss = SegmentationLoss("0.5*ohem", **at)
    assert float(loss(mask, logits)) == pytest.approx(-log(0.5) / 2, rel=1e-5)
    again = SegmentationLoss.from_config(loss.get_config())
    assert float(again(mask, logits)) == float(loss(mask, logits))


@on_tensorflow
def test_images_of_any_size_in_a_graph():
    """As in validation; the shapes are not known when the graph is made."""
    import tensorflow as tf

    mask, logits = random_batch(2)
    sides = [None] * 3
    signature = tf.TensorSpec(sides, tf.int64), tf.TensorSpec([*sides, 3], tf.float32)
    for at in ({}, {"probability": 0.1, "share": 0.5}):
        loss = tf.function(partial(ohem, **at), input_signature=signature)
        expected = float(ohem(mask, logits, **at))
        assert float(loss(mask, logits)) == pytest.approx(expected, rel=1e-6)


@on_tensorflow
def test_easy_pixels_and_void_have_no_gradient():
    mask, logits = random_batch(3)
    gradient = gradient_of(ohem, mask, logits)
    odds = np.exp(logits)
    p = np.take_along_axis(
        odds / odds.sum(-1, keepdims=True), np.where(mask < 3, mask, 0)[..., None], -1
    )[..., 0]
    hard = (mask != 255) & (p < 0.7)
    assert (np.abs(gradient).sum(-1) > 0).tolist() == hard.tolist()
    whole = gradient_of(cross_entropy, mask, logits) * (mask != 255).sum() / hard.sum()
    np.testing.assert_allclose(gradient[hard], whole[hard], rtol=1e-5)


@pytest.mark.parametrize("probability", (-0.1, 1.1))
def test_a_probability_out_of_range_is_refused(probability):
    mask, logits = random_batch(0)
    with pytest.raises(ValueError, match="from 0 to 1"):
        ohem(mask, logits, probability=probability)


SCRIPT = """
import keras, numpy as np
from kseg.training.losses.segmentation import SegmentationLoss
from tests.kseg.training.losses.cases import random_batch
mask, logits = random_batch(5, shape=(2, 20, 30))
for spec in ({}, {"hard_probability": 0.1, "hard_share": 0.3}):
    loss = SegmentationLoss("ohem", **spec)
    inputs = keras.Input((20, 30, 3))
    model = keras.Model(inputs, keras.layers.Rescaling(1.0)(inputs))
    model.compile(loss=loss)
    print(model.evaluate(logits, mask, batch_size=2, verbose=0))
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", ("jax", "torch"))
def test_the_same_on_every_backend(name):
    expected = [float(line) for line in run("tensorflow", SCRIPT)]
    assert [float(line) for line in run(name, SCRIPT)] == pytest.approx(expected, 1e-5)
