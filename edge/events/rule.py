"""A rule: when an event runs, and what is kept of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from edge.events.conditions import Comparison, Condition, Moment

COOL_DOWN_SECONDS = 10.0  # by default


@dataclass(frozen=True)
class Rule:
    """A condition and its name.

    `when` is the condition as written. An event ends once the value has fallen back by
    more than `hysteresis`, in the unit of the measure; None is a tenth of the threshold
    of a share, and 0 of other measures. For `cool_down_seconds` after an event no other
    of this rule starts. With `snapshot` the view at the start is saved, and with
    `before_seconds` and `after_seconds` a video from so long before the event to so
    long after it; None for no video.
    """

    name: str
    when: str
    condition: Condition
    hysteresis: Optional[float] = None
    cool_down_seconds: float = COOL_DOWN_SECONDS
    snapshot: bool = True
    before_seconds: Optional[float] = None
    after_seconds: float = 0.0

    @property
    def records(self) -> bool:
        return self.before_seconds is not None

    def leading(self, moment: Moment) -> Comparison:
        """The comparison whose quantity an event tells: the first one that holds."""
        comparisons = list(self.condition.comparisons())
        return next((c for c in comparisons if c.holds(moment)), comparisons[0])
