"""Compares a sliding patch classifier with the equivalent convolutional network.

    kseg benchmark sliding --data DIR

Both give equal scores; their times differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import TYPE_CHECKING, Any, Optional, Sequence

import numpy as np

from benchmarks.results import JSON_HELP, option, show
from edge.core.errors import InputError
from edge.core.timing import time_in_turns
from kseg.cli.parser import parse
from kseg.core import backend
from kseg.core.options import DATA_HELP, Output
from kseg.data.open import open_data
from kseg.data.sample import Dataset

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class SlidingConfig:
    """Options of `kseg benchmark sliding`."""

    data: str = option("shapes", DATA_HELP)
    rounds: int = option(5, "rounds of measurement; both variants run in each")
    json: Output = option("", JSON_HELP)


def main(argv: Optional[Sequence[str]] = None) -> None:
    config = parse(SlidingConfig, "kseg benchmark sliding", __doc__, argv)
    show(sliding_speed(config), sliding_table, config.json)


def sliding_speed(config: SlidingConfig) -> dict[str, Any]:
    """Milliseconds per image: sliding window, and convolutional network."""
    backend.start()
    import keras

    from kseg.models.keras_engine import KerasEngine
    from kseg.models.semantic.patch import convolutionalized, patch_classifier

    data = open_data(config.data)
    image = first_image(data)
    classifier = patch_classifier(data.num_classes, data.channels)
    inputs = keras.Input((None, None, data.channels))
    network = KerasEngine(keras.Model(inputs, convolutionalized(classifier, inputs)))
    scores = sliding_window(classifier, image)  # (rows, columns, num_classes)
    (found,) = network(image)
    difference = np.abs(scores - found.raw).max()
    calls = {
        "sliding": partial(sliding_window, classifier, image),
        "convolution": partial(network, image),
    }
    times = time_in_turns(calls, config.rounds)
    ratios = [a / b for a, b in zip(*times.values(), strict=True)]
    return {
        "size": image.shape[:2],
        "patches": scores.shape[0] * scores.shape[1],
        "sliding_millis": round(median(times["sliding"]), 2),
        "convolution_millis": round(median(times["convolution"]), 2),
        "times_faster": round(median(ratios), 1),
        "largest_difference": float(difference),
    }


def first_image(data: Dataset) -> np.ndarray:
    """The first validation image, (H, W, C) uint8, cropped to a number of strides.

    Raises InputError if it is smaller than a window.
    """
    from kseg.models.semantic.patch import STRIDE, WINDOW

    image, _ = data.split("val").read(0)
    if min(image.shape[:2]) < WINDOW:
        raise InputError(
            f"{data.name}: the images are smaller than the {WINDOW}x{WINDOW} window"
        )
    steps = ((side - WINDOW) // STRIDE for side in image.shape[:2])
    height, width = (WINDOW + count * STRIDE for count in steps)
    return image[:height, :width]


def sliding_table(figures: dict[str, Any]) -> str:
    """The results as text."""
    height, width = figures["size"]
    return "\n".join(
        (
            f"{figures['patches']} patches of a {height}x{width} image",
            f"sliding window, batches of 64  {figures['sliding_millis']:9.1f} ms",
            f"convolutional network          {figures['convolution_millis']:9.1f} ms",
            f"times faster                   {figures['times_faster']:9.1f}",
            f"largest difference             {figures['largest_difference']:9.1e}",
        )
    )


def sliding_window(
    classifier: keras.Model, image: np.ndarray, batch: int = 64
) -> np.ndarray:
    """(H, W, C) image -> (rows, columns, num_classes) scores, in batches of `batch`.

    Patches overlap, so features are computed several times; the convolutional network
    computes them once.
    """
    from kseg.models.semantic.patch import STRIDE

    size = classifier.input_shape[1:3]
    rows, columns = (
        (s - w) // STRIDE + 1 for s, w in zip(image.shape[:2], size, strict=True)
    )
    windows = np.lib.stride_tricks.sliding_window_view(image, size, axis=(0, 1))
    windows = windows[::STRIDE, ::STRIDE].transpose(0, 1, 3, 4, 2)
    patches = windows.reshape(-1, *size, image.shape[2]).astype(np.float32)
    parts = [
        classifier.predict_on_batch(patches[i : i + batch])
        for i in range(0, len(patches), batch)
    ]
    return np.concatenate(parts).reshape(rows, columns, -1)
