"""Counting tracked objects that cross a line."""

from __future__ import annotations

import argparse
from collections import defaultdict
from dataclasses import dataclass
from typing import Dict, NamedTuple

from edge.model_file.info import ModelInfo, class_name
from edge.predict.results import Detections

REMEMBERED = 1000  # frames after which an absent object is forgotten

# Axis -> the directions towards larger and smaller coordinates.
DIRECTIONS = {"x": ("right", "left"), "y": ("down", "up")}


class Line(NamedTuple):
    """A line across the image: `axis` "y" is horizontal, "x" vertical.

    `position` is its share of the image's height or width, in (0, 1).
    """

    axis: str
    position: float


def parse_line(text: str) -> Line:
    """Parse a line for `type=`: "y=0.5" is horizontal, at half of the height.

    >>> parse_line("x=0.25")
    Line(axis='x', position=0.25)
    """
    axis, _, number = text.partition("=")
    try:
        position = float(number)
    except ValueError:
        position = 0.0
    if axis not in DIRECTIONS or not 0 < position < 1:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a line; write y=0.5 (horizontal) or x=0.5 (vertical), "
            "with a share of the image between 0 and 1"
        )
    return Line(axis, position)


@dataclass
class Crossing:
    """A tracked object: whether it was beyond the line at first, and has crossed it."""

    began_beyond: bool
    crossed: bool = False
    frame: int = 0  # the last one with this object


class LineCounter:
    """Counts the tracked objects whose centre crosses a line, by class and direction.

    Each track counts once, at its first crossing: a box that moves to and fro on the
    line does not count again.
    """

    def __init__(self, line: Line):
        self.line = line
        self._counts: Dict[int, Dict[str, int]] = defaultdict(self._none)
        self._tracks: Dict[int, Crossing] = {}
        self._frame = 0

    def _none(self) -> Dict[str, int]:
        return dict.fromkeys(DIRECTIONS[self.line.axis], 0)

    def __call__(self, result: Detections) -> None:
        """Take the objects of the next frame, from a Tracker.

        Raises ValueError for objects without `track_ids`.
        """
        if result.track_ids is None:
            raise ValueError("objects without track_ids cannot be counted")
        self._frame += 1
        forward, backward = DIRECTIONS[self.line.axis]
        axis = "xy".index(self.line.axis)
        place = self.line.position * result.size[1 - axis]  # sizes are height, width
        centers = (result.boxes[:, axis] + result.boxes[:, axis + 2]) / 2
        numbers, class_ids = result.track_ids.tolist(), result.class_ids.tolist()
        for number, class_id, now in zip(numbers, class_ids, centers >= place):
            track = self._tracks.setdefault(number, Crossing(bool(now)))
            track.frame = self._frame
            if now != track.began_beyond and not track.crossed:
                track.crossed = True
                self._counts[class_id][forward if now else backward] += 1
        oldest = self._frame - REMEMBERED
        self._tracks = {k: v for k, v in self._tracks.items() if v.frame >= oldest}

    def counts(self, info: ModelInfo) -> Dict[str, Dict[str, int]]:
        """Class name -> direction -> number, for classes that crossed, in order of id.

        Directions are "down" and "up", or "right" and "left" for a vertical line.
        """
        return {
            class_name(info, k): dict(self._counts[k]) for k in sorted(self._counts)
        }
