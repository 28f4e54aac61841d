"""Temperature scaling: the number T by which all logits are divided for calibration.

Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks" (ICML 2017),
section 4.2: T > 0 minimizes the negative log-likelihood of the true classes.
"""

from __future__ import annotations

import numpy as np

from kseg.evaluation.metrics.reliability import (
    calibration_counts,
    expected_calibration_error,
)

SMALLEST, LARGEST = 0.1, 10.0  # limits of T, reached where no T is the best
STEPS = 60  # of the search, at most; about six are needed
TOLERANCE = 1e-6  # of 1 / T, relative


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """The T in [SMALLEST, LARGEST] with the least negative log-likelihood.

    `logits` (N, C) are any floats, `labels` (N,) class ids. The likelihood is convex in
    1 / T, so Newton's method within an interval that is halved where a step leaves it
    finds the only minimum. Labels that are all correct ask for T = 0, wrong ones for an
    infinite T: then the limit is returned. Raises ValueError without pixels.

    >>> logits = np.log([[3.0, 1.0]] * 4)
    >>> round(fit_temperature(logits, np.array([0, 0, 0, 1])), 4)
    1.0
    """
    if not len(labels):
        raise ValueError("there is no pixel to fit a temperature to")
    shifted = (logits - logits.max(axis=1, keepdims=True)).astype(np.float64)
    true = shifted[np.arange(len(labels)), labels].mean()
    low, high = 1 / LARGEST, 1 / SMALLEST
    if slopes(shifted, true, low)[0] >= 0:
        return LARGEST
    if slopes(shifted, true, high)[0] <= 0:
        return SMALLEST
    inverse = 1.0
    for _ in range(STEPS):
        slope, curvature = slopes(shifted, true, inverse)
        low, high = (inverse, high) if slope < 0 else (low, inverse)
        following = inverse - slope / curvature if curvature > 0 else low
        if not low < following < high:
            following = (low + high) / 2
        done = abs(following - inverse) <= TOLERANCE * inverse
        inverse = following
        if done:
            break
    return float(1 / inverse)


def slopes(shifted: np.ndarray, true: float, inverse: float) -> tuple[float, float]:
    """First and second derivative of the mean negative log-likelihood by 1 / T.

    `shifted` (N, C) are logits whose maximum is 0, `true` the mean of those of the true
    classes. The derivatives are mean and variance of the logits under the softmax.
    """
    odds = np.exp(shifted * inverse)
    odds /= odds.sum(axis=1, keepdims=True)
    mean = (odds * shifted).sum(axis=1)
    square = (odds * np.square(shifted)).sum(axis=1)
    return float(mean.mean() - true), float((square - np.square(mean)).mean())


def calibration_error(
    logits: np.ndarray, labels: np.ndarray, temperature: float
) -> float:
    """The expected calibration error at a temperature, in [0, 1]; nan without pixels.

    `logits` (N, C), `labels` (N,) class ids.
    """
    shifted = (logits - logits.max(axis=1, keepdims=True)) / temperature
    confidence = 1 / np.exp(shifted).sum(axis=1)
    predicted = logits.argmax(axis=1)
    return expected_calibration_error(calibration_counts(labels, predicted, confidence))
