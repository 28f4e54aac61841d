"""Weights of classes for the loss, from how often the training masks have each.

Rare classes weigh more. Both published rules say what classes weigh beside each other;
here all are scaled so that the mean training pixel weighs 1. The loss then keeps its
size, and with it the balance of a sum such as ce+dice.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from kseg.core.progress import bar
from kseg.data.sample import Split

ENET = 1.02  # the constant that bounds ENet's weights: 1 / ln 1.02 is 50.5


@dataclass(frozen=True)
class Counts:
    """Over a split, per class, (C,) int64; void counts nowhere.

    `pixels` are those of the class; `around` all pixels of the images that have it.
    """

    pixels: np.ndarray
    around: np.ndarray


def count_pixels(split: Split, num_classes: int) -> Counts:
    """Reads every pair once, on threads, and keeps none.

    Raises InputError as it does.
    """

    def count(index: int) -> np.ndarray:
        _, mask = split.read(index)
        return np.bincount(mask.ravel(), minlength=256)[:num_classes]

    images = range(len(split.sizes))
    pixels, around = np.zeros((2, num_classes), np.int64)
    with ThreadPoolExecutor() as pool:
        counted = pool.map(count, images)
        for one in bar(counted, "counting pixels by class", total=len(images)):
            pixels += one
            around += np.where(one > 0, one.sum(), 0)
    return Counts(pixels, around)


def median_frequency(counts: Counts) -> np.ndarray:
    """The median of all classes' frequencies over each one's, (C,) float64.

    A frequency is a share of the pixels of those images that have the class; nan where
    none has. Eigen and Fergus, "Predicting Depth, Surface Normals and Semantic Labels
    with a Common Multi-Scale Convolutional Architecture" (ICCV 2015).
    """
    with np.errstate(invalid="ignore"):
        frequency = counts.pixels / counts.around
    return np.nanmedian(frequency) / frequency


def inverse_log(counts: Counts) -> np.ndarray:
    """1 / ln(1.02 + share of all pixels), (C,) float64 from 1.42 to 50.5.

    Paszke, Chaurasia, Kim and Culurciello, "ENet" (2016).
    """
    return 1 / np.log(ENET + counts.pixels / max(1, counts.pixels.sum()))


RULES = {"median": median_frequency, "log": inverse_log}


def class_weights(rule: str, counts: Counts) -> tuple[float, ...]:
    """The weights by one of RULES, their mean over the training pixels being 1.

    A class without any training pixel weighs 1: it changes nothing in training and
    counts as it is where validation has it.
    """
    seen = counts.pixels > 0
    weights = np.ones(len(seen))
    if seen.any():
        weights[seen] = RULES[rule](counts)[seen]
        weights[seen] /= np.average(weights[seen], weights=counts.pixels[seen])
    return tuple(round(float(weight), 6) for weight in weights)
