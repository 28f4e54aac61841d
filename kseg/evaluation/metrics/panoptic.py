"""Panoptic quality of objects: PQ.

Kirillov et al., "Panoptic Segmentation" (CVPR 2019, arXiv 1801.00868).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Iterable, Optional

import numpy as np

from kseg.evaluation.metrics.regions import Part

SHARE_LEFT = 0.5  # a result of which less is visible is dropped, as in COCO's tools
SHARE_IN_CROWD = 0.5  # a result of which more is in a crowd is not an error


@dataclass
class PanopticQuality:
    """Sums over images, for each class: IoU of the matches, TP, FP and FN.

    `sums` (C, 4) float64 has them in this order.
    """

    num_classes: int
    sums: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.sums = np.zeros((self.num_classes, 4))

    def add(
        self,
        truth_map: np.ndarray,
        truth_ids: np.ndarray,
        crowd: np.ndarray,
        found_map: np.ndarray,
        found_ids: np.ndarray,
    ) -> None:
        """Adds an image: maps (H, W) with 0 for none and k + 1 for segment k.

        `truth_ids` (G,) and `found_ids` (D,) are the classes of the segments, `crowd`
        (G,) is true for regions of many objects. A segment without a visible pixel is
        not counted.
        """
        shared = overlaps(truth_map, found_map, len(truth_ids), len(found_ids))
        truth_area, found_area = shared.sum(1)[1:], shared.sum(0)[1:]
        inside = shared[1:, 1:]
        union = truth_area[:, None] + found_area - inside
        same = np.equal.outer(truth_ids, found_ids)
        iou = np.where(same & ~crowd[:, None], inside / np.maximum(union, 1), 0)
        hits = iou > 0.5  # at most one for each row and column, as nothing overlaps
        covered = (inside * (same & crowd[:, None])).sum(0)
        ignored = covered > SHARE_IN_CROWD * found_area
        false = ~hits.any(0) & (found_area > 0) & ~ignored
        missed = ~hits.any(1) & (truth_area > 0) & ~crowd
        rows = np.nonzero(hits)[0]
        np.add.at(self.sums[:, 0], truth_ids[rows], iou[hits])
        np.add.at(self.sums[:, 1], truth_ids[rows], 1)
        np.add.at(self.sums[:, 2], found_ids[false], 1)
        np.add.at(self.sums[:, 3], truth_ids[missed], 1)

    def per_class(self) -> list[Optional[float]]:
        """PQ of each class in [0, 1]; None if it was neither labelled nor found."""
        iou, hits, false, missed = self.sums.T
        counts = hits + false / 2 + missed / 2
        return [
            float(total / count) if count else None
            for total, count in zip(iou, counts, strict=True)
        ]

    def mean(self) -> Optional[float]:
        """The mean of PQ over the classes; None if no object is labelled."""
        labelled = (self.sums[:, 1] + self.sums[:, 3]).any()
        known = [value for value in self.per_class() if value is not None]
        return float(np.mean(known)) if labelled else None


def overlaps(
    truth_map: np.ndarray, found_map: np.ndarray, truth_count: int, found_count: int
) -> np.ndarray:
    """(G + 1, D + 1) int: pixels that segments of two maps share; 0 is for none.

    >>> overlaps(np.uint16([[0, 1, 1]]), np.uint16([[0, 0, 2]]), 1, 2).tolist()
    [[1, 0, 0], [1, 0, 1]]
    """
    shape = truth_count + 1, found_count + 1
    cells = truth_map.astype(np.int64) * shape[1] + found_map
    return np.bincount(cells.ravel(), minlength=shape[0] * shape[1]).reshape(shape)


def without_overlaps(parts: Iterable[Part], size: tuple[int, int]) -> np.ndarray:
    """Paints masks, best score first, as a map (H, W) int32: 0 or number k + 1.

    A pixel belongs to the first mask that has it. A mask of which less than half is
    left is dropped.
    """
    result = np.zeros(size, np.int32)
    for number, (rows, columns, mask) in enumerate(parts, start=1):
        window = result[rows, columns]
        free = mask & (window == 0)
        if np.count_nonzero(free) >= SHARE_LEFT * np.count_nonzero(mask):
            window[free] = number
    return result
