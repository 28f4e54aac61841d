"""Events, and frames with them, for the tests of their sinks."""

from dataclasses import replace

import numpy as np

from edge.display.sinks import DisplayFrame
from edge.events.event import ENDED, OVER, STARTED, Event, EventChange
from edge.predict.results import SemanticMap

LABELS = SemanticMap(np.zeros((48, 64), np.uint8))
EVENT = Event(
    id="20260102T030405-abcdef",
    rule="smoke",
    when="share(smoke) > 0.3",
    source="camera",
    start=2.0,
    started="2026-01-02T03:04:05.000+00:00",
    quantity="share(smoke)",
    measure="share",
    value=0.4,
    peak=0.4,
)
ENDED_EVENT = replace(
    EVENT, end=6.5, ended="2026-01-02T03:04:09.500+00:00", reason=OVER, peak=0.56789
)
START, END = EventChange(STARTED, EVENT), EventChange(ENDED, ENDED_EVENT)


def shown(
    *changes: EventChange, seconds: float = 0.0, level: int = 0, redrawn: bool = False
) -> DisplayFrame:
    """A frame of 48x64 whose view has one grey level, with changes of events."""
    view = np.full((48, 64, 3), level, np.uint8)
    return DisplayFrame(
        *(0, seconds, view, LABELS, view, {}), redrawn=redrawn, events=changes
    )
