"""A data set of which only some images are trained on."""

from __future__ import annotations

from dataclasses import replace
from typing import Optional

import numpy as np

from edge.core.errors import InputError
from kseg.data.chosen import choose_images
from kseg.data.sample import Dataset


def with_some_images(data: Dataset, count: Optional[int], seed: int) -> Dataset:
    """The data with `count` images to train on, chosen at random; None keeps all.

    With the same seed, more images contain those of fewer. Other splits stay whole.
    Raises InputError if there are not so many.
    """
    if count is None:
        return data
    split = data.split("train")
    total = len(split.names)
    if count > total:
        raise InputError(
            f"--images {count}: {data.name} has {total} images to train on; give at "
            "most so many, or leave it out for all"
        )
    order = np.random.default_rng(seed).permutation(total)
    chosen = choose_images([(split, sorted(order[:count].tolist()))])
    return replace(data, splits={**data.splits, "train": chosen}, whole=data)
