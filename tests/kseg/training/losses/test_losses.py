import importlib.util
import os
import subprocess
import sys
from functools import partial
from itertools import product
from math import log
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops
from sklearn.metrics import f1_score, log_loss

from kseg.evaluation.metrics.confusion import confusion_matrix, iou_per_class
from kseg.evaluation.metrics.keras_metrics import MeanIoU
from kseg.training.losses.pixel import cross_entropy, focal, ohem
from kseg.training.losses.region import dice, jaccard_slopes, lovasz, tversky
from kseg.training.losses.segmentation import (
    LOSSES,
    OVER_PIXELS,
    SegmentationLoss,
    terms_of,
)

ROOT = Path(__file__).parents[4]

# Odds of 1 to 3 are logits of 0 and log 3.
MASK = np.array([[[1, 1], [0, 255]]])
LOGITS = np.array(
    [[[[0, log(3)], [log(3), 0]], [[0, 0], [5, -5]]]], np.float32
)  # P(class 1): 3/4, 1/4; 1/2, void
EXPECTED = (-log(3 / 4) - log(1 / 4) - log(1 / 2)) / 3

each_loss = pytest.mark.parametrize("name", LOSSES)
over_pixels = pytest.mark.parametrize("name", OVER_PIXELS)
over_areas = pytest.mark.parametrize("name", sorted(set(LOSSES) - set(OVER_PIXELS)))
on_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="needs TensorFlow's GradientTape"
)


def loss_of(mask, logits, **options):
    return float(cross_entropy(mask, logits, **options))


def gradient_of(loss, mask, logits):
    import tensorflow as tf

    logits = tf.convert_to_tensor(logits)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        value = loss(mask, logits)
    return tape.gradient(value, logits).numpy()


def padded(mask, logits, rows, columns):
    """Void below and to the right, with scores of any kind under it."""
    around = ((0, 0), (0, rows), (0, columns))
    return (
        np.pad(mask, around, constant_values=255),
        np.pad(logits, (*around, (0, 0)), constant_values=3.0),
    )


def test_worked_by_hand():
    assert loss_of(MASK, LOGITS) == pytest.approx(EXPECTED, rel=1e-6)


@each_loss
@pytest.mark.parametrize("dtype", ("uint8", "int32", "int64", "float32"))
def test_any_type_of_mask(name, dtype):
    expected = float(LOSSES[name](MASK, LOGITS))
    assert float(LOSSES[name](MASK.astype(dtype), LOGITS)) == expected


@each_loss
def test_another_ignore_index(name):
    mask = np.where(MASK == 255, 7, MASK)
    expected = float(LOSSES[name](MASK, LOGITS))
    assert float(LOSSES[name](mask, LOGITS, ignore_index=7)) == expected


@each_loss
def test_scores_under_void_do_not_matter(name):
    other = LOGITS.copy()
    other[0, 1, 1] = 1e4, -1e4
    assert float(LOSSES[name](MASK, other)) == float(LOSSES[name](MASK, LOGITS))


@on_tensorflow
def test_gradient_is_probability_less_truth_and_zero_under_void():
    by_hand = [
        [[1 / 4 - 0, 3 / 4 - 1], [3 / 4 - 0, 1 / 4 - 1]],
        [[1 / 2 - 1, 1 / 2 - 0], [0, 0]],
    ]
    gradient = gradient_of(cross_entropy, MASK, LOGITS)[0]
    np.testing.assert_allclose(gradient, np.array(by_hand) / 3, atol=1e-6)
    assert gradient[1, 1].tolist() == [0, 0]


@each_loss
def test_void_alone_is_zero(name):
    assert float(LOSSES[name](np.full_like(MASK, 255), LOGITS)) == 0


@on_tensorflow
@each_loss
def test_void_has_no_gradient(name):
    assert not gradient_of(LOSSES[name], np.full_like(MASK, 255), LOGITS).any()
    assert not gradient_of(LOSSES[name], MASK, LOGITS)[0, 1, 1].any()


@on_tensorflow
@each_loss
@pytest.mark.parametrize("dtype", ("float16", "bfloat16"))
@pytest.mark.parametrize("size", (1.0, 6e4))  # 65504 is float16's largest
def test_half_precision_is_finite(name, dtype, size):
    logits = ops.convert_to_tensor(np.sign(LOGITS) * size, dtype)
    loss = LOSSES[name](MASK, logits)
    assert keras.backend.standardize_dtype(loss.dtype) == "float32"
    assert np.isfinite(float(loss))
    gradient = gradient_of(LOSSES[name], MASK, logits)
    assert np.isfinite(gradient.astype(np.float32)).all()


@each_loss
def test_half_precision_is_computed_in_float32(name):
    logits = ops.convert_to_tensor(LOGITS, "float16")
    rounded = ops.convert_to_numpy(logits).astype(np.float32)
    assert float(LOSSES[name](MASK, logits)) == float(LOSSES[name](MASK, rounded))


@each_loss
@pytest.mark.parametrize("rows, columns", ((0, 0), (1, 0), (3, 5), (40, 40)))
def test_padding_does_not_dilute(name, rows, columns):
    expected = float(LOSSES[name](MASK, LOGITS))
    found = LOSSES[name](*padded(MASK, LOGITS, rows, columns))
    assert float(found) == pytest.approx(expected, rel=1e-6)


def test_mean_is_over_the_pixels_of_the_batch():
    # Three valid pixels in the first image, one in the second: not a mean of means.
    mask = np.concatenate([MASK, np.array([[[0, 255], [255, 255]]])])
    logits = np.concatenate([LOGITS, np.zeros_like(LOGITS)])
    expected = (3 * EXPECTED - log(1 / 2)) / 4
    assert loss_of(mask, logits) == pytest.approx(expected, rel=1e-6)


def test_object_for_compile_is_the_function():
    loss = SegmentationLoss()(MASK.astype("uint8"), LOGITS)
    assert float(loss) == pytest.approx(EXPECTED, rel=1e-6)


# --- weights ---

WEIGHT = np.array([[[2.0, 0.5], [0.0, 100.0]]], np.float32)  # the last under void
WEIGHTED = (2 * -log(3 / 4) + 0.5 * -log(1 / 4)) / 3  # by the number, not the weights


def test_weights_worked_by_hand():
    assert loss_of(MASK, LOGITS, weight=WEIGHT) == pytest.approx(WEIGHTED, rel=1e-6)
    loss = SegmentationLoss()(MASK.astype("uint8"), LOGITS, WEIGHT)
    assert float(loss) == pytest.approx(WEIGHTED, rel=1e-6)


@over_pixels
def test_weights_of_one_change_nothing(name):
    loss, weight = LOSSES[name], np.ones_like(WEIGHT)
    expected = float(loss(MASK, LOGITS))
    assert float(loss(MASK, LOGITS, weight=weight)) == expected
    assert float(loss(MASK, LOGITS, class_weights=(1, 1))) == expected


def test_a_weight_takes_nothing_away_from_other_pixels():
    heavier = WEIGHT.copy()
    heavier[0, 0, 0] += 3
    more = loss_of(MASK, LOGITS, weight=heavier) - loss_of(MASK, LOGITS, weight=WEIGHT)
    assert more == pytest.approx(3 * -log(3 / 4) / 3, rel=1e-5)


@pytest.mark.parametrize("shape", ((1,), (1, 1), (1, 2, 2, 1)))
def test_weights_of_another_rank_are_refused(shape):
    with pytest.raises(ValueError, match=r"shape of the mask, \(1, 2, 2\)"):
        SegmentationLoss()(MASK, LOGITS, np.ones(shape, np.float32))


def test_class_weights_worked_by_hand():
    """Divided by the three valid pixels, not by their weights of 2, 2 and 0.5."""
    weights = (0.5, 2.0)
    expected = (2 * -log(3 / 4) + 2 * -log(1 / 4) + 0.5 * -log(1 / 2)) / 3
    found = loss_of(MASK, LOGITS, class_weights=weights)
    assert found == pytest.approx(expected, rel=1e-6)
    loss = SegmentationLoss("ce", weights)(MASK.astype("uint8"), LOGITS)
    assert float(loss) == pytest.approx(expected, rel=1e-6)


def test_both_weights_multiply():
    by_pixel = np.where(MASK == 1, 2.0, 0.5).astype(np.float32) * WEIGHT
    both = loss_of(MASK, LOGITS, weight=WEIGHT, class_weights=(0.5, 2.0))
    expected = loss_of(MASK, LOGITS, weight=by_pixel)
    assert both == pytest.approx(expected, rel=1e-6)


@over_pixels
def test_class_weights_of_another_number_are_refused(name):
    with pytest.raises(ValueError, match="one for each of 2 classes, got 3"):
        LOSSES[name](MASK, LOGITS, class_weights=(1, 2, 3))


@over_areas
def test_weights_that_would_do_nothing_are_refused(name):
    with pytest.raises(ValueError, match="takes no weights of pixels.*ce, focal, ohem"):
        SegmentationLoss(name)(MASK, LOGITS, WEIGHT)
    with pytest.raises(ValueError, match="takes no class weights.*ce, focal, ohem"):
        SegmentationLoss(name, (1, 2))


def test_in_a_sum_weights_go_to_the_means_over_pixels():
    loss = SegmentationLoss("dice+2*ce", (0.5, 2.0))(MASK, LOGITS, WEIGHT)
    weighted = loss_of(MASK, LOGITS, weight=WEIGHT, class_weights=(0.5, 2.0))
    expected = 2 * weighted + float(dice(MASK, LOGITS))
    assert float(loss) == pytest.approx(expected, rel=1e-6)


def need_training():
    if keras.backend.backend() == "numpy":
        pytest.skip("Keras does not train on NumPy")


def linear_model(rate):
    """A network that gives out what it gets, trained by plain descent."""
    model = keras.Sequential([keras.Input((2, 2, 2))])
    model.add(keras.layers.Conv2D(2, 1, use_bias=False))
    model.set_weights([np.eye(2, dtype=np.float32)[None, None]])
    loss = SegmentationLoss()
    model.compile(keras.optimizers.SGD(rate), loss, metrics=[MeanIoU(2)])
    return model


@pytest.mark.parametrize("weight, expected", ((None, EXPECTED), (WEIGHT, WEIGHTED)))
def test_fit_reports_the_weighted_loss(weight, expected):
    need_training()
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
    need_training()
    model = linear_model(rate=1.0)
    model.fit(LOGITS, MASK.astype(np.uint8), sample_weight=weight, verbose=0)
    error = np.array([[1 / 4, -1 / 4], [3 / 4, -3 / 4], [-1 / 2, 1 / 2]])
    counted = np.ones(3) if weight is None else weight.reshape(-1)[:3]
    pixels = LOGITS.reshape(-1, 2)[:3]
    gradient = pixels.T @ (error * counted[:, None]) / 3
    moved = model.get_weights()[0][0, 0] - np.eye(2)
    np.testing.assert_allclose(moved, -gradient, atol=1e-6)


# --- the other losses, by hand ---


def test_focal_worked_by_hand():
    # (1 - p)^2 of the true classes' 3/4, 1/4 and 1/2.
    terms = (1 / 16 * -log(3 / 4), 9 / 16 * -log(1 / 4), 1 / 4 * -log(1 / 2))
    assert float(focal(MASK, LOGITS)) == pytest.approx(sum(terms) / 3, rel=1e-5)


@pytest.mark.parametrize("weights", ({}, {"class_weights": (0.5, 2.0)}))
def test_focal_at_gamma_0_is_cross_entropy(weights):
    found = float(focal(MASK, LOGITS, gamma=0.0, **weights))
    assert found == pytest.approx(loss_of(MASK, LOGITS, **weights), rel=1e-6)


@on_tensorflow
@pytest.mark.parametrize("gamma", (0.0, 0.5, 1.0, 2.0))
def test_focal_has_a_gradient_where_nothing_is_missed(gamma):
    sure = np.array([[[[40, -40], [-40, 40]]]], np.float32)  # 1 - p is 0 in float32
    mask = np.array([[[0, 0]]])
    assert np.isfinite(gradient_of(partial(focal, gamma=gamma), mask, sure)).all()


def test_dice_worked_by_hand():
    # Class 1: probabilities 3/4, 1/4, 1/2 where 1, 1, 0 are true. Class 0: the rest.
    ratios = 2 * 1 / (2 + 3 / 2), 2 * 1 / 2 / (1 + 3 / 2)
    expected = 1 - sum(ratios) / 2
    assert float(dice(MASK, LOGITS)) == pytest.approx(expected, rel=1e-6)


def test_tversky_worked_by_hand():
    # Class 1 hits 1, has 1/2 too many, misses 1; class 0 hits 1/2, 1 and 1/2.
    ones = 1 / (1 + 0.3 * 1 / 2 + 0.7 * 1)
    zeros = 1 / 2 / (1 / 2 + 0.3 * 1 + 0.7 * 1 / 2)
    expected = 1 - (ones + zeros) / 2
    assert float(tversky(MASK, LOGITS)) == pytest.approx(expected, rel=1e-6)


def test_tversky_at_halves_is_dice():
    mask, logits = random_batch(0)
    found = float(tversky(mask, logits, alpha=0.5, beta=0.5))
    assert found == float(dice(mask, logits))


def test_tversky_at_ones_is_jaccard_of_hard_predictions():
    mask, labels, logits = hard_batch(1)
    found = float(tversky(mask, logits, alpha=1.0, beta=1.0))
    assert found == pytest.approx(jaccard_loss(mask, labels), rel=1e-5)


def test_lovasz_worked_by_hand():
    # The errors of both classes are 1/4, 3/4 and 1/2 at truths of 1, 1 and 0.
    # Class 1, worst first: a miss, a false alarm, a miss. 1 - IoU goes 1/2, 2/3, 1.
    ones = 3 / 4 * 1 / 2 + 1 / 2 * (2 / 3 - 1 / 2) + 1 / 4 * (1 - 2 / 3)
    # Class 0: a false alarm, a miss, a false alarm. 1/2, 1, 1.
    zeros = 3 / 4 * 1 / 2 + 1 / 2 * 1 / 2
    assert float(lovasz(MASK, LOGITS)) == pytest.approx((ones + zeros) / 2, rel=1e-6)


@pytest.mark.parametrize("share, kept", ((0.1, 1), (1 / 3, 1), (0.5, 2), (0.99, 3)))
def test_ohem_worked_by_hand(share, kept):
    hardest = sorted((-log(3 / 4), -log(1 / 4), -log(1 / 2)))[::-1][:kept]
    found = float(ohem(MASK, LOGITS, share=share))
    assert found == pytest.approx(sum(hardest) / kept, rel=1e-6)


def test_ohem_of_all_pixels_is_cross_entropy():
    for weights in ({}, {"weight": WEIGHT}, {"class_weights": (0.5, 2.0)}):
        found = float(ohem(MASK, LOGITS, share=1.0, **weights))
        assert found == pytest.approx(loss_of(MASK, LOGITS, **weights), rel=1e-6)


def test_ohem_weighs_what_it_chose_and_chooses_by_no_weight():
    # p of 1/4 is the hardest: its weight of 1/2 does not make it an easy pixel.
    found = float(ohem(MASK, LOGITS, share=1 / 3, weight=WEIGHT))
    assert found == pytest.approx(0.5 * -log(1 / 4), rel=1e-6)


def test_ohem_shares_the_last_places_among_ties():
    logits = np.zeros((1, 1, 4, 2), np.float32)
    logits[..., 0, 1] = log(3)
    mask, weight = np.zeros((1, 1, 4), int), np.array([[[1.0, 1.0, 2.0, 3.0]]])
    # Two of four: the first, p = 1/4, and a third each of those whose p is 1/2.
    found = float(ohem(mask, logits, share=0.5, weight=weight))
    expected = (-log(1 / 4) + 1 / 3 * (1 + 2 + 3) * -log(1 / 2)) / 2
    assert found == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("share", (0, -1, 1.5))
def test_a_share_is_over_0_and_at_most_1(share):
    with pytest.raises(ValueError, match="over 0 and at most 1"):
        ohem(MASK, LOGITS, share=share)


# --- against definitions ---


def random_batch(seed, classes=3, shape=(2, 4, 5)):
    """Masks with void in them, and logits without ties."""
    random = np.random.RandomState(seed)
    mask = random.randint(0, classes, shape)
    mask[random.uniform(size=shape) < 0.2] = 255
    return mask, random.normal(size=(*shape, classes)).astype(np.float32)


def hard_batch(seed):
    """Masks, labels, and logits that are as good as certain of the labels."""
    mask, logits = random_batch(seed)
    labels = logits.argmax(-1)
    return mask, labels, 100 * np.eye(3, dtype=np.float32)[labels]


def jaccard_loss(mask, labels):
    """1 - IoU, the mean over the classes that the masks have."""
    matrix = confusion_matrix(mask, labels, 3)
    return float(1 - iou_per_class(matrix)[matrix.sum(1) > 0].mean())


def lovasz_by_definition(mask, logits):
    """The Lovasz extension of 1 - IoU as a function of the set of wrong pixels."""
    odds = np.exp(logits.astype(np.float64))
    probabilities = (odds / odds.sum(-1, keepdims=True))[mask != 255]
    mask, losses = mask[mask != 255], []
    for index in np.unique(mask):
        truth = set(np.flatnonzero(mask == index))
        errors = np.abs((mask == index) - probabilities[:, index])
        wrong, total, before = set(), 0.0, 0.0
        for pixel in np.argsort(-errors):
            wrong.add(pixel)
            loss = len(wrong) / len(wrong | truth)
            total, before = total + errors[pixel] * (loss - before), loss
        losses.append(total)
    return np.mean(losses)


@pytest.mark.parametrize("seed", range(4))
def test_lovasz_is_the_extension_by_definition(seed):
    mask, logits = random_batch(seed)
    found = float(lovasz(mask, logits))
    assert found == pytest.approx(lovasz_by_definition(mask, logits), rel=1e-5)


@pytest.mark.parametrize("seed", range(4))
def test_lovasz_is_the_jaccard_loss_at_the_corners(seed):
    mask, labels, logits = hard_batch(seed)
    assert float(lovasz(mask, logits)) == pytest.approx(jaccard_loss(mask, labels))


def test_all_corners_of_a_picture_of_1x4():
    mask = np.array([[[0, 1, 1, 255]]])
    for labels in product((0, 1), repeat=4):
        hard = 100 * np.eye(2, dtype=np.float32)[[[labels]]]
        matrix = confusion_matrix(mask, np.array([[labels]]), 2)
        expected = 1 - iou_per_class(matrix).mean()
        assert float(lovasz(mask, hard)) == pytest.approx(expected, abs=1e-6), labels


@each_loss
def test_classes_that_the_masks_lack_leave_it_finite(name):
    mask, logits = random_batch(5, classes=7)
    mask = np.where(mask == 255, 255, 3)
    hard = 1000 * np.eye(7, dtype=np.float32)[np.full(mask.shape, 5)]
    for scores in (logits, hard):
        assert np.isfinite(float(LOSSES[name](mask, scores)))
    if keras.backend.backend() == "tensorflow":
        assert np.isfinite(gradient_of(LOSSES[name], mask, hard)).all()


@over_areas
def test_only_classes_of_the_masks_are_averaged(name):
    mask = np.array([[[1, 1]]])
    logits = np.array([[[[0, log(3)], [log(3), 0]]]], np.float32)
    expected = {  # of class 1 alone: hits 1, none too many, misses 1
        "dice": 1 - 2 * 1 / (2 + 1),
        "tversky": 1 - 1 / (1 + 0.7),
        "lovasz": 3 / 4 * 1 / 2 + 1 / 4 * 1 / 2,
    }
    assert float(LOSSES[name](mask, logits)) == pytest.approx(expected[name], rel=1e-6)


@on_tensorflow
@each_loss
def test_gradient_is_that_of_finite_differences(name):
    mask, logits = random_batch(2, shape=(1, 3, 3))
    gradient = gradient_of(LOSSES[name], mask, logits)
    step = 2e-3  # too small for another pixel to become the harder one
    for place in np.ndindex(logits.shape):
        ends = [logits.copy(), logits.copy()]
        ends[0][place] -= step
        ends[1][place] += step
        low, high = (float(LOSSES[name](mask, end)) for end in ends)
        slope = (high - low) / (2 * step)
        assert gradient[place] == pytest.approx(slope, abs=3e-4), place
    assert np.abs(gradient).max() > 0.01


def test_lovasz_slopes_keep_their_digits_in_a_large_batch():
    """Neighbours of the running ratio, subtracted in float32, would not."""
    truth = (np.random.RandomState(0).uniform(size=(1, 2**20)) < 0.01).astype("f4")
    slopes = ops.convert_to_numpy(jaccard_slopes(truth))[0].astype(np.float64)
    missed = truth[0].cumsum(dtype=np.float64)
    area = missed[-1]
    union = area + np.arange(1, 2**20 + 1) - missed
    running = 1 - (area - missed) / union
    expected = np.diff(running, prepend=0)  # float64 loses the digits after 1e-16
    np.testing.assert_allclose(slopes, expected, rtol=1e-6, atol=1e-15)
    coarse = np.diff(running.astype(np.float32), prepend=np.float32(0))
    tail = slice(2**18, -1000)
    assert np.median(np.abs(coarse - expected)[tail] / expected[tail]) > 0.5


@pytest.mark.parametrize("dtype", ("float32", "float16", "bfloat16"))
def test_cross_entropy_is_scikit_learns(dtype):
    """Its `log_loss` over the valid pixels, of the logits as they were rounded."""
    mask, logits = random_batch(6)
    logits = ops.convert_to_tensor(logits, dtype)
    exact = ops.convert_to_numpy(ops.cast(logits, "float32")).astype(np.float64)
    odds = np.exp(exact)[mask != 255]
    expected = log_loss(mask[mask != 255], odds / odds.sum(-1, keepdims=True))
    assert loss_of(mask, logits) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_dice_of_hard_predictions_is_scikit_learns_f1(seed):
    mask, labels, logits = hard_batch(seed)
    truth, told = mask[mask != 255], labels[mask != 255]
    present = np.unique(truth)
    expected = 1 - f1_score(truth, told, labels=present, average="macro")
    assert float(dice(mask, logits)) == pytest.approx(expected, rel=1e-5)


def lovasz_by_the_papers_code(mask, logits):
    """The authors' algorithm 1: neighbours of the running Jaccard loss, subtracted."""
    odds = np.exp(logits.astype(np.float64))
    probabilities = (odds / odds.sum(-1, keepdims=True))[mask != 255]
    mask, losses = mask[mask != 255], []
    for index in np.unique(mask):
        truth = (mask == index).astype(np.float64)
        errors = np.abs(truth - probabilities[:, index])
        order = np.argsort(-errors)
        truth = truth[order]
        intersection = truth.sum() - truth.cumsum()
        union = truth.sum() + (1 - truth).cumsum()
        jaccard = 1 - intersection / union
        jaccard[1:] -= jaccard[:-1].copy()
        losses.append(errors[order] @ jaccard)
    return np.mean(losses)


@pytest.mark.parametrize("dtype", ("float32", "float16", "bfloat16"))
@pytest.mark.parametrize("classes", (2, 5))
def test_lovasz_is_the_papers_algorithm(classes, dtype):
    """With void and, of five classes, one that the masks lack."""
    mask, logits = random_batch(9, classes, shape=(2, 23, 31))
    mask = np.where(mask == 4, 0, mask)
    logits = ops.convert_to_tensor(logits, dtype)
    rounded = ops.convert_to_numpy(ops.cast(logits, "float32"))
    expected = lovasz_by_the_papers_code(mask, rounded)
    assert float(lovasz(mask, logits)) == pytest.approx(expected, rel=1e-5)


# --- sums ---


@pytest.mark.parametrize(
    "spec, terms",
    (
        ("ce", [(1, "ce")]),
        ("ce+dice", [(1, "ce"), (1, "dice")]),
        ("ce+0.5*dice", [(1, "ce"), (0.5, "dice")]),
        (" 2 * focal + lovasz ", [(2, "focal"), (1, "lovasz")]),
    ),
)
def test_a_sum_is_the_sum(spec, terms):
    assert terms_of(spec) == terms
    expected = sum(factor * float(LOSSES[name](MASK, LOGITS)) for factor, name in terms)
    assert float(SegmentationLoss(spec)(MASK, LOGITS)) == pytest.approx(expected)


@pytest.mark.parametrize("spec", ("", "+", "ce+", "focall", "ce-dice", "2ce", "ce*2"))
def test_unknown_names_are_one_line_that_lists_the_known(spec):
    with pytest.raises(ValueError) as caught:
        SegmentationLoss(spec)
    message = str(caught.value)
    assert repr(spec) in message and "\n" not in message
    assert all(name in message for name in LOSSES)


@pytest.mark.parametrize("factor", ("0", "-1", "x", "", "nan", "inf", "1*2"))
def test_factors_are_numbers_over_0(factor):
    with pytest.raises(ValueError, match="is no factor over 0"):
        SegmentationLoss(f"ce+{factor}*dice")


# --- in fit ---


def pixel_model(spec, **compile):
    """Scores by colour, for pictures of any size; takes batches of random colours."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((None, None, 3))])
    model.add(keras.layers.Conv2D(3, 1))
    adam = keras.optimizers.Adam(0.1)
    model.compile(adam, SegmentationLoss(spec), metrics=[MeanIoU(3)], **compile)
    return model


def colors(shape):
    """Pictures whose class is their strongest channel, a corner of them void."""
    image = np.random.RandomState(0).uniform(size=(*shape, 3)).astype(np.float32)
    mask = image.argmax(-1).astype(np.uint8)
    mask[:, :3, :3] = 255
    return image, mask


@pytest.mark.parametrize("spec", (*LOSSES, "ce+0.5*dice"))
def test_fit_lowers_each_loss_and_learns(spec):
    need_training()
    model = pixel_model(spec)
    image, mask = colors((2, 12, 16))
    history = model.fit(image, mask, batch_size=2, epochs=60, verbose=0).history
    assert history["loss"][-1] < 0.7 * history["loss"][0]
    assert history["mean_iou"][-1] > max(0.6, history["mean_iou"][0])
    odd = colors((1, 7, 11))  # the traced graph takes another size
    assert np.isfinite(model.evaluate(*odd, verbose=0)).all()


@on_tensorflow
@pytest.mark.parametrize("spec", LOSSES)
def test_fit_compiles_each_loss(spec):
    """With XLA, as Keras does by itself where there is a GPU."""
    image, mask = colors((2, 6, 8))
    losses = [
        pixel_model(spec, jit_compile=jit).fit(image, mask, verbose=0).history["loss"]
        for jit in (False, True)
    ]
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)


# --- on each backend ---

SCRIPT = """
import sys
import keras, numpy as np
from kseg.training.losses.segmentation import LOSSES, OVER_PIXELS

backend, source, target = sys.argv[1:]
assert keras.backend.backend() == backend
batch = np.load(source)

def gradient(loss):
    if backend == "jax":
        import jax
        return jax.jit(jax.value_and_grad(loss))(batch["logits"])
    logits = keras.ops.convert_to_tensor(batch["logits"])
    if backend == "torch":
        logits.requires_grad_(True)
        value = loss(logits)
        value.backward()
        return value, logits.grad
    import tensorflow as tf
    with tf.GradientTape() as tape:
        tape.watch(logits)
        value = loss(logits)
    return value, tape.gradient(value, logits)

found = {}
for name, loss in LOSSES.items():
    for kind in ("mask", "void"):
        plain = lambda x: loss(batch[kind], x)
        cases = {"plain": plain}
        if name in OVER_PIXELS:
            weights = {"weight": batch["weight"], "class_weights": (0.5, 1, 2)}
            cases["weighted"] = lambda x: loss(batch[kind], x, **weights)
        for case, function in cases.items():
            value, slope = gradient(function)
            key = f"{name}/{kind}/{case}"
            found[f"{key}/value"] = keras.ops.convert_to_numpy(value)
            found[f"{key}/gradient"] = keras.ops.convert_to_numpy(slope)
np.savez(target, **found)
"""


def values_on(backend, folder):
    """Each loss and its gradient, by a process on that backend."""
    mask, logits = random_batch(7, shape=(2, 24, 31))
    weight = np.random.RandomState(8).uniform(0, 3, mask.shape).astype(np.float32)
    source, target = folder / "batch.npz", folder / f"{backend}.npz"
    void = np.full_like(mask, 255)
    np.savez(source, mask=mask, void=void, logits=logits, weight=weight)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, backend, str(source), str(target)],
        cwd=ROOT,
        env={**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(np.load(target))


@pytest.mark.slow
@pytest.mark.parametrize("backend", ("jax", "torch"))
def test_values_and_gradients_are_those_of_tensorflow(backend, tmp_path):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed: pip install -e '.[{backend}]'")
    expected, found = (values_on(name, tmp_path) for name in ("tensorflow", backend))
    assert set(found) == set(expected)
    for key, value in expected.items():
        scale = np.abs(value).max() if "/mask/" in key else 1.0
        assert scale > 0
        np.testing.assert_allclose(
            found[key], value, rtol=1e-5, atol=1e-5 * scale, err_msg=key
        )


# --- saving ---


def test_config_is_restored():
    given = SegmentationLoss("ce+0.5*dice", (0.25, 4), 7, name="both")
    loss = keras.losses.deserialize(keras.losses.serialize(given))
    assert isinstance(loss, SegmentationLoss)
    assert (loss.spec, loss.class_weights) == ("ce+0.5*dice", (0.25, 4.0))
    assert (loss.ignore_index, loss.name) == (7, "both")
    mask = np.where(MASK == 255, 7, MASK)
    assert float(loss(mask, LOGITS)) == float(given(mask, LOGITS))


def test_a_saved_model_keeps_its_loss(tmp_path):
    need_training()
    model = linear_model(rate=1.0)
    model.compile("sgd", SegmentationLoss("focal+dice", (1, 2)))
    model.save(tmp_path / "model.keras")
    loss = keras.models.load_model(tmp_path / "model.keras").loss
    assert (loss.spec, loss.class_weights) == ("focal+dice", (1.0, 2.0))
