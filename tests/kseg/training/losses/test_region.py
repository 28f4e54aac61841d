"""Losses that are ratios of areas: by hand, by definition and by reference code."""

from itertools import product
from math import log

import numpy as np
import pytest
from keras import ops
from sklearn.metrics import f1_score

from kseg.evaluation.metrics.confusion import confusion_matrix, iou_per_class
from kseg.training.losses.region import dice, jaccard_slopes, lovasz, tversky
from kseg.training.losses.segmentation import (
    LOSSES,
)
from tests.kseg.training.losses.cases import (
    LOGITS,
    MASK,
    hard_batch,
    jaccard_loss,
    over_areas,
    random_batch,
)


def test_dice_worked_by_hand():
    # Class 1: probabilities 3/4, 1/4, 1/2 where 1, 1, 0 are true. Class 0: the rest.
    ratios = 2 * 1 / (2 + 3 / 2), 2 * 1 / 2 / (1 + 3 / 2)
    expected = 1 - sum(ratios) / 2
    assert float(dice(MASK, LOGITS)) == pytest.approx(expected, rel=1e-6)


def test_tversky_worked_by_hand():
    # Class 1: TP 1, FP 1/2, FN 1; class 0: TP 1/2, FP 1, FN 1/2.
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
    # Class 1, largest error first: FN, FP, FN; 1 - IoU is 1/2, 2/3, 1.
    ones = 3 / 4 * 1 / 2 + 1 / 2 * (2 / 3 - 1 / 2) + 1 / 4 * (1 - 2 / 3)
    # Class 0: FP, FN, FP; 1 - IoU is 1/2, 1, 1.
    zeros = 3 / 4 * 1 / 2 + 1 / 2 * 1 / 2
    assert float(lovasz(MASK, LOGITS)) == pytest.approx((ones + zeros) / 2, rel=1e-6)


def lovasz_by_definition(mask, logits):
    """The Lovasz extension of 1 - IoU as a function of the set of wrong pixels."""
    odds = np.exp(logits.astype(np.float64))
    probabilities = (odds / odds.sum(-1, keepdims=True))[mask != 255]
    mask, losses = mask[mask != 255], []
    for index in np.unique(mask):
        target = set(np.flatnonzero(mask == index))
        errors = np.abs((mask == index) - probabilities[:, index])
        wrong, total, before = set(), 0.0, 0.0
        for pixel in np.argsort(-errors):
            wrong.add(pixel)
            loss = len(wrong) / len(wrong | target)
            total, before = total + errors[pixel] * (loss - before), loss
        losses.append(total)
    return np.mean(losses)


@pytest.mark.parametrize("seed", range(4))
def test_lovasz_equals_the_extension_by_definition(seed):
    mask, logits = random_batch(seed)
    found = float(lovasz(mask, logits))
    assert found == pytest.approx(lovasz_by_definition(mask, logits), rel=1e-5)


@pytest.mark.parametrize("seed", range(4))
def test_lovasz_of_hard_predictions_equals_the_jaccard_loss(seed):
    mask, labels, logits = hard_batch(seed)
    assert float(lovasz(mask, logits)) == pytest.approx(jaccard_loss(mask, labels))


def test_lovasz_of_all_hard_predictions_of_a_1x4_image():
    mask = np.array([[[0, 1, 1, 255]]])
    for labels in product((0, 1), repeat=4):
        hard = 100 * np.eye(2, dtype=np.float32)[[[labels]]]
        matrix = confusion_matrix(mask, np.array([[labels]]), 2)
        expected = 1 - iou_per_class(matrix).mean()
        assert float(lovasz(mask, hard)) == pytest.approx(expected, abs=1e-6), labels


@over_areas
def test_only_classes_of_the_masks_are_averaged(name):
    mask = np.array([[[1, 1]]])
    logits = np.array([[[[0, log(3)], [log(3), 0]]]], np.float32)
    expected = {  # of class 1 only: TP 1, FP 0, FN 1
        "dice": 1 - 2 * 1 / (2 + 1),
        "tversky": 1 - 1 / (1 + 0.7),
        "lovasz": 3 / 4 * 1 / 2 + 1 / 4 * 1 / 2,
    }
    assert float(LOSSES[name](mask, logits)) == pytest.approx(expected[name], rel=1e-6)


def test_jaccard_slopes_are_accurate_in_a_large_batch():
    """Subtracting neighbours of the cumulative ratio in float32 is not."""
    target = (np.random.RandomState(0).uniform(size=(1, 2**20)) < 0.01).astype("f4")
    slopes = ops.convert_to_numpy(jaccard_slopes(target))[0].astype(np.float64)
    missed = target[0].cumsum(dtype=np.float64)
    area = missed[-1]
    union = area + np.arange(1, 2**20 + 1) - missed
    running = 1 - (area - missed) / union
    expected = np.diff(running, prepend=0)  # accurate to 1e-16 in float64
    np.testing.assert_allclose(slopes, expected, rtol=1e-6, atol=1e-15)
    coarse = np.diff(running.astype(np.float32), prepend=np.float32(0))
    tail = slice(2**18, -1000)
    assert np.median(np.abs(coarse - expected)[tail] / expected[tail]) > 0.5


@pytest.mark.parametrize("seed", range(3))
def test_dice_of_hard_predictions_equals_f1_of_scikit_learn(seed):
    mask, labels, logits = hard_batch(seed)
    target, predicted = mask[mask != 255], labels[mask != 255]
    present = np.unique(target)
    expected = 1 - f1_score(target, predicted, labels=present, average="macro")
    assert float(dice(mask, logits)) == pytest.approx(expected, rel=1e-5)


def lovasz_by_the_papers_code(mask, logits):
    """Algorithm 1 of the paper: differences of the cumulative Jaccard loss."""
    odds = np.exp(logits.astype(np.float64))
    probabilities = (odds / odds.sum(-1, keepdims=True))[mask != 255]
    mask, losses = mask[mask != 255], []
    for index in np.unique(mask):
        target = (mask == index).astype(np.float64)
        errors = np.abs(target - probabilities[:, index])
        order = np.argsort(-errors)
        target = target[order]
        intersection = target.sum() - target.cumsum()
        union = target.sum() + (1 - target).cumsum()
        jaccard = 1 - intersection / union
        jaccard[1:] -= jaccard[:-1].copy()
        losses.append(errors[order] @ jaccard)
    return np.mean(losses)


@pytest.mark.parametrize("dtype", ("float32", "float16", "bfloat16"))
@pytest.mark.parametrize("classes", (2, 5))
def test_lovasz_equals_the_algorithm_of_the_paper(classes, dtype):
    """With void; with five classes one is absent from the masks."""
    mask, logits = random_batch(9, classes, shape=(2, 23, 31))
    mask = np.where(mask == 4, 0, mask)
    logits = ops.convert_to_tensor(logits, dtype)
    rounded = ops.convert_to_numpy(ops.cast(logits, "float32"))
    expected = lovasz_by_the_papers_code(mask, rounded)
    assert float(lovasz(mask, logits)) == pytest.approx(expected, rel=1e-5)
