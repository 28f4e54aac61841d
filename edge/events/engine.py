"""Rules and measures to events."""

from __future__ import annotations

import secrets
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import Callable, Deque, Dict, Iterator, List, Optional, Sequence, Tuple

from edge.events.conditions import ROUNDING, Comparison, Moment, Quantity
from edge.events.event import ENDED, OVER, STARTED, Event, EventChange
from edge.events.rule import Rule
from edge.zones.measures import Measures


def utc_now() -> datetime:
    return datetime.now(timezone.utc)


@dataclass
class RuleState:
    """What is known of a rule: its event, and since when parts of it hold."""

    rule: Rule
    event: Optional[Event] = None
    leading: Optional[Comparison] = None  # of the event
    since: Dict[int, float] = field(default_factory=dict)
    past: Dict[Quantity, Deque[Tuple[float, float]]] = field(default_factory=dict)
    ended: float = float("-inf")  # when its last event has ended


class Engine:
    """Evaluates rules frame by frame, and keeps the events that are running.

    `source` is the name of the source. With `files` events name the files that the
    folder of events will have. `clock` gives the time of day.
    """

    def __init__(
        self,
        rules: Sequence[Rule],
        source: str = "",
        files: bool = False,
        clock: Callable[[], datetime] = utc_now,
    ):
        self.source, self.files, self.clock = source, files, clock
        self.counts: Counter = Counter()  # rule -> events that have started
        self._states = [RuleState(rule) for rule in rules]
        self._last = float("-inf")

    @property
    def running(self) -> Tuple[Event, ...]:
        """The running events, in the order of the rules."""
        return tuple(state.event for state in self._states if state.event)

    @property
    def rules(self) -> List[Rule]:
        return [state.rule for state in self._states]

    def __call__(self, seconds: float, measures: Measures) -> Tuple[EventChange, ...]:
        """Take the measures of the next frame, at `seconds` of the source's time."""
        if seconds < self._last:  # the source has started again
            for state in self._states:
                state.since, state.past, state.ended = {}, {}, float("-inf")
        self._last = seconds
        return tuple(
            change
            for state in self._states
            for change in self._step(state, seconds, measures)
        )

    def end(self, reason: str) -> Tuple[EventChange, ...]:
        """End all running events, at the time of the last frame."""
        ending = [state for state in self._states if state.event]
        return tuple(self._end(state, self._last, reason) for state in ending)

    def _step(
        self, state: RuleState, seconds: float, measures: Measures
    ) -> Iterator[EventChange]:
        rule, slack = state.rule, int(state.event is not None)
        moment = Moment(
            *(measures, seconds, state.since, state.past, slack, rule.hysteresis)
        )
        held = rule.condition.holds(moment)
        if state.event and state.leading:
            value = state.leading.quantity.value(moment)
            # The value that ends an event is not one of it.
            if held and state.leading.farther(value, than=state.event.peak):
                state.event = replace(state.event, peak=value)
            state.event = replace(state.event, value=value)
            if not held:
                yield self._end(state, seconds, OVER)
        elif held and seconds - state.ended >= rule.cool_down_seconds - ROUNDING:
            state.leading = rule.leading(moment)
            value = state.leading.quantity.value(moment)
            state.event = self._new(rule, state.leading.quantity, seconds, value)
            self.counts[rule.name] += 1
            yield EventChange(STARTED, state.event)

    def _new(
        self, rule: Rule, quantity: Quantity, seconds: float, value: float
    ) -> Event:
        now = self.clock()
        number = f"{now:%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"
        return Event(
            id=number,
            rule=rule.name,
            when=rule.when,
            source=self.source,
            start=seconds,
            started=now.isoformat(timespec="milliseconds"),
            quantity=quantity.text,
            measure=quantity.measure,
            value=value,
            peak=value,
            snapshot=f"{number}.jpg" if self.files and rule.snapshot else "",
            recording=f"{number}.mp4" if self.files and rule.records else "",
        )

    def _end(self, state: RuleState, seconds: float, reason: str) -> EventChange:
        ended = self.clock().isoformat(timespec="milliseconds")
        assert state.event
        # A source that starts again has times before the event's start.
        end = max(seconds, state.event.start)
        event = replace(state.event, end=end, ended=ended, reason=reason)
        state.event, state.ended = None, seconds
        return EventChange(ENDED, event)
