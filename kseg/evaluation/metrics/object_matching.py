"""Which results are right, and what is wrong with the others.

The kinds of errors are those of Bolya et al., "TIDE: A General Toolbox for Identifying
Object Detection Errors" (ECCV 2020, arXiv 2008.08115), simplified: they are counted at
one score instead of weighted by their effect on AP.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

import numpy as np

from kseg.evaluation.metrics.regions import Regions

COUNTED_SCORE = 0.30  # results with a lower score are not counted
PLACED, TOUCHING = 0.5, 0.1  # IoU of a result that is well placed; that is near
NONE, IN_CROWD = -1, -2  # instead of the number of an object

KINDS = ("wrong_class", "poorly_placed", "duplicate", "background", "missed")
WRONG_CLASS, POORLY_PLACED, DUPLICATE, BACKGROUND, MISSED = range(len(KINDS))


def match(
    iou: np.ndarray,
    same_class: np.ndarray,
    crowd: np.ndarray,
    threshold: float = PLACED,
) -> np.ndarray:
    """Gives each result, best score first, the free object that it covers best.

    `iou` (D, G) and `same_class` (D, G) bool have results in rows, best first; `crowd`
    (G,) is true for regions of many objects. An object is given once, if the IoU
    reaches the threshold and the class is the same. Returns (D,) int: the number of the
    object, NONE, or IN_CROWD for a result without object in a crowd of its class.

    >>> iou = np.array([[0.6, 0.7], [0.1, 0.9], [0.8, 0.2]])
    >>> match(iou, iou > 0, np.zeros(2, bool)).tolist()
    [1, -1, 0]
    """
    result = np.full(len(iou), NONE)
    fits = same_class & (iou >= threshold)
    free = ~crowd
    for row in np.flatnonzero(fits.any(1) if iou.size else ()):
        open_objects = np.flatnonzero(fits[row] & free)
        if open_objects.size:
            best = open_objects[np.argmax(iou[row, open_objects])]
            result[row], free[best] = best, False
        elif (fits[row] & crowd).any():
            result[row] = IN_CROWD
    return result


@dataclass(frozen=True)
class Outcome:
    """What became of the results and objects of one image.

    For results, best score first: `scores` (D,), `class_ids` (D,) and `matches` (D,) of
    `match`. For objects: `areas` (G,) in pixels, `truth_ids` (G,) and `crowd` (G,).
    Counted are the results with a score of COUNTED_SCORE or more: `errors` (D,) has
    their place in KINDS or NONE, `found` (G,) and `missed` (G,) concern the objects. An
    object that is neither has a result of the wrong class or in a poor place.
    """

    scores: np.ndarray
    class_ids: np.ndarray
    matches: np.ndarray
    errors: np.ndarray
    truth_ids: np.ndarray
    areas: np.ndarray
    crowd: np.ndarray
    found: np.ndarray
    missed: np.ndarray

    @property
    def counted(self) -> int:
        """The number of results that are counted."""
        return int((self.scores >= COUNTED_SCORE).sum())

    @property
    def labelled(self) -> int:
        """The number of objects, without crowds."""
        return int((~self.crowd).sum())

    def kinds(self) -> np.ndarray:
        """(5,) int: how many errors there are of each of KINDS."""
        wrong = self.errors[self.errors != NONE]
        counts = np.bincount(wrong, minlength=len(KINDS))
        counts[MISSED] = self.missed.sum()
        return counts

    def hits(self) -> np.ndarray:
        """(3,) int: TP, FP and FN of the counted results at an IoU of PLACED."""
        right = int(self.found.sum())
        false = int((self.errors != NONE).sum())
        return np.array([right, false, self.labelled - right])


def outcome_of(iou: np.ndarray, found: Regions, truth: Regions) -> Outcome:
    """Compares the results of an image, best score first, with its objects.

    `iou` (D, G) is that of `iou_matrix`. A result that matches no object is, in this
    order: a duplicate, if it covers an object of its class that a better result has;
    of the wrong class, if it covers another object; poorly placed, if its IoU with any
    object is 0.1 or more; else background.
    """
    same = np.equal.outer(found.class_ids, truth.class_ids)
    matches = match(iou, same, truth.crowd)
    counted = found.scores >= COUNTED_SCORE
    hit = np.zeros(len(truth), bool)
    hit[matches[counted & (matches >= 0)]] = True
    errors = np.full(len(found), NONE)
    confused = np.zeros(len(truth), bool)
    plain = np.where(truth.crowd, 0, iou)
    for row in np.flatnonzero(counted & (matches == NONE)):
        errors[row] = kind_of(plain[row], same[row])
        if errors[row] in (WRONG_CLASS, POORLY_PLACED):
            confused[np.argmax(plain[row])] = True
    return Outcome(
        found.scores,
        found.class_ids,
        matches,
        errors,
        truth.class_ids,
        truth.areas,
        truth.crowd,
        hit,
        ~hit & ~confused & ~truth.crowd,
    )


def kind_of(iou: np.ndarray, same_class: np.ndarray) -> int:
    """The kind of error of a result that matches nothing; both are (G,)."""
    if (same_class & (iou >= PLACED)).any():
        return DUPLICATE
    best = iou.max(initial=0)
    if best >= PLACED:
        return WRONG_CLASS
    return POORLY_PLACED if best >= TOUCHING else BACKGROUND


def object_accuracy(right: int, false: int, missed: int) -> Optional[float]:
    """TP / (TP + FP + FN) in [0, 1]; None if there is nothing to find and to count.

    >>> object_accuracy(6, 1, 3)
    0.6
    """
    total = right + false + missed
    return right / total if total else None


def best_f1(
    scores: np.ndarray, right: np.ndarray, labelled: int
) -> tuple[Optional[float], Optional[float]]:
    """Finds the score threshold with the highest F1, and that F1.

    `scores` (D,) and `right` (D,) bool are of all results of a class, in any order;
    `labelled` is the number of its objects. F1 is 2 TP / (results + objects). Both are
    None without objects, the threshold also if nothing was found.

    >>> best_f1(np.array([0.9, 0.8, 0.7]), np.array([True, False, True]), 2)
    (0.7, 0.8)
    """
    if not labelled:
        return None, None
    if not right.any():
        return None, 0.0
    order = np.argsort(-scores, kind="stable")
    falling = scores[order]
    values = 2 * np.cumsum(right[order]) / (np.arange(len(scores)) + 1 + labelled)
    # Results of equal scores pass a threshold together.
    values[:-1][falling[1:] == falling[:-1]] = -1
    best = int(np.argmax(values))
    return float(falling[best]), float(values[best])
