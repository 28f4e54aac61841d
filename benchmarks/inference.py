"""Inference time of predictors on the images of a split."""

from __future__ import annotations

from functools import partial
from statistics import median
from typing import Mapping, NamedTuple, TypeVar

from edge.core.timing import time_in_turns
from edge.predict.base import Predictor
from kseg.core.progress import bar
from kseg.data.sample import Split

K = TypeVar("K")


class Millis(NamedTuple):
    """Median milliseconds per image: the engine alone, and from image to labels."""

    engine: float
    total: float


def time_on_images(
    predictors: Mapping[K, Predictor], split: Split, count: int
) -> dict[K, Millis]:
    """Median times on the first `count` images of a split.

    On each image, every predictor runs twice, and the second run counts; see
    `time_in_turns`.
    """
    engine: dict[K, list[float]] = {key: [] for key in predictors}
    total: dict[K, list[float]] = {key: [] for key in predictors}
    for index in bar(range(min(len(split.sizes), count)), "timing"):
        image, _ = split.read(index)
        calls = {key: partial(each.predict, image) for key, each in predictors.items()}
        for key, (millis,) in time_in_turns(calls, rounds=1).items():
            total[key].append(millis)
            # The last run is the one that counts.
            engine[key].append(predictors[key].stages.last("inference")["inference"])
    return {key: Millis(median(engine[key]), median(total[key])) for key in predictors}
