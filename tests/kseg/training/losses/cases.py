"""Batches and marks shared by the tests of losses."""

from math import log
from pathlib import Path

import keras
import numpy as np
import pytest

from kseg.evaluation.metrics.confusion import confusion_matrix, iou_per_class
from kseg.training.losses.pixel import cross_entropy
from kseg.training.losses.segmentation import (
    LOSSES,
    OVER_PIXELS,
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


WEIGHT = np.array([[[2.0, 0.5], [0.0, 100.0]]], np.float32)  # the last in void
WEIGHTED = (2 * -log(3 / 4) + 0.5 * -log(1 / 4)) / 3  # divided by the valid pixels


def random_batch(seed, classes=3, shape=(2, 4, 5)):
    """Masks with some void, and logits without ties."""
    random = np.random.RandomState(seed)
    mask = random.randint(0, classes, shape)
    mask[random.uniform(size=shape) < 0.2] = 255
    return mask, random.normal(size=(*shape, classes)).astype(np.float32)


def hard_batch(seed):
    """Masks, labels, and logits whose probabilities are almost 0 or 1."""
    mask, logits = random_batch(seed)
    labels = logits.argmax(-1)
    return mask, labels, 100 * np.eye(3, dtype=np.float32)[labels]


def jaccard_loss(mask, labels):
    """1 - IoU, averaged over the classes in the masks."""
    matrix = confusion_matrix(mask, labels, 3)
    return float(1 - iou_per_class(matrix)[matrix.sum(1) > 0].mean())
