"""The last events, for programs that ask for them."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Sequence, Tuple

from edge.display.sinks import DisplayFrame
from edge.events.event import ENDED, STARTED, Event, EventChange

MOST_EVENTS = 1000  # that have ended and are kept


class EventHistory:
    """Keeps the events that run and the last ones that have ended.

    `take` is called by the loop's thread; the rest by any, as `ended` and `running` are
    replaced and never changed.
    """

    def __init__(self) -> None:
        self.running: Tuple[Event, ...] = ()
        self.ended: Tuple[Event, ...] = ()  # the newest first

    def take(self, displayed: DisplayFrame) -> None:
        """Take the events of the next frame."""
        self.running = displayed.running
        ended = [change.event for change in displayed.events if change.kind == ENDED]
        if ended:
            self.ended = (*reversed(ended), *self.ended)[:MOST_EVENTS]

    def latest(self, limit: int, seconds: float) -> List[Dict[str, Any]]:
        """At most `limit` events as dicts for JSON, running ones first, then by age.

        `seconds` is the time of the newest frame.
        """
        running = sorted(self.running, key=lambda event: event.start, reverse=True)
        return [event_json(e, seconds) for e in (*running, *self.ended)[:limit]]


def merged(found: Sequence[List[Dict[str, Any]]]) -> List[Dict[str, Any]]:
    """The events of several sources: running ones first, then by their time of day."""
    events = [event for own in found for event in own]
    running = [event for event in events if event["running"]]
    ended = [event for event in events if not event["running"]]
    running.sort(key=lambda event: event["started"], reverse=True)
    ended.sort(key=lambda event: event["ended"], reverse=True)
    return [*running, *ended]


def event_json(event: Event, seconds: Optional[float] = None) -> Dict[str, Any]:
    """The keys of EventChange.to_json, with `running` in place of `event`.

    `seconds` is the time of the newest frame, to which a running event has lasted.
    """
    running = event.end is None
    result = EventChange(STARTED if running else ENDED, event).to_json()
    del result["event"]
    if running and seconds is not None:
        result["seconds"] = round(event.seconds(seconds), 3)
    return {"running": running, **result}
