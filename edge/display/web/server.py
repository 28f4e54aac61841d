"""The browser view: a web page, a stream of JPEG images, and the view settings.

    GET /              the page, page.html in this folder
    GET /snapshot.png  the current view
    GET /stream.mjpg   the views as a multipart stream, for other programs
    WebSocket /link    of the page: the state twice a second, images on request
    /api/, /metrics    for other programs; openapi.json in this folder describes them

The page requests the next image after it has shown the last one, so that no old images
are queued. It needs Tornado, an optional dependency without dependencies of its own.
The server runs in its own thread; the loop hands it each frame without waiting.
"""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time
from collections import deque
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Iterator, Optional

import cv2
import numpy as np
import tornado.websocket

from edge.core.jpeg import encode_jpeg
from edge.core.timing import Rate
from edge.display.sinks import Controls, DisplayFrame
from edge.display.summaries import crossings_text
from edge.display.tasks import DRAW, IN_BRIEF, SUMMARIES
from edge.display.view import (
    Background,
    View,
    all_classes,
    controls_of,
    legend_classes,
)
from edge.display.web.access import Listener
from edge.display.web.event_history import EventHistory, event_json
from edge.display.web.handlers import ViewSocket
from edge.display.web.metrics import Totals
from edge.display.web.rates import RateLimit
from edge.display.web.routes import application
from edge.display.web.zone_store import ZoneStore
from edge.model_file.info import ModelInfo
from edge.video.frames import STALL_SECONDS, Source

STATE_SECONDS = 0.5
CLOSE_SECONDS = 2.0  # time for the server to end


def apply_switch(
    view: View,
    change: dict[str, Any],
    info: ModelInfo,
    background: Optional[Background] = None,
) -> View:
    """The view after a change by the page. Raises ValueError for an invalid change.

    >>> info = ModelInfo(class_names=("road", "car"), colors=((0, 0, 1), (0, 1, 0)))
    >>> apply_switch(View(), {"hide": 1}, info).hidden
    frozenset({1})
    """
    ((switch, value),) = change.items()
    if switch in ("hide", "show") and value == "all":
        return replace(
            view, hidden=all_classes(info) if switch == "hide" else frozenset()
        )
    if switch in ("hide", "show") and value in range(len(info.class_names)):
        hidden = view.hidden | {value} if switch == "hide" else view.hidden - {value}
        return replace(view, hidden=hidden)
    if switch == "opacity" and isinstance(value, (int, float)) and 0 <= value <= 1:
        return replace(view, opacity=float(value))
    if switch in (*controls_of(info), "legend") and isinstance(value, bool):
        return replace(view, **{switch: value})
    if switch == "background" and isinstance(value, bool):
        return replace(view, background=background if value else None)
    raise ValueError(f"invalid switch or value: {switch}")


class Latest:
    """Holds the latest value for any number of readers."""

    def __init__(self):
        self.value: Any = None
        self.readers: set[asyncio.Event] = set()

    def put(self, value: Any) -> None:
        self.value = value
        for updated in self.readers:
            updated.set()

    @contextmanager
    def reader(self) -> Iterator[asyncio.Event]:
        """An event that is set at each new value."""
        updated = asyncio.Event()
        self.readers.add(updated)
        try:
            yield updated
        finally:
            self.readers.discard(updated)


class Web:
    """The sink that shows frames in browsers; see edge.display.sinks.

    Frames are drawn and encoded only while there are viewers. All viewers share one
    view and may change it. With `zones` they see zones and events too.
    """

    def __init__(
        self,
        listener: Listener,
        controls: Controls,
        info: ModelInfo,
        background: Optional[Background],
        source: Source,
        zones: Optional[ZoneStore] = None,
    ):
        self.listener, self.controls, self.info = listener, controls, info
        self.background, self.source, self.zones = background, source, zones
        self.history, self.limit = EventHistory(), RateLimit()
        rules = zones.watch.engine.rules if zones else []
        self.totals = Totals([rule.name for rule in rules])
        self.images, self.states = Latest(), Latest()
        self.sockets: set[ViewSocket] = set()
        self._displayed: Optional[DisplayFrame] = None
        self._encoded: Optional[DisplayFrame] = None
        self._rate, self._millis = Rate(window=20), deque(maxlen=20)
        self._last_time = time.monotonic()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, name="web", daemon=True)
        self._thread.start()
        self._started.wait()

    @property
    def displayed(self) -> Optional[DisplayFrame]:
        """The newest frame; None before the first."""
        return self._displayed

    @property
    def fps(self) -> float:
        """Frames per second, of the last frames."""
        return round(self._rate.fps, 1)

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
            self._loop.call_soon_threadsafe(self._view_ready.set)

    def close(self) -> None:
        """Notify the viewers and end the server."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._ending.set)
            self._thread.join(CLOSE_SECONDS)

    # The methods below run in the server's thread.

    def _run(self) -> None:
        logging.getLogger("tornado.general").setLevel(logging.ERROR)  # invalid requests
        try:
            asyncio.run(self._serve())
        finally:
            self._started.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._view_ready, self._ending = asyncio.Event(), asyncio.Event()
        server = tornado.httpserver.HTTPServer(
            application(self), max_body_size=0, idle_connection_timeout=60
        )
        server.add_socket(self.listener.sock)
        work = (self._encode(), self._publish_states())
        tasks = [asyncio.ensure_future(x) for x in work]
        self._started.set()
        await self._ending.wait()
        for task in tasks:
            task.cancel()
        server.stop()
        self.states.put({"ended": True})
        await asyncio.sleep(0.1)  # until it is sent
        for socket in list(self.sockets):
            socket.disconnect()
        closing = asyncio.ensure_future(server.close_all_connections())
        await asyncio.wait([closing], timeout=CLOSE_SECONDS / 2)

    async def _encode(self) -> None:
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

    async def _publish_states(self) -> None:
        """Publish the state regularly."""
        while True:
            if self.states.readers:
                self.states.put(self.state())
            await asyncio.sleep(STATE_SECONDS)

    def page_info(self) -> dict[str, Any]:
        """The first message to a page: the source, the classes, the controls."""
        classes = [
            {"index": i, "name": self.info.class_names[i], "color": self.info.colors[i]}
            for i in legend_classes(self.info)
        ]
        return {
            "source": self.source.name,
            "classes": classes,
            "controls": controls_of(self.info),
            "replaceable": self.background is not None,
            "zones_editable": bool(self.zones and self.zones.path),
        }

    def state(self) -> dict[str, Any]:
        """The state for the pages: numbers and view settings."""
        view, millis = self.controls.view, list(self._millis)
        displayed, task = self._displayed, self.info.task
        summarize = IN_BRIEF.get(task, SUMMARIES[task])
        return {
            "fps": self.fps,
            "millis": {
                stage: round(float(np.mean([m.get(stage, 0.0) for m in millis])), 1)
                for stage in (millis[-1] if millis else ())
            },
            **(summarize(displayed.result, self.info) if displayed else {}),
            "crossings": displayed.crossings if displayed else None,
            **self._watched(displayed),
            "waiting": self._waiting(),
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

    def _waiting(self) -> str:
        """What the camera loop is waiting for, or ""."""
        if not self._rate.count:
            return "the first frame"
        away = time.monotonic() - self._last_time
        if self.source.live and away > STALL_SECONDS and not self.controls.paused:
            return self.source.name
        return ""

    def apply_change(self, message: str) -> None:
        """Apply a change by a page. Raises ValueError for an invalid change."""
        change = json.loads(message)
        if not isinstance(change, dict) or len(change) != 1:
            raise ValueError("expected an object with one switch")
        if isinstance(change.get("paused"), bool):
            self.controls.paused = change["paused"]
        else:
            self.controls.change_view(
                lambda view: apply_switch(view, change, self.info, self.background)
            )
        self.states.put(self.state())

    @contextmanager
    def watch_images(self) -> Iterator[asyncio.Event]:
        """An event that is set at each new image."""
        with self.images.reader() as updated:
            if self._encoded and self._encoded is self._displayed:
                updated.set()  # an image is already there
            self._view_ready.set()
            yield updated

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
