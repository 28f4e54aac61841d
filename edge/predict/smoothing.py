"""Temporal smoothing of labels by majority vote, against flicker.

The last N label maps vote. A pixel changes its class once another class has strictly
more votes than the current one; of several such classes, to the most recent. A lasting
change appears N // 2 frames late, and a shorter change does not appear.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import Optional, Sequence

import numpy as np

from edge.predict.results import SemanticMap


def vote(current: np.ndarray, maps: Sequence[np.ndarray]) -> np.ndarray:
    """The current labels (H, W) and the last maps, newest first -> the next labels.

    >>> current = np.uint8([[1, 1, 1]])
    >>> vote(current, [np.uint8([[2, 2, 1]]), np.uint8([[2, 1, 1]]), current]).tolist()
    [[2, 1, 1]]
    """
    unsettled = np.zeros(current.shape, bool)
    for labels in maps:
        unsettled |= labels != current
    places = np.flatnonzero(unsettled)
    votes = [labels.ravel()[places] for labels in maps]
    winner = current.ravel()[places]
    most = count_of(winner, votes)
    for vote in votes:
        count = count_of(vote, votes)
        winner = np.where(count > most, vote, winner)
        np.maximum(most, count, out=most)
    result = current.copy()
    result.ravel()[places] = winner
    return result


def count_of(vote: np.ndarray, votes: Sequence[np.ndarray]) -> np.ndarray:
    """The number of votes equal to `vote`, for each pixel; uint8."""
    count = np.zeros(vote.shape, np.uint8)
    for other in votes:
        count += vote == other
    return count


class VoteSmoother:
    """Smooths the results of consecutive frames with the votes of the last `count`.

    A frame of another size starts again.
    """

    def __init__(self, count: int):
        self._maps: deque[np.ndarray] = deque(maxlen=count)
        self._current: Optional[np.ndarray] = None

    def __call__(self, result: SemanticMap) -> SemanticMap:
        labels = result.labels
        if self._current is None or self._current.shape != labels.shape:
            self._maps.clear()
            self._current = labels
        self._maps.appendleft(labels)
        self._current = vote(self._current, self._maps)
        return replace(result, labels=self._current)
