"""Tracking: the same number for an object in all frames of a video.

Objects of a frame are matched with the tracks of earlier frames by the overlap of their
boxes, in two rounds as in ByteTrack (Zhang et al., 2022): objects with high scores
first, then those with low scores, which can only continue a track.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import List, Optional, Sequence, Tuple, TypeVar

import numpy as np

from edge.predict.boxes import iou_matrix
from edge.predict.results import Detections

D = TypeVar("D", bound=Detections)

SHOWN_AFTER = 2  # frames in a row in which an object is found
NEW_SHARE = 0.7  # of the found box in a smoothed box; the rest is the expected box
SPEED_GAIN = 0.3  # of the difference between found and expected centre


@dataclass
class Track:
    """An object over several frames; `number` is 0 until it is shown.

    `box` is smoothed, and expected for the present frame while the object is `lost`,
    the number of frames since it was found. `speed` is in pixels a frame, x and y.
    """

    class_id: int
    box: np.ndarray  # (4,) float64
    speed: np.ndarray  # (2,) float64
    hits: int = 1
    lost: int = 0
    number: int = 0

    def move(self) -> None:
        """Move the box to where it is expected in the next frame."""
        self.box = self.box + np.concatenate([self.speed, self.speed])
        self.lost += 1

    def update(self, box: np.ndarray) -> None:
        """Take the box (4,) that was found in this frame."""
        self.hits += 1
        change = box - self.box
        gain = max(SPEED_GAIN, 1 / self.hits)
        self.speed = self.speed + (change[:2] + change[2:]) / 2 * (gain / self.lost)
        self.box = self.box + NEW_SHARE * change
        self.lost = 0


class Tracker:
    """Gives the objects of consecutive frames their numbers, `track_ids`.

    Only objects that were found in two frames in a row are in the result. Numbers start
    at 1 and are never used twice. An object that is not found for `max_lost` frames is
    forgotten. Scores of at least `high` can start a track; scores from `low` to `high`
    can only continue one, and lower ones are left out: the predictor's own threshold
    should be `low`. A match has an overlap of at least `iou` with the expected box, and
    the same class. With `steady` the boxes of the result are smoothed over time.

    A frame of another size starts all tracks again.
    """

    def __init__(
        self,
        max_lost: int = 15,
        high: float = 0.5,
        low: float = 0.1,
        iou: float = 0.3,
        steady: bool = False,
    ):
        self.max_lost, self.iou, self.steady = max_lost, iou, steady
        self.high, self.low = high, low
        self._tracks: List[Track] = []
        self._size: Optional[Tuple[int, int]] = None
        self._last_number = 0

    def __call__(self, result: D) -> D:
        """The objects of the next frame -> those that are shown, with `track_ids`."""
        if result.size != self._size:
            self._tracks, self._size = [], result.size
        for track in self._tracks:
            track.move()
        tracks = self._matched(result)
        self._tracks = [
            track
            for track in self._tracks
            if not track.lost or (track.number and track.lost <= self.max_lost)
        ]
        return self._shown(result, tracks)

    def _matched(self, result: D) -> List[Optional[Track]]:
        """Match the objects with tracks, and start new ones: the track of each."""
        found: List[Optional[Track]] = [None] * len(result)
        high = np.flatnonzero(result.scores >= self.high)
        low = np.flatnonzero((result.scores >= self.low) & (result.scores < self.high))
        known = [track for track in self._tracks if track.number]
        new = [track for track in self._tracks if not track.number]
        for tracks, places in ((known, high), (known, low), (new, high)):
            waiting = [track for track in tracks if track.lost]
            free = [place for place in places.tolist() if found[place] is None]
            for index, place in self._pairs(waiting, result, free):
                waiting[index].update(result.boxes[free[place]])
                found[free[place]] = waiting[index]
        for place in high.tolist():
            if found[place] is None:
                box = result.boxes[place].astype(np.float64)
                track = Track(int(result.class_ids[place]), box, np.zeros(2))
                self._tracks.append(track)
                found[place] = track
        return found

    def _pairs(
        self, tracks: Sequence[Track], result: Detections, places: Sequence[int]
    ) -> List[Tuple[int, int]]:
        """Pairs of indices of tracks and places, in order of their overlap."""
        if not tracks or not places:
            return []
        overlaps = iou_matrix(np.stack([t.box for t in tracks]), result.boxes[places])
        classes = np.int32([track.class_id for track in tracks])
        overlaps[classes[:, None] != result.class_ids[places]] = 0
        return greedy_pairs(overlaps, self.iou)

    def _shown(self, result: D, tracks: Sequence[Optional[Track]]) -> D:
        """The objects of tracks with SHOWN_AFTER hits or more, with their numbers."""
        places, shown = [], []
        for place, track in enumerate(tracks):
            if track is None or track.hits < SHOWN_AFTER:
                continue
            if not track.number:
                self._last_number += 1
                track.number = self._last_number
            places.append(place)
            shown.append(track)
        kept = result[np.array(places, np.int64)]
        numbers = np.array([track.number for track in shown], np.int32)
        if not self.steady or not shown:
            return replace(kept, track_ids=numbers)
        height, width = result.size
        boxes = np.stack([track.box for track in shown]).astype(np.float32)
        boxes = np.clip(boxes, 0, np.float32([width, height, width, height]))
        return replace(kept, track_ids=numbers, boxes=boxes)


def greedy_pairs(values: np.ndarray, least: float) -> List[Tuple[int, int]]:
    """Pairs (row, column) of a matrix, largest value first, each row and column once.

    Only values of at least `least` count; of equal values the first is taken.

    >>> greedy_pairs(np.float32([[0.6, 0.9], [0.5, 0.8], [0.2, 0.1]]), least=0.3)
    [(0, 1), (1, 0)]
    """
    rows, columns = np.nonzero(values >= least)
    order = np.argsort(-values[rows, columns], kind="stable")
    pairs: List[Tuple[int, int]] = []
    used_rows, used_columns = set(), set()
    for row, column in zip(rows[order].tolist(), columns[order].tolist()):
        if row not in used_rows and column not in used_columns:
            used_rows.add(row)
            used_columns.add(column)
            pairs.append((row, column))
    return pairs
