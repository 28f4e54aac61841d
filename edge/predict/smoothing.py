"""Labels that do not flicker: each pixel keeps its class until another has more votes.

The last N label maps vote. A pixel shows another class once that class has strictly
more of them than the class it shows; of several such, the one given most recently. A
lasting change is so shown N // 2 frames late, and what lasts no longer than that is
not shown at all.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import Optional, Sequence

import numpy as np

from edge.predict.results import SemanticMap


def vote(shown: np.ndarray, maps: Sequence[np.ndarray]) -> np.ndarray:
    """What is shown (H, W) and the last maps, newest first -> what is shown next.

    >>> shown = np.uint8([[1, 1, 1]])
    >>> vote(shown, [np.uint8([[2, 2, 1]]), np.uint8([[2, 1, 1]]), shown]).tolist()
    [[2, 1, 1]]
    """
    unsettled = np.zeros(shown.shape, bool)
    for labels in maps:
        unsettled |= labels != shown
    places = np.flatnonzero(unsettled)
    votes = [labels.ravel()[places] for labels in maps]
    winner = shown.ravel()[places]
    most = count_of(winner, votes)
    for vote in votes:
        count = count_of(vote, votes)
        winner = np.where(count > most, vote, winner)
        np.maximum(most, count, out=most)
    result = shown.copy()
    result.ravel()[places] = winner
    return result


def count_of(vote: np.ndarray, votes: Sequence[np.ndarray]) -> np.ndarray:
    """How many of the votes are equal to `vote`, pixel by pixel; uint8."""
    count = np.zeros(vote.shape, np.uint8)
    for other in votes:
        count += vote == other
    return count


class VoteSmoother:
    """Called with each frame's result, in order; gives that to show.

    Frames of another size begin anew.
    """

    def __init__(self, count: int):
        self._maps: deque[np.ndarray] = deque(maxlen=count)
        self._shown: Optional[np.ndarray] = None

    def __call__(self, result: SemanticMap) -> SemanticMap:
        labels = result.labels
        if self._shown is None or self._shown.shape != labels.shape:
            self._maps.clear()
            self._shown = labels
        self._maps.appendleft(labels)
        self._shown = vote(self._shown, self._maps)
        return replace(result, labels=self._shown)
