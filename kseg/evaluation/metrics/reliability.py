"""Calibration: whether the confidence of a network equals its accuracy.

Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks" (ICML 2017).
"""

from __future__ import annotations

import numpy as np

from edge.core.constants import IGNORE_INDEX

BINS = 15  # of equal width, as in the paper
TOLERANCE = 0.01  # smaller differences of confidence and accuracy are ignored


def calibration_counts(
    mask: np.ndarray,
    labels: np.ndarray,
    confidence: np.ndarray,
    ignore_index: int = IGNORE_INDEX,
) -> np.ndarray:
    """Counts the pixels of an image by confidence, without void: (BINS, 3) float64.

    mask and labels are class ids (H, W), confidence (H, W) in (0, 1] is the probability
    of the predicted class. The columns are the number of pixels, the number of correct
    pixels, and the sum of their confidence. Bin m holds confidences over m / BINS and
    up to (m + 1) / BINS.

    >>> counts = calibration_counts(*np.array([[[0, 1]], [[0, 0]], [[1, 0.6]]]))
    >>> counts[[8, 14]].tolist()
    [[1.0, 0.0, 0.6], [1.0, 1.0, 1.0]]
    """
    valid = mask != ignore_index
    confidence = confidence[valid].astype(np.float64)
    correct = (labels[valid] == mask[valid]).astype(np.float64)
    index = np.clip(np.ceil(confidence * BINS).astype(np.int64) - 1, 0, BINS - 1)
    weights = (None, correct, confidence)
    sums = [np.bincount(index, weight, BINS) for weight in weights]
    return np.stack(sums, axis=1).astype(np.float64)


def expected_calibration_error(counts: np.ndarray) -> float:
    """ECE of the paper from counts (BINS, 3), in [0, 1]; nan without pixels.

    The mean difference of accuracy and confidence over the bins, weighted by pixels.
    """
    pixels, correct, confidence = counts.T
    with np.errstate(invalid="ignore"):
        return float(np.abs(correct - confidence).sum() / pixels.sum())


def describe_calibration(counts: np.ndarray) -> str:
    """Summarizes counts (BINS, 3) in a sentence."""
    pixels, correct, confidence = counts.sum(0)
    if not pixels:
        return "No pixel is labelled, so the calibration is unknown."
    gap = (confidence - correct) / pixels
    kind = "over-confident" if gap > 0 else "under-confident"
    if abs(gap) < TOLERANCE:
        kind = "well calibrated on average"
    return (
        f"The network is {kind}: its mean confidence is {confidence / pixels:.1%}, and "
        f"{correct / pixels:.1%} of its labels are correct."
    )
