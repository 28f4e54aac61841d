"""Events in words: for the log and the view."""

from __future__ import annotations

from typing import Sequence

from edge.events.event import OVER, STARTED, Event, EventChange
from edge.zones.measures import SHARE, rounded

MOST_LINES = 5  # of running events in the view


def value_text(event: Event, value: float) -> str:
    """A value of an event's quantity: seconds have their unit.

    >>> from dataclasses import replace
    >>> event = Event("1", "r", "", "", 0, "", "share(a)", "share", 0, 0)
    >>> value_text(event, 0.34567), value_text(replace(event, measure="dwell"), 4.0)
    ('0.346', '4 s')
    """
    number = rounded(event.measure, value)
    unit = " s" if event.measure.endswith("dwell") else ""
    return f"{round(number, 3 if event.measure == SHARE else 1):g}{unit}"


def change_text(change: EventChange) -> str:
    """One line of the log."""
    event = change.event
    if change.kind == STARTED:
        return f"event {event.rule}: started, {event.quantity} is " + value_text(
            event, event.value
        )
    why = "" if event.reason == OVER else f" ({event.reason})"
    lasted, peak = event.seconds(event.start), value_text(event, event.peak)
    return f"event {event.rule}: ended after {lasted:.1f} s{why}, peak {peak}"


def running_text(running: Sequence[Event], seconds: float) -> str:
    """The running events, one in each line, with the seconds that they have lasted.

    >>> running_text([Event("1", "smoke", "", "", 2, "", "", "share", 0, 0)], 14.2)
    'event smoke 12 s'
    """
    lines = [f"event {e.rule} {e.seconds(seconds):.0f} s" for e in running[:MOST_LINES]]
    if len(running) > MOST_LINES:
        lines.append(f"and {len(running) - MOST_LINES} more events")
    return "\n".join(lines)
