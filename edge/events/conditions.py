"""The condition of a rule: a tree that is evaluated for each frame."""

from __future__ import annotations

import math
import operator
from collections import deque
from dataclasses import dataclass, replace
from typing import Any, Callable, Deque, Dict, Iterator, Optional, Protocol, Tuple

from edge.zones.measures import DWELL, MEAN_DWELL, SHARE, Measures

# How a comparison becomes easier: +1 by a lower value, -1 by a higher one, 0 by either.
OPERATORS: Dict[str, Tuple[Callable[[Any, Any], bool], int]] = {
    ">": (operator.gt, 1),
    ">=": (operator.ge, 1),
    "<": (operator.lt, -1),
    "<=": (operator.le, -1),
    "==": (operator.eq, 0),
    "!=": (operator.ne, 0),
}
INVERSE = {">": "<=", ">=": "<", "<": ">=", "<=": ">", "==": "!=", "!=": "=="}
CONTINUOUS = (SHARE, DWELL, MEAN_DWELL)  # the others are whole numbers
ROUNDING = 1e-6  # seconds: 0.7 - 0.2 is a bit less than 0.5
DEFAULT_SHARE = 0.1  # of the threshold of a share, its hysteresis


@dataclass
class Moment:
    """What a condition is evaluated with.

    `since` keeps, for each "for", since when its condition holds, and `past` the values
    of quantities over a time: both are given again with the next frame. `slack` is +1
    while the event runs, which makes comparisons true that have fallen back by less
    than the hysteresis; "not" turns it round. `hysteresis` None is the default of each
    comparison.
    """

    measures: Measures
    seconds: float
    since: Dict[int, float]
    past: Dict[Quantity, Deque[Tuple[float, float]]]
    slack: int = 0
    hysteresis: Optional[float] = None


class Condition(Protocol):
    """A node of the tree."""

    def holds(self, moment: Moment) -> bool: ...

    def comparisons(self) -> Iterator[Comparison]:
        """All comparisons, those under "not" the other way round."""
        ...


@dataclass(frozen=True)
class Quantity:
    """A measure of a class in a zone; `text` is as it was written.

    With `window`, in seconds, it is by how much the measure has grown in this time.
    """

    measure: str
    class_name: str
    zone: str
    text: str
    window: Optional[float] = None

    def value(self, moment: Moment) -> float:
        now = moment.measures.value(self.measure, self.class_name, self.zone)
        if self.window is None:
            return now
        past = moment.past.setdefault(self, deque())
        if not past or past[-1][1] != now:
            past.append((moment.seconds, now))
        while len(past) > 1 and past[1][0] <= moment.seconds - self.window:
            past.popleft()
        return now - past[0][1]


@dataclass(frozen=True)
class Comparison:
    """A quantity and a threshold: a share in [0, 1], seconds, or a number."""

    quantity: Quantity
    operator: str
    threshold: float

    def comparisons(self) -> Iterator[Comparison]:
        yield self

    def holds(self, moment: Moment) -> bool:
        compare, direction = OPERATORS[self.operator]
        value = self.quantity.value(moment)
        slack = moment.slack * self.hysteresis(moment.hysteresis)
        equality = self.operator == "=="
        # "!=" becomes no easier, and "==" under "not", which is the same, neither.
        if direction or not slack or equality != (slack > 0):
            return compare(value, self.threshold - direction * slack)
        near = abs(value - self.threshold) <= abs(slack)
        return near if equality else not near

    def hysteresis(self, given: Optional[float]) -> float:
        """How far the value must fall back: of whole numbers whole steps only."""
        if given is None:
            share = self.quantity.measure == SHARE
            return DEFAULT_SHARE * abs(self.threshold) if share else 0.0
        return given if self.quantity.measure in CONTINUOUS else math.floor(given)

    def inverse(self) -> Comparison:
        return replace(self, operator=INVERSE[self.operator])

    def farther(self, value: float, than: float) -> bool:
        """Whether a value is farther beyond the threshold than another one."""
        _, direction = OPERATORS[self.operator]
        if direction:
            return (value - than) * direction > 0
        return abs(value - self.threshold) > abs(than - self.threshold)


@dataclass(frozen=True)
class Held:
    """`condition` for a time: true once it has held for `seconds` without a break."""

    condition: Condition
    seconds: float

    def comparisons(self) -> Iterator[Comparison]:
        return self.condition.comparisons()

    def holds(self, moment: Moment) -> bool:
        if not self.condition.holds(moment):
            moment.since.pop(id(self), None)
            return False
        since = moment.since.setdefault(id(self), moment.seconds)
        return moment.seconds - since >= self.seconds - ROUNDING


@dataclass(frozen=True)
class Not:
    """True where `condition` is not."""

    condition: Condition

    def comparisons(self) -> Iterator[Comparison]:
        return (each.inverse() for each in self.condition.comparisons())

    def holds(self, moment: Moment) -> bool:
        moment.slack = -moment.slack
        try:
            return not self.condition.holds(moment)
        finally:
            moment.slack = -moment.slack


@dataclass(frozen=True)
class Both:
    """Several conditions with "and" between them, or with `either` "or"."""

    conditions: Tuple[Condition, ...]
    either: bool = False

    def comparisons(self) -> Iterator[Comparison]:
        for condition in self.conditions:
            yield from condition.comparisons()

    def holds(self, moment: Moment) -> bool:
        # All of them, so that each "for" sees each frame.
        held = [condition.holds(moment) for condition in self.conditions]
        return any(held) if self.either else all(held)
