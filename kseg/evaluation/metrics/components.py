"""AP50 of connected components: how many things, not how many pixels, were found.

Masks of classes know no instances. Each connected region of one class stands in for
one, as in the instance baselines that cut a semantic map into components: two cars that
touch are one. These figures are no instance AP, and theirs are not comparable with it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Optional

import numpy as np

from edge.core.constants import IGNORE_INDEX

OVERLAP = 0.5  # intersection over union of a region that is found
RECALLS = np.linspace(0, 1, 101)  # where COCO reads precision


@dataclass
class Components:
    """The components of pictures seen so far, predicted ones with their confidence."""

    num_classes: int
    ignore_index: int = IGNORE_INDEX
    found: list[np.ndarray] = field(default_factory=list)  # (N, 3): `match`'s rows
    truths: np.ndarray = field(init=False)  # (C,) int64

    def __post_init__(self) -> None:
        self.truths = np.zeros(self.num_classes, np.int64)
        self.known = True

    def add(
        self, mask: np.ndarray, labels: np.ndarray, confidence: Optional[np.ndarray]
    ) -> None:
        """Adds a picture; after one without confidence nothing can be ranked."""
        self.known &= confidence is not None
        if self.known:
            rows, truths = match(mask, labels, confidence, self.ignore_index)
            self.found.append(rows)
            self.truths += np.bincount(truths, minlength=self.num_classes)

    def average_precision(self) -> np.ndarray:
        """(C,) float64: each class's AP50 over all pictures, nan where the truth has no
        such component or predictions had no confidence."""
        values = np.full(self.num_classes, np.nan)
        if not (self.known and self.found):
            return values
        rows = np.concatenate(self.found)
        for index in np.flatnonzero(self.truths):
            _, confidence, hit = rows[rows[:, 0] == index].T
            values[index] = average_precision(confidence, hit, self.truths[index])
        return values


def match(
    mask: np.ndarray,
    labels: np.ndarray,
    confidence: np.ndarray,
    ignore_index: int = IGNORE_INDEX,
) -> tuple[np.ndarray, np.ndarray]:
    """Ids (H, W) twice and confidence (H, W) -> predicted and true components.

    The predicted are rows (N, 3) float64 of class, mean confidence over its pixels, and
    1 where the truth has a component of that class with an IoU of a half or more: there
    can be only one, for components do not overlap. Of the true their classes (M,).
    Pixels touch across corners too; void counts in no area, and what lies in it alone
    is left out.
    """
    from skimage.measure import label

    valid = mask != ignore_index
    true, predicted = (
        label(ids, background=ignore_index, connectivity=2).astype(np.int32)[valid]
        for ids in (mask, labels)
    )
    mask, labels, confidence = mask[valid], labels[valid], confidence[valid]
    true_area, found_area = np.bincount(true), np.bincount(predicted)
    same = mask == labels
    pairs, shared = np.unique(
        predicted[same].astype(np.int64) * len(true_area) + true[same],
        return_counts=True,
    )
    which, whose = np.divmod(pairs, max(1, len(true_area)))
    union = found_area[which] + true_area[whose] - shared
    hit = np.zeros(len(found_area))
    hit[which[shared >= OVERLAP * union]] = 1
    certainty = np.bincount(predicted, confidence, minlength=len(found_area))
    seen = found_area > 0  # numbers of components in void alone, and 0, are of none
    rows = (
        classes_of(predicted, labels)[seen],
        certainty[seen] / found_area[seen],
        hit[seen],
    )
    return np.stack(rows, axis=1), classes_of(true, mask)[true_area > 0]


def classes_of(numbers: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Component number and class of each pixel (P,) -> class of each number."""
    table = np.zeros(numbers.max(initial=-1) + 1, np.int64)
    table[numbers] = classes
    return table


def average_precision(confidence: np.ndarray, hit: np.ndarray, truths: int) -> float:
    """Area under precision over recall, surest first, as COCO reads it off.

    At 101 recalls, each time the best precision at that recall or a higher one; 0 where
    the recall is never reached. Lin et al., "Microsoft COCO" (ECCV 2014), whose `AP50`
    it is for one class (pycocotools), and Everingham et al., "The PASCAL Visual Object
    Classes Challenge" (IJCV 2010), section 4.2, for the curve.

    >>> round(average_precision(np.array([0.9, 0.8]), np.array([0, 1]), truths=1), 3)
    0.5
    """
    hits = hit[np.argsort(-confidence, kind="stable")].cumsum()
    precision = hits / np.arange(1, len(hits) + 1)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    at = np.searchsorted(hits / truths, RECALLS, side="left")
    return float(np.append(best, 0.0)[at].mean())
