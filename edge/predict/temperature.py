"""Temperature of the softmax: confidences that equal the accuracy.

Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks" (ICML 2017):
all logits are divided by one number T, which changes the confidence and no label.
`kseg train` fits T and stores it in the model, as `ModelInfo.decoder["temperature"]`.
"""

from __future__ import annotations

from math import isfinite
from typing import Iterator

import numpy as np

from edge.core.errors import InputError, quoted
from edge.model_file.info import ModelInfo

KEY = "temperature"  # of `ModelInfo.decoder`
TINY = 1e-7  # smallest probability whose logarithm is taken
LARGEST = 80.0  # logit whose exponential float32 can hold


def temperature_of(info: ModelInfo) -> float:
    """The temperature of a model; 1 for models without one.

    Raises InputError for one that is not a finite number over 0.
    """
    value = info.decoder.get(KEY, 1.0)
    known = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not (known and isfinite(value) and value > 0):
        raise InputError(
            f"its temperature is {quoted(value)}, and it must be a number over 0; "
            "export the model again"
        )
    return float(value)


def softened(
    planes: Iterator[np.ndarray], head: str, temperature: float
) -> Iterator[np.ndarray]:
    """Planes of scores of a head -> planes of logits divided by the temperature.

    >>> list(softened(iter([np.float32([6])]), "logits", 2.0))
    [array([3.], dtype=float32)]
    """
    for plane in planes:
        yield as_logits(plane, head) / np.float32(temperature)


def as_logits(scores: np.ndarray, head: str) -> np.ndarray:
    """Scores of a head, of any shape, as logits: those of probabilities are their logs.

    >>> as_logits(np.float32([1, 0]), "probabilities").astype(int).tolist()
    [0, -16]
    """
    return np.log(np.maximum(scores, TINY)) if head == "probabilities" else scores


def plane_at(plane: np.ndarray, temperature: float) -> np.ndarray:
    """Probabilities of one of two classes -> those at a temperature; float32.

    >>> plane_at(np.float32([0.9, 0.5]), 2.0).round(3).tolist()
    [0.75, 0.5]
    """
    if temperature == 1:
        return plane
    plane = np.clip(plane, TINY, 1 - TINY)
    logits = np.log((1 - plane) / plane) / np.float32(temperature)
    return 1 / (1 + np.exp(np.minimum(logits, LARGEST)))
