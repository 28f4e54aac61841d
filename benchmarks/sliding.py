"""A patch classifier: sliding windows against one pass of convolutions."""

from __future__ import annotations

import time
from statistics import median
from typing import Any

import keras
import numpy as np

from benchmarks.config import BenchmarkConfig
from edge.core.errors import InputError
from kseg.core import backend
from kseg.data.open import open_data
from kseg.models.semantic.patch import STRIDE


def sliding_speed(config: BenchmarkConfig) -> dict[str, Any]:
    """Milliseconds per picture of a patch classifier, slid and as convolutions."""
    backend.start()
    import keras
    import numpy as np

    from kseg.models.keras_engine import KerasEngine
    from kseg.models.semantic.patch import (
        STRIDE,
        WINDOW,
        convolutionalized,
        patch_classifier,
    )

    data = open_data(config.data)
    picture, _ = data.split("val").read(0)
    if min(picture.shape[:2]) < WINDOW:
        raise InputError(
            f"{data.name}: its pictures are smaller than {WINDOW}x{WINDOW}"
        )
    steps = ((side - WINDOW) // STRIDE for side in picture.shape[:2])
    height, width = (WINDOW + count * STRIDE for count in steps)
    picture = picture[:height, :width]
    classifier = patch_classifier(data.num_classes, data.channels)
    image = keras.Input((None, None, data.channels))
    twin = KerasEngine(keras.Model(image, convolutionalized(classifier, image)))
    slid, whole = [], []
    for turn in range(config.rounds + 1):
        start = time.perf_counter()
        scores = sliding_window(classifier, picture)
        middle = time.perf_counter()
        twin_scores = twin(picture)
        if turn:
            slid.append(1e3 * (middle - start))
            whole.append(1e3 * (time.perf_counter() - middle))
    ratios = [a / b for a, b in zip(slid, whole, strict=True)]
    return {
        "size": (height, width),
        "patches": scores.shape[0] * scores.shape[1],
        "sliding_millis": round(median(slid), 2),
        "convolution_millis": round(median(whole), 2),
        "times_faster": round(median(ratios), 1),
        "largest_difference": float(np.abs(scores - twin_scores).max()),
    }


def sliding_table(figures: dict[str, Any]) -> str:
    height, width = figures["size"]
    return "\n".join(
        (
            f"{figures['patches']} patches of a {height}x{width} picture",
            f"slid, 64 patches at a time  {figures['sliding_millis']:9.1f} ms",
            f"the same as convolutions    {figures['convolution_millis']:9.1f} ms",
            f"times faster                {figures['times_faster']:9.1f}",
            f"largest difference          {figures['largest_difference']:9.1e}",
        )
    )


def sliding_window(
    classifier: keras.Model, image: np.ndarray, stride: int = STRIDE, batch: int = 64
) -> np.ndarray:
    """image (H, W, C) -> scores (rows, columns, num_classes), a `batch` at a time.

    What the twin is equal to and faster than: patches overlap, and here each of them
    computes everything anew.
    """
    size = classifier.input_shape[1:3]
    rows, columns = (
        (s - w) // stride + 1 for s, w in zip(image.shape[:2], size, strict=True)
    )
    windows = np.lib.stride_tricks.sliding_window_view(image, size, axis=(0, 1))
    windows = windows[::stride, ::stride].transpose(0, 1, 3, 4, 2)
    patches = windows.reshape(-1, *size, image.shape[2]).astype(np.float32)
    parts = [
        classifier.predict_on_batch(patches[i : i + batch])
        for i in range(0, len(patches), batch)
    ]
    return np.concatenate(parts).reshape(rows, columns, -1)
