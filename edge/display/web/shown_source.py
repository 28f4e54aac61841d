"""What the browser view has of one source."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from contextlib import contextmanager
from typing import Any, Callable, Iterator, Optional

import cv2
import numpy as np

from edge.core.jpeg import encode_jpeg
from edge.core.timing import Rate
from edge.display.sinks import Controls, DisplayFrame
from edge.display.summaries import crossings_text
from edge.display.tasks import DRAW, IN_BRIEF, SUMMARIES
from edge.display.view import Background
from edge.display.web.event_history import EventHistory, event_json
from edge.display.web.latest import Latest
from edge.display.web.metrics import Totals
from edge.display.web.zone_store import ZoneStore
from edge.model_file.info import ModelInfo
from edge.video.frames import STALL_SECONDS, Source


class ShownSource:
    """The sink of a source for the browser view; see edge.display.sinks.

    Frames are drawn and encoded only while there are viewers. With `zones` they see
    zones and events too. `name` is that of the source among several, else "".
    """

    def __init__(
        self,
        controls: Controls,
        info: ModelInfo,
        background: Optional[Background],
        source: Source,
        zones: Optional[ZoneStore] = None,
        name: str = "",
    ):
        self.controls, self.info, self.background = controls, info, background
        self.source, self.zones, self.name = source, zones, name
        self.history = EventHistory()
        rules = zones.watch.engine.rules if zones else []
        self.totals = Totals([rule.name for rule in rules])
        self.images, self.states = Latest(), Latest()
        self._displayed: Optional[DisplayFrame] = None
        self._encoded: Optional[DisplayFrame] = None
        self._rate, self._millis = Rate(window=20), deque(maxlen=20)
        self._last_time = time.monotonic()
        self._notify: Callable[[], Any] = lambda: None

    @property
    def displayed(self) -> Optional[DisplayFrame]:
        """The newest frame; None before the first."""
        return self._displayed

    @property
    def fps(self) -> float:
        """Frames per second, of the last frames; 0 once there are no more."""
        if self.name and (self.controls.finished or self.waiting()):
            return 0.0
        return round(self._rate.fps, 1)

    @property
    def age(self) -> Optional[float]:
        """Seconds since the last frame; None before the first."""
        if not self._rate.count:
            return None
        return round(time.monotonic() - self._last_time, 1)

    @property
    def wants_view(self) -> bool:
        """Whether there are viewers."""
        return bool(self.images.readers)

    def take(self, displayed: DisplayFrame) -> None:
        """Hand the frame to the server without waiting."""
        if not displayed.redrawn:
            self._rate.tick()
            self._millis.append(displayed.millis)
            self._last_time = time.monotonic()
        self.totals.take(displayed)
        self.history.take(displayed)
        self._displayed = displayed
        if self.wants_view:
            self._notify()

    def close(self) -> None:
        """Nothing: the server is closed by itself."""

    # The methods below run in the server's thread.

    def begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """Use the loop of the server, which runs `encode`."""
        self._loop, self._view_ready = loop, asyncio.Event()
        ready = self._view_ready.set
        self._notify = lambda: loop.call_soon_threadsafe(ready)

    async def encode(self) -> None:
        """Encode each new view once, for all readers."""
        while True:
            await self._view_ready.wait()
            self._view_ready.clear()
            displayed = self._displayed
            if displayed is None or displayed.view is None:
                continue
            if displayed is self._encoded:
                continue
            jpeg = await self._loop.run_in_executor(None, encode_jpeg, displayed.view)
            self._encoded = displayed
            self.images.put((displayed.index, jpeg))

    @contextmanager
    def watch_images(self) -> Iterator[asyncio.Event]:
        """An event that is set at each new image."""
        with self.images.reader() as updated:
            if self._encoded and self._encoded is self._displayed:
                updated.set()  # an image is already there
            self._view_ready.set()
            yield updated

    def state(self) -> dict[str, Any]:
        """The state for the pages: numbers and view settings.

        It always has the same stages, although frames that nobody asks for are not
        drawn: a list that gets longer would move the buttons below it.
        """
        view, millis = self.controls.view, list(self._millis)
        displayed, task = self._displayed, self.info.task
        summarize = IN_BRIEF.get(task, SUMMARIES[task])
        return {
            "fps": self.fps,
            "age": self.age,
            "millis": {
                stage: round(float(np.mean([m.get(stage, 0.0) for m in millis])), 1)
                for stage in (dict.fromkeys((*millis[-1], "draw")) if millis else ())
            },
            **(summarize(displayed.result, self.info) if displayed else {}),
            "crossings": displayed.crossings if displayed else None,
            **self._watched(displayed),
            "waiting": self.waiting(),
            "finished": self.controls.finished,
            "paused": self.controls.paused,
            "hidden": sorted(view.hidden),
            "opacity": view.opacity,
            "masks": view.masks,
            "boxes": view.boxes,
            "outlines": view.outlines,
            "legend": view.legend,
            "background": view.background is not None,
        }

    def _watched(self, displayed: Optional[DisplayFrame]) -> dict[str, Any]:
        """What is in the zones, and the events that run."""
        if not (self.zones and displayed and displayed.measures):
            return {"zones": None, "zones_version": "", "events": []}
        running = self.history.running
        return {
            "zones": displayed.measures.to_json(),
            "zones_version": self.zones.version,
            "events": [event_json(event, displayed.seconds) for event in running],
        }

    def waiting(self) -> str:
        """What the camera loop is waiting for, or ""."""
        if self.controls.finished:
            return ""
        if not self._rate.count:
            return "the first frame"
        away = time.monotonic() - self._last_time
        if self.source.live and away > STALL_SECONDS and not self.controls.paused:
            return self.source.label
        return ""

    def events(self, limit: int) -> list[dict[str, Any]]:
        """At most `limit` events as dicts for JSON; see EventHistory.latest."""
        seconds = self._displayed.seconds if self._displayed else 0.0
        return self.history.latest(limit, seconds)

    def snapshot(self, suffix: str) -> Optional[bytes]:
        """The newest frame with the current view, as ".png" or ".jpg" says.

        None before the first frame.
        """
        displayed, view = self._displayed, self.controls.view
        if displayed is None:
            return None
        text = crossings_text(displayed.crossings, self.info)
        draw = DRAW[self.info.task]
        image = draw(displayed.frame, displayed.result, self.info, text, view)
        return cv2.imencode(suffix, image)[1].tobytes()
