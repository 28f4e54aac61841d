"""Times of networks on the images of a split, in turns."""

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
    """Median milliseconds per image: the engine's run alone, and image to labels."""

    bare: float
    whole: float


def time_on_images(
    predictors: Mapping[K, Predictor], split: Split, count: int
) -> dict[K, Millis]:
    """Medians over the first `count` images of a split.

    All take turns of two runs on each image, of which the second counts: see
    `time_in_turns`.
    """
    bare: dict[K, list[float]] = {key: [] for key in predictors}
    whole: dict[K, list[float]] = {key: [] for key in predictors}
    for index in bar(range(min(len(split.sizes), count)), "timing"):
        image, _ = split.read(index)
        calls = {key: partial(each.predict, image) for key, each in predictors.items()}
        for key, (millis,) in time_in_turns(calls, rounds=1).items():
            whole[key].append(millis)
            # The last run of each is the one that counts.
            bare[key].append(predictors[key].stages.last("inference")["inference"])
    return {key: Millis(median(bare[key]), median(whole[key])) for key in predictors}
