"""The measures of a frame: values of each class in each zone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, Mapping

SHARE, COUNT = "share", "count"
DWELL, MEAN_DWELL, ENTERED, LEFT = "dwell", "mean_dwell", "entered", "left"
OF_OBJECTS = (COUNT, DWELL, MEAN_DWELL, ENTERED, LEFT)  # not of semantic maps
OF_TRACKS = (DWELL, MEAN_DWELL, ENTERED, LEFT)  # need --track
DIGITS = 6  # of a share in JSON
SECONDS_DIGITS = 3

Values = Mapping[str, float]  # measure -> value


@dataclass(frozen=True)
class Measures:
    """Zone -> class -> measure -> value, for one frame.

    `zones` has every zone, "frame" (the whole frame) first, and of each zone the
    classes that were in it since the start, in order of class id: one that is gone has
    zeros. The measures are

    - `share`, in [0, 1]: the part of the zone's pixels with this class, or that masks
      (without masks, boxes) of its objects cover; a mean over the smoothing time;
    - `count`: how many of its objects are in the zone, a whole number: the mean over
      the smoothing time, rounded; only of models that find objects;
    - with tracks: `dwell`, the seconds for which the object that is there longest has
      been in the zone; `mean_dwell`, the mean of those that are gone, in seconds;
      `entered` and `left`, how often the zone's edge was crossed since the start.

    Whoever keeps a Measures may do so: it is never changed.
    """

    zones: Mapping[str, Mapping[str, Values]]

    def value(self, measure: str, name: str, zone: str) -> float:
        """The value of a class in a zone; 0 for a class that was never there.

        >>> Measures({"frame": {"cat": {"count": 2.0}}}).value("count", "cat", "frame")
        2.0
        """
        return self.zones.get(zone, {}).get(name, {}).get(measure, 0.0)

    def to_json(self) -> Dict[str, Any]:
        """Nested dicts for JSON: shares and seconds rounded, numbers as integers.

        >>> Measures({"frame": {"cat": {"share": 1 / 3, "count": 2.0}}}).to_json()
        {'frame': {'cat': {'share': 0.333333, 'count': 2}}}
        """
        return {
            zone: {
                name: {measure: rounded(measure, v) for measure, v in values.items()}
                for name, values in classes.items()
            }
            for zone, classes in self.zones.items()
        }


def rounded(measure: str, value: float) -> float:
    """A value for people and JSON: a share, seconds, or a whole number.

    >>> rounded("dwell", 1.23456), rounded("entered", 3.0)
    (1.235, 3)
    """
    if measure in (DWELL, MEAN_DWELL):
        return round(value, SECONDS_DIGITS)
    return round(value, DIGITS) if measure == SHARE else int(value)
