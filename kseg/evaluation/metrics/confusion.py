"""Metrics from one confusion matrix, and the one that training shows.

Rows are the truth, columns the prediction. Formulas: Long, Shelhamer and Darrell,
"Fully Convolutional Networks for Semantic Segmentation" (CVPR 2015), section 5.
"""

from __future__ import annotations

from typing import Any, Sequence

import numpy as np

from edge.core.constants import IGNORE_INDEX


def confusion_matrix(
    mask: np.ndarray,
    labels: np.ndarray,
    num_classes: int,
    ignore_index: int = IGNORE_INDEX,
) -> np.ndarray:
    """Two maps of class ids of one shape -> counts (C, C) int64, void left out.

    Raises ValueError for shapes that differ and for ids outside the classes.

    >>> truth, predicted = np.array([[0, 1], [1, 255]]), np.array([[0, 1], [0, 1]])
    >>> confusion_matrix(truth, predicted, 2).tolist()
    [[1, 0], [1, 1]]
    """
    if mask.shape != labels.shape:
        raise ValueError(f"mask {mask.shape} and labels {labels.shape} differ in shape")
    valid = mask != ignore_index
    truth, predicted = mask[valid], labels[valid]
    for ids in (truth, predicted):
        wrong = ids[(ids < 0) | (ids >= num_classes)]
        if wrong.size:
            raise ValueError(
                f"class id {wrong[0]} is outside the {num_classes} classes"
            )
    # Bytes would overflow; 64 bits would take half a gigabyte of a large photo.
    cells = truth.astype(np.int32) * num_classes + predicted
    counts = np.bincount(cells, minlength=num_classes**2)
    return counts.reshape(num_classes, num_classes)


def iou_per_class(matrix: np.ndarray) -> np.ndarray:
    """Counts (C, C) -> TP / (truth + prediction - TP), (C,) float64 in [0, 1].

    nan where a class is neither in the truth nor predicted.

    >>> iou_per_class(np.array([[1, 1], [0, 2]])).round(3).tolist()
    [0.5, 0.667]
    """
    hits = np.diagonal(matrix)
    with np.errstate(invalid="ignore"):
        return hits / (matrix.sum(0) + matrix.sum(1) - hits)


def summarize(matrix: np.ndarray, names: Sequence[str], images: int) -> dict[str, Any]:
    """Counts (C, C) -> the content of metrics.json; null for what cannot be said."""
    pixels = int(matrix.sum())
    truth = matrix.sum(1)
    hits = np.diagonal(matrix)
    iou = iou_per_class(matrix)
    with np.errstate(invalid="ignore"):
        accuracy = hits / truth
    seen = truth > 0
    return {
        "images": images,
        "pixels": pixels,
        "mean_iou": mean_of_present(iou),
        "pixel_accuracy": float(hits.sum() / pixels) if pixels else None,
        "mean_accuracy": mean_of_present(accuracy),
        "frequency_weighted_iou": (
            float((truth[seen] * iou[seen]).sum() / pixels) if pixels else None
        ),
        "per_class_iou": named(names, iou),
    }


def mean_of_present(values: np.ndarray) -> float | None:
    """The mean of (C,) over the classes that are not nan; None where all are."""
    present = values[~np.isnan(values)]
    return float(present.mean()) if present.size else None


def named(names: Sequence[str], values: np.ndarray) -> dict[str, float | None]:
    """(C,) by the names of its classes, None for nan."""
    return {
        name: None if np.isnan(value) else float(value)
        for name, value in zip(names, values, strict=True)
    }
