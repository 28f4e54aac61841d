"""AP50 of connected components: counts detected regions instead of pixels.

A semantic mask has no instances, so each connected region of one class counts as one
object: two cars that touch are one. The values are therefore not comparable with the AP
of instance segmentation.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Optional

import numpy as np

from edge.core.constants import IGNORE_INDEX

MIN_IOU = 0.5  # of a predicted component that counts as correct
RECALLS = np.linspace(0, 1, 101)  # at which COCO samples precision


@dataclass
class Components:
    """The components of the images added so far.

    `predicted` has the rows of `match_components` for each image; `true_counts` (C,)
    int64 is the number of true components of each class.
    """

    num_classes: int
    ignore_index: int = IGNORE_INDEX
    predicted: list[np.ndarray] = field(default_factory=list)  # (N, 3) each
    true_counts: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.true_counts = np.zeros(self.num_classes, np.int64)
        self.has_confidence = True

    def add(
        self, mask: np.ndarray, labels: np.ndarray, confidence: Optional[np.ndarray]
    ) -> None:
        """Adds an image. Without confidence its components cannot be ranked."""
        self.has_confidence &= confidence is not None
        if self.has_confidence:
            rows, classes = match_components(
                mask, labels, confidence, self.ignore_index
            )
            self.predicted.append(rows)
            self.true_counts += np.bincount(classes, minlength=self.num_classes)

    def average_precision(self) -> np.ndarray:
        """AP50 of each class over all images, (C,) float64 in [0, 1].

        nan for classes without a true component, and for all classes if the confidence
        of an image was missing.
        """
        values = np.full(self.num_classes, np.nan)
        if not (self.has_confidence and self.predicted):
            return values
        rows = np.concatenate(self.predicted)
        for index in np.flatnonzero(self.true_counts):
            _, confidence, correct = rows[rows[:, 0] == index].T
            count = self.true_counts[index]
            values[index] = average_precision(confidence, correct, count)
        return values


def match_components(
    mask: np.ndarray,
    labels: np.ndarray,
    confidence: np.ndarray,
    ignore_index: int = IGNORE_INDEX,
) -> tuple[np.ndarray, np.ndarray]:
    """Matches predicted with true components: mask, labels and confidence, (H, W) each.

    Returns the predicted components as rows (N, 3) float64 of class, mean confidence,
    and 1 if a true component of that class has an IoU of at least 0.5 (at most one can,
    because components do not overlap), else 0; and the classes (M,) of the true ones.
    Components are 8-connected. Void pixels count in no area; components inside void are
    left out.
    """
    from skimage.measure import label

    valid = mask != ignore_index
    true, predicted = (
        label(ids, background=ignore_index, connectivity=2).astype(np.int32)[valid]
        for ids in (mask, labels)
    )
    mask, labels, confidence = mask[valid], labels[valid], confidence[valid]
    true_area, predicted_area = np.bincount(true), np.bincount(predicted)
    same = mask == labels
    pairs, shared = np.unique(
        predicted[same].astype(np.int64) * len(true_area) + true[same],
        return_counts=True,
    )
    predicted_index, true_index = np.divmod(pairs, max(1, len(true_area)))
    union = predicted_area[predicted_index] + true_area[true_index] - shared
    correct = np.zeros(len(predicted_area))
    correct[predicted_index[shared >= MIN_IOU * union]] = 1
    total = np.bincount(predicted, confidence, minlength=len(predicted_area))
    used = predicted_area > 0  # not number 0, nor components inside void
    rows = (
        component_classes(predicted, labels)[used],
        total[used] / predicted_area[used],
        correct[used],
    )
    return np.stack(rows, axis=1), component_classes(true, mask)[true_area > 0]


def component_classes(numbers: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Component number and class of each pixel, (P,) each -> class of each number."""
    table = np.zeros(numbers.max(initial=-1) + 1, np.int64)
    table[numbers] = classes
    return table


def average_precision(
    confidence: np.ndarray, correct: np.ndarray, true_count: int
) -> float:
    """Area under the precision-recall curve, sampled as in COCO.

    `confidence` (N,) and `correct` (N,), 0 or 1, describe the predictions; `true_count`
    is the number of objects to detect. The mean is over 101 recalls; at each it takes
    the highest precision at that recall or a higher one, and 0 for recalls that are not
    reached. For one class this is `AP50` of Lin et al., "Microsoft COCO" (ECCV 2014),
    as in pycocotools. The curve is that of Everingham et al., "The PASCAL Visual Object
    Classes Challenge" (IJCV 2010), section 4.2.

    >>> scores, correct = np.array([0.9, 0.8]), np.array([0, 1])
    >>> round(average_precision(scores, correct, true_count=1), 3)
    0.5
    """
    hits = correct[np.argsort(-confidence, kind="stable")].cumsum()
    precision = hits / np.arange(1, len(hits) + 1)
    highest = np.maximum.accumulate(precision[::-1])[::-1]
    index = np.searchsorted(hits / true_count, RECALLS, side="left")
    return float(np.append(highest, 0.0)[index].mean())
