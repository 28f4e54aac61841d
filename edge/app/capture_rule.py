"""Which frames `--capture` keeps without being asked: the rule of `--every`.

`10s` keeps the first frame and one every ten seconds of the source's time. `uncertain`
looks at a frame each LOOK_SECONDS and keeps one that is less certain than nearly all
before: its uncertainty (edge/predict/uncertainty.py) is over the quantile QUANTILE of
that of the last WINDOW frames that were looked at. At least FIRST frames come before,
and two kept frames are at least LEAST_SECONDS apart, or what `uncertain,60s` says. So
the rule adapts to a scene: it neither fills the disk at night, when all frames are
uncertain, nor waits for ever on a model that is always certain.
"""

from __future__ import annotations

import argparse
import re
from collections import deque
from typing import NamedTuple, Optional, Union

import numpy as np

UNCERTAIN = "uncertain"
LOOK_SECONDS = 0.5
LEAST_SECONDS = 10.0
QUANTILE = 0.95
WINDOW, FIRST = 600, 10  # frames; 600 are five minutes
UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}
ROUNDING = 1e-6  # seconds: times of frames are sums of fractions


class Every(NamedTuple):
    """The value of `--every`: the least seconds between frames, and which are kept."""

    seconds: float
    uncertain: bool = False


def parse_every(text: str) -> Every:
    """Parse `--every` for `type=`.

    >>> parse_every("2m"), parse_every("uncertain")
    (Every(seconds=120.0, uncertain=False), Every(seconds=10.0, uncertain=True))
    """
    word, _, interval = text.strip().lower().partition(",")
    uncertain = word == UNCERTAIN
    given = interval if uncertain else text.strip().lower()
    if uncertain and not interval and "," not in text:
        return Every(LEAST_SECONDS, True)
    seconds = seconds_of(given)
    if not seconds:
        raise argparse.ArgumentTypeError(
            f"{text!r} is neither a time, such as 10s, 5m or 1h, nor {UNCERTAIN} or "
            f"{UNCERTAIN},60s"
        )
    return Every(seconds, uncertain)


def seconds_of(text: str) -> float:
    """A time such as 10s, 5m or 1h in seconds; 0 for any other text."""
    found = re.fullmatch(r"(\d+\.?\d*)\s*([smh]?)", text.strip())
    return float(found[1]) * UNITS[found[2]] if found else 0.0


class Pace:
    """True at most once in a number of seconds; of frames' times, in their order.

    >>> pace = Pace(0.5)
    >>> [pace(seconds) for seconds in (0, 0.2, 0.5, 0.9, 1.0)]
    [True, False, True, False, True]
    """

    def __init__(self, seconds: float):
        self.seconds, self._last = seconds, -np.inf

    def __call__(self, seconds: float) -> bool:
        # A source that starts again has times before the last one.
        due = abs(seconds - self._last) >= self.seconds - ROUNDING
        if due:
            self._last = seconds
        return due


class TimeRule:
    """Keeps a frame every so many seconds."""

    uncertain = False

    def __init__(self, every: Every):
        self._pace = Pace(every.seconds)

    def looks(self, seconds: float) -> bool:
        """Whether the frame at this time is looked at; for each frame, in order."""
        return self._pace(seconds)

    def keeps(self, seconds: float, uncertainty: Optional[float]) -> bool:
        """Whether a frame that was looked at is kept: all are."""
        return True


class UncertainRule:
    """Keeps frames of which the model is less certain than of nearly all before."""

    uncertain = True

    def __init__(self, every: Every):
        self._looked, self._kept = Pace(LOOK_SECONDS), Pace(every.seconds)
        self._values: deque[float] = deque(maxlen=WINDOW)

    def looks(self, seconds: float) -> bool:
        """Whether the frame at this time is looked at; for each frame, in order."""
        return self._looked(seconds)

    def keeps(self, seconds: float, uncertainty: Optional[float]) -> bool:
        """Whether a frame that was looked at is kept."""
        if uncertainty is None:
            return False
        enough = len(self._values) >= FIRST
        unusual = enough and uncertainty > np.quantile(self._values, QUANTILE)
        self._values.append(uncertainty)
        return bool(unusual) and self._kept(seconds)


Rule = Union[TimeRule, UncertainRule]


def rule_of(every: Every) -> Rule:
    """The rule of a value of `--every`."""
    return UncertainRule(every) if every.uncertain else TimeRule(every)
