"""Class weights for the loss, computed from class frequencies in the training masks.

Rare classes get larger weights. The two published rules define the weights relative to
each other; here they are scaled so that the mean weight over the training pixels is 1.
This keeps the scale of the loss, and thus the balance of a sum such as ce+dice.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass

import numpy as np

from kseg.core.progress import in_order, shown
from kseg.data.sample import Split

ENET = 1.02  # the constant that bounds ENet's weights: 1 / ln 1.02 is 50.5


@dataclass(frozen=True)
class Counts:
    """Pixel counts of a split by class, each (C,) int64, without void.

    `pixels` counts the pixels of the class, `around` all labelled pixels of the images
    that contain it.
    """

    pixels: np.ndarray
    around: np.ndarray


def count_pixels(split: Split, num_classes: int) -> Counts:
    """Counts the pixels of a split by class, reading each pair once, on threads.

    Raises InputError for a file that cannot be read.
    """

    def count(index: int) -> np.ndarray:
        _, mask = split.read(index)
        return np.bincount(mask.ravel(), minlength=256)[:num_classes]

    images = range(len(split.sizes))
    pixels, around = np.zeros((2, num_classes), np.int64)
    with closing(in_order(count, images)) as counted:
        for one in shown(counted, "counting pixels by class", len(images)):
            pixels += one
            around += np.where(one > 0, one.sum(), 0)
    return Counts(pixels, around)


def median_frequency(counts: Counts) -> np.ndarray:
    """Median frequency balancing: median class frequency / class frequency, (C,).

    A frequency is the class's share of the pixels of the images that contain it; nan
    for a class that no image contains. Eigen and Fergus, "Predicting Depth, Surface
    Normals and Semantic Labels with a Common Multi-Scale Convolutional Architecture"
    (ICCV 2015).
    """
    with np.errstate(invalid="ignore"):
        frequency = counts.pixels / counts.around
    return np.nanmedian(frequency) / frequency


def inverse_log(counts: Counts) -> np.ndarray:
    """ENet's weights: 1 / ln(1.02 + share of all pixels), (C,) from 1.42 to 50.5.

    Paszke, Chaurasia, Kim and Culurciello, "ENet" (2016).
    """
    return 1 / np.log(ENET + counts.pixels / max(1, counts.pixels.sum()))


RULES = {"median": median_frequency, "log": inverse_log}


def class_weights(rule: str, counts: Counts) -> tuple[float, ...]:
    """Computes weights by one of RULES, scaled to a mean of 1 over the training pixels.

    A class without training pixels gets weight 1. It has no effect on training, and an
    unweighted loss in validation.
    """
    seen = counts.pixels > 0
    weights = np.ones(len(seen))
    if seen.any():
        weights[seen] = RULES[rule](counts)[seen]
        weights[seen] /= np.average(weights[seen], weights=counts.pixels[seen])
    return tuple(round(float(weight), 6) for weight in weights)
