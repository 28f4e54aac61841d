"""Measures and events of each frame, for the camera loop."""

from __future__ import annotations

from typing import Optional, Tuple

from edge.events.engine import Engine
from edge.events.event import Event, EventChange
from edge.predict.results import Result
from edge.zones.measures import Measures
from edge.zones.measuring import Measurer
from edge.zones.zone import Zone


class Watch:
    """Measures each result, and applies the rules of `engine` to the measures.

    `zones` and `engine.rules` say what there is. After a call, `measures` and
    `changes` are those of the frame, and `running` are the events that run. Only the
    loop's thread calls it; all attributes can be read in any thread, as they are
    replaced and never changed.
    """

    def __init__(self, measurer: Measurer, engine: Engine):
        self.measurer, self.engine = measurer, engine
        self.measures: Optional[Measures] = None
        self.changes: Tuple[EventChange, ...] = ()
        self.running: Tuple[Event, ...] = ()

    @property
    def zones(self) -> Tuple[Zone, ...]:
        """The zones of the file, without the whole frame."""
        return self.measurer.zones[1:]

    def __call__(self, seconds: float, result: Result) -> None:
        """Take the result of the next frame, at `seconds` of the source's time."""
        self.measures = self.measurer(seconds, result)
        self.changes = self.engine(seconds, self.measures)
        self.running = self.engine.running

    def end(self, reason: str) -> Tuple[EventChange, ...]:
        """End the events that run; `reason` is one of edge.events.event."""
        self.changes, self.running = self.engine.end(reason), ()
        return self.changes
