"""Whether a network is as often right as it says.

Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks" (ICML 2017).
"""

from __future__ import annotations

import numpy as np

from edge.core.constants import IGNORE_INDEX

BINS = 15  # of equal width, as in the paper
CLOSE = 0.01  # a smaller difference is none worth a warning


def calibration_counts(
    mask: np.ndarray,
    labels: np.ndarray,
    confidence: np.ndarray,
    ignore_index: int = IGNORE_INDEX,
) -> np.ndarray:
    """What a picture adds to each bin of confidence, void left out.

    Ids (H, W), ids (H, W) and the probability (H, W) in (0, 1] given to the latter ->
    (BINS, 3) float64: pixels, those of them that are right, the sum of their
    confidence. Bin m holds confidences over m / BINS up to (m + 1) / BINS.

    >>> counts = calibration_counts(*np.array([[[0, 1]], [[0, 0]], [[1, 0.6]]]))
    >>> counts[[8, 14]].tolist()
    [[1.0, 0.0, 0.6], [1.0, 1.0, 1.0]]
    """
    valid = mask != ignore_index
    sure = confidence[valid].astype(np.float64)
    right = (labels[valid] == mask[valid]).astype(np.float64)
    place = np.clip(np.ceil(sure * BINS).astype(np.int64) - 1, 0, BINS - 1)
    sums = [np.bincount(place, weights, BINS) for weights in (None, right, sure)]
    return np.stack(sums, axis=1).astype(np.float64)


def expected_calibration_error(counts: np.ndarray) -> float:
    """Counts (BINS, 3) -> mean distance of accuracy and confidence, weighed by pixels.

    ECE of the paper, in [0, 1]; nan without pixels.
    """
    pixels, right, sure = counts.T
    with np.errstate(invalid="ignore"):
        return float(np.abs(right - sure).sum() / pixels.sum())


def verdict(counts: np.ndarray) -> str:
    """What the counts (BINS, 3) say, in a sentence for people."""
    pixels, right, sure = counts.sum(0)
    if not pixels:
        return "No labelled pixel says anything about the confidence."
    gap = (sure - right) / pixels
    kind = "over-confident" if gap > 0 else "under-confident"
    if abs(gap) < CLOSE:
        kind = "on the whole as confident as it is right"
    return (
        f"The network is {kind}: on average it gives its labels a probability of "
        f"{sure / pixels:.1%}, and {right / pixels:.1%} of them are right."
    )
