"""Tracked objects in a zone: how long each stays, and how many come and go."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Dict, Mapping, NamedTuple, Optional, Tuple

from edge.zones.measures import DWELL, ENTERED, LEFT, MEAN_DWELL

OUTSIDE_SECONDS = 1.0  # out of the zone after which an object has left it
UNSEEN_SECONDS = 3.0  # after which an object that is not found is gone


class Place(NamedTuple):
    """The class of a tracked object, and whether it is in the zone."""

    class_id: int
    inside: bool


@dataclass
class Visit:
    """An object in the zone; times in seconds. `outside` is since when it is out."""

    class_id: int
    start: float
    last_inside: float
    last_seen: float
    outside: Optional[float] = None

    @property
    def seconds(self) -> float:
        return self.last_inside - self.start


class Visits:
    """The visits of one zone.

    An object that is first found inside of the zone, or last, crosses nothing. One that
    goes out for less than OUTSIDE_SECONDS, or is not found for less than
    UNSEEN_SECONDS, has been there all the time: a box that moves to and fro on the edge
    comes and goes once.
    """

    def __init__(self) -> None:
        self._visits: Dict[int, Visit] = {}
        self._outside: Dict[int, float] = {}  # track -> when it was last seen
        self._entered: Counter = Counter()
        self._left: Counter = Counter()
        self._past: Dict[int, Tuple[int, float]] = defaultdict(lambda: (0, 0.0))
        self._last = float("-inf")

    def take(self, seconds: float, places: Mapping[int, Place]) -> None:
        """Take the tracked objects of the next frame: track -> place."""
        if seconds < self._last:  # the source has started again
            self._visits, self._outside = {}, {}
        self._last = seconds
        for track, place in places.items():
            if place.inside:
                self._be_inside(seconds, track, place.class_id)
            elif track in self._visits:
                visit = self._visits[track]
                visit.last_seen = seconds
                visit.outside = seconds if visit.outside is None else visit.outside
            else:
                self._outside[track] = seconds
        for track, visit in list(self._visits.items()):
            if has_ended(visit, seconds):
                self._end(track, visit)
        recent = seconds - UNSEEN_SECONDS
        self._outside = {k: v for k, v in self._outside.items() if v >= recent}

    def _be_inside(self, seconds: float, track: int, class_id: int) -> None:
        if track not in self._visits:
            self._visits[track] = Visit(class_id, seconds, seconds, seconds)
            self._entered[class_id] += track in self._outside
            self._outside.pop(track, None)
        visit = self._visits[track]
        visit.last_inside = visit.last_seen = seconds
        visit.outside = None

    def _end(self, track: int, visit: Visit) -> None:
        del self._visits[track]
        number, total = self._past[visit.class_id]
        self._past[visit.class_id] = number + 1, total + visit.seconds
        if visit.outside is not None:
            self._left[visit.class_id] += 1
            self._outside[track] = visit.last_seen

    def values(self) -> Dict[int, Dict[str, float]]:
        """Class id -> measure -> value, of the classes that were in the zone."""
        longest: Dict[int, float] = {}
        for visit in self._visits.values():
            longest[visit.class_id] = max(
                visit.seconds, longest.get(visit.class_id, 0.0)
            )
        result = {}
        for class_id in {*longest, *self._past}:
            number, total = self._past.get(class_id, (0, 0.0))
            result[class_id] = {
                DWELL: longest.get(class_id, 0.0),
                MEAN_DWELL: total / number if number else 0.0,
                ENTERED: float(self._entered[class_id]),
                LEFT: float(self._left[class_id]),
            }
        return result


def has_ended(visit: Visit, seconds: float) -> bool:
    """Whether the object is out of the zone, or not found, for long enough."""
    out = visit.outside is not None and seconds - visit.outside >= OUTSIDE_SECONDS
    return out or seconds - visit.last_seen > UNSEEN_SECONDS
