"""Metrics of the confusion matrix.

Rows are the ground truth, columns the prediction. Formulas: Long, Shelhamer, Darrell,
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
    """Counts pixels by true and predicted class, (C, C) int64, without void.

    mask and labels are class ids of one shape. Raises ValueError if the shapes differ
    or ids are outside the classes.

    >>> mask, labels = np.array([[0, 1], [1, 255]]), np.array([[0, 1], [0, 1]])
    >>> confusion_matrix(mask, labels, 2).tolist()
    [[1, 0], [1, 1]]
    """
    if mask.shape != labels.shape:
        raise ValueError(f"mask {mask.shape} and labels {labels.shape} differ in shape")
    valid = mask != ignore_index
    true, predicted = mask[valid], labels[valid]
    for ids in (true, predicted):
        wrong = ids[(ids < 0) | (ids >= num_classes)]
        if wrong.size:
            raise ValueError(
                f"class id {wrong[0]} is outside the {num_classes} classes"
            )
    # uint8 would overflow; int64 would need half a gigabyte for a large photo.
    cells = true.astype(np.int32) * num_classes + predicted
    counts = np.bincount(cells, minlength=num_classes**2)
    return counts.reshape(num_classes, num_classes)


def iou_per_class(matrix: np.ndarray) -> np.ndarray:
    """IoU of each class from counts (C, C): (C,) float64 in [0, 1].

    TP / (TP + FP + FN); nan for classes that are neither labelled nor predicted.

    >>> iou_per_class(np.array([[1, 1], [0, 2]])).round(3).tolist()
    [0.5, 0.667]
    """
    hits = np.diagonal(matrix)
    with np.errstate(invalid="ignore"):
        return hits / (matrix.sum(0) + matrix.sum(1) - hits)


def summarize(matrix: np.ndarray, names: Sequence[str], images: int) -> dict[str, Any]:
    """Computes the metrics of counts (C, C) for metrics.json; None if undefined."""
    pixels = int(matrix.sum())
    labelled = matrix.sum(1)
    hits = np.diagonal(matrix)
    iou = iou_per_class(matrix)
    with np.errstate(invalid="ignore"):
        accuracy = hits / labelled
    present = labelled > 0
    return {
        "images": images,
        "pixels": pixels,
        "mean_iou": mean_of_present(iou),
        "pixel_accuracy": float(hits.sum() / pixels) if pixels else None,
        "mean_accuracy": mean_of_present(accuracy),
        "frequency_weighted_iou": (
            float((labelled[present] * iou[present]).sum() / pixels) if pixels else None
        ),
        "per_class_iou": named(names, iou),
    }


def mean_of_present(values: np.ndarray) -> float | None:
    """Mean of values (C,) over the classes that are not nan; None if all are nan."""
    present = values[~np.isnan(values)]
    return float(present.mean()) if present.size else None


def named(names: Sequence[str], values: np.ndarray) -> dict[str, float | None]:
    """Maps class names to values (C,); nan becomes None."""
    return {
        name: None if np.isnan(value) else float(value)
        for name, value in zip(names, values, strict=True)
    }
