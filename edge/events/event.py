"""An event, and its start or end in a frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, Optional

from edge.zones.measures import rounded

STARTED, ENDED = "started", "ended"
# Why an event has ended.
OVER = "over"  # its rule no longer holds
STOPPED = "stopped"  # the user has ended the program, or --max-frames
END_OF_SOURCE = "end of source"
FAILED = "failed"  # an error has ended the program


@dataclass(frozen=True)
class Event:
    """A time in which a rule holds; it is replaced, never changed.

    `id` is unique, also over several runs and machines, and can be a file's name.
    `rule` is the rule's name, `when` its condition as written, `source` the name of the
    source, without secrets.

    `start` and `end` are the seconds of frames: the position in a file, or the capture
    time of a live source; `started` and `ended` the time of day, ISO 8601 in UTC. `end`
    and `ended` are None, and `reason` is "", while the event runs.

    `quantity` is a measure of the rule as written, such as "share(smoke, door)", of
    several the first one whose comparison held at the start, and `measure` its name,
    such as "share"; `value` is what it was at last, `peak` the farthest beyond the
    rule's threshold while the rule held: of "==" and "!=" the farthest from it.
    `snapshot` and `recording` are
    names of files in the folder of --event-folder, or "".
    """

    id: str
    rule: str
    when: str
    source: str
    start: float
    started: str
    quantity: str
    measure: str
    value: float
    peak: float
    end: Optional[float] = None
    ended: Optional[str] = None
    reason: str = ""
    snapshot: str = ""
    recording: str = ""

    def seconds(self, now: float) -> float:
        """How long the event lasted, or has lasted at `now`, a time of frames."""
        return max(0.0, (now if self.end is None else self.end) - self.start)


@dataclass(frozen=True)
class EventChange:
    """An event that starts or ends in a frame: `kind` is "started" or "ended"."""

    kind: str
    event: Event

    def to_json(self) -> Dict[str, Any]:
        """The change as a flat dict for JSON; `seconds` is how long the event lasted.

        Files and messages to others have these keys: change none of them.
        """
        event = self.event
        end = None if event.end is None else round(event.end, 3)
        return {
            "event": self.kind,
            "id": event.id,
            "rule": event.rule,
            "when": event.when,
            "source": event.source,
            "start": round(event.start, 3),
            "end": end,
            "seconds": None if end is None else round(event.seconds(end), 3),
            "started": event.started,
            "ended": event.ended,
            "reason": event.reason,
            "quantity": event.quantity,
            "value": rounded(event.measure, event.value),
            "peak": rounded(event.measure, event.peak),
            "snapshot": event.snapshot,
            "recording": event.recording,
        }
