"""The live picture in a browser: a page, a stream of JPEGs, the switches of the view.

    GET /              the page, page.html beside this file
    GET /snapshot.png  the picture as it is now
    GET /stream.mjpg   the pictures as a multipart stream, for other programs
    WebSocket /link    the page's: numbers twice a second, each picture that it asks for

A page asks for a picture when it has shown the last, so that nothing old waits on the
way to it. It needs Tornado, an optional import: one package that needs no other. The
server has a thread of its own; the loop only leaves each frame there, never waiting.
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

from edge.core.timing import Rate
from edge.display.sinks import Controls, DisplayFrame
from edge.display.tasks import DRAW, SUMMARIES
from edge.display.view import Background, View, all_of, listed
from edge.display.web.access import Listener
from edge.display.web.handlers import ViewSocket, application
from edge.model_file.info import ModelInfo
from edge.video.frames import PATIENCE, Source

QUALITY = 80  # of the JPEGs
LONGEST = 1280  # pixels of their sides; the snapshot has all
STATE_SECONDS = 0.5
GOODBYE = 2.0  # seconds for the server to end


# What is sent


def encoded(view: np.ndarray) -> bytes:
    """The view as a JPEG, no side longer than LONGEST."""
    scale = LONGEST / max(view.shape[:2])
    if scale < 1:
        view = cv2.resize(view, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return cv2.imencode(".jpg", view, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()


def changed(
    view: View,
    change: dict[str, Any],
    info: ModelInfo,
    background: Optional[Background] = None,
) -> View:
    """The view after a switch of the page; ValueError where there is no such switch.

    >>> info = ModelInfo(class_names=("road", "car"), colors=((0, 0, 1), (0, 1, 0)))
    >>> changed(View(), {"hide": 1}, info).hidden
    frozenset({1})
    """
    ((switch, value),) = change.items()
    if switch in ("hide", "show") and value == "all":
        return replace(view, hidden=all_of(info) if switch == "hide" else frozenset())
    if switch in ("hide", "show") and value in range(len(info.class_names)):
        hidden = view.hidden | {value} if switch == "hide" else view.hidden - {value}
        return replace(view, hidden=hidden)
    if switch == "opacity" and isinstance(value, (int, float)) and 0 <= value <= 1:
        return replace(view, opacity=float(value))
    if switch in ("outlines", "legend") and isinstance(value, bool):
        return replace(view, **{switch: value})
    if switch == "background" and isinstance(value, bool):
        return replace(view, background=background if value else None)
    raise ValueError(f"no such switch: {switch}")


class Latest:
    """A place where only the newest counts, for many readers at their own pace."""

    def __init__(self):
        self.value: Any = None
        self.readers: set[asyncio.Event] = set()

    def put(self, value: Any) -> None:
        self.value = value
        for news in self.readers:
            news.set()

    @contextmanager
    def reader(self) -> Iterator[asyncio.Event]:
        """An event that is set whenever there is something new."""
        news = asyncio.Event()
        self.readers.add(news)
        try:
            yield news
        finally:
            self.readers.discard(news)


class Web:
    """The sink that shows frames in browsers; see edge.display.sinks.

    Frames are drawn and encoded only while somebody looks. All who look see one view
    and may change it.
    """

    def __init__(
        self,
        door: Listener,
        controls: Controls,
        info: ModelInfo,
        background: Optional[Background],
        source: Source,
    ):
        self.door, self.controls, self.info = door, controls, info
        self.background, self.source = background, source
        self.pictures, self.states = Latest(), Latest()
        self.links: set[ViewSocket] = set()
        self._seen: Optional[DisplayFrame] = None
        self._encoded: Optional[DisplayFrame] = None
        self._rate, self._millis = Rate(window=20), deque(maxlen=20)
        self._came = time.monotonic()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, name="web", daemon=True)
        self._thread.start()
        self._started.wait()

    @property
    def wants_view(self) -> bool:
        """Whether somebody looks."""
        return bool(self.pictures.readers)

    def take(self, seen: DisplayFrame) -> None:
        """Leaves the frame with the server: nothing here waits for anybody."""
        if not seen.again:
            self._rate.tick()
            self._millis.append(seen.millis)
            self._came = time.monotonic()
        self._seen = seen
        if self.wants_view:
            self._loop.call_soon_threadsafe(self.fresh.set)

    def close(self) -> None:
        """Tells those who look, and ends the server."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._ending.set)
            self._thread.join(GOODBYE)

    # From here on all runs in the server's thread.

    def _run(self) -> None:
        logging.getLogger("tornado.general").setLevel(logging.ERROR)  # bad requests
        try:
            asyncio.run(self._serve())
        finally:
            self._started.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.fresh, self._ending = asyncio.Event(), asyncio.Event()
        server = tornado.httpserver.HTTPServer(
            application(self), max_body_size=0, idle_connection_timeout=60
        )
        server.add_socket(self.door.listening)
        tasks = [asyncio.ensure_future(x) for x in (self._encode(), self._tell())]
        self._started.set()
        await self._ending.wait()
        for task in tasks:
            task.cancel()
        server.stop()
        self.states.put({"ended": True})
        await asyncio.sleep(0.1)  # for that to be sent
        for link in list(self.links):
            link.leave()
        closing = asyncio.ensure_future(server.close_all_connections())
        await asyncio.wait([closing], timeout=GOODBYE / 2)

    async def _encode(self) -> None:
        """Puts every newest view among the pictures, once; all readers share it."""
        while True:
            await self.fresh.wait()
            self.fresh.clear()
            seen = self._seen
            if seen is None or seen.view is None or seen is self._encoded:
                continue
            jpeg = await self._loop.run_in_executor(None, encoded, seen.view)
            self._encoded = seen
            self.pictures.put((seen.index, jpeg))

    async def _tell(self) -> None:
        """Keeps the pages told."""
        while True:
            if self.states.readers:
                self.states.put(self.state())
            await asyncio.sleep(STATE_SECONDS)

    def hello(self) -> dict[str, Any]:
        """What a page is told first."""
        classes = [
            {"index": i, "name": self.info.class_names[i], "color": self.info.colors[i]}
            for i in listed(self.info)
        ]
        return {
            "source": self.source.name,
            "classes": classes,
            "replaceable": self.background is not None,
        }

    def state(self) -> dict[str, Any]:
        """What a page is told again and again: numbers and how the switches are."""
        view, millis, seen = self.controls.view, list(self._millis), self._seen
        return {
            "fps": round(self._rate.fps, 1),
            "millis": {
                stage: round(float(np.mean([m.get(stage, 0.0) for m in millis])), 1)
                for stage in (millis[-1] if millis else ())
            },
            **(SUMMARIES[self.info.task](seen.result, self.info) if seen else {}),
            "waiting": self._waiting(),
            "paused": self.controls.paused,
            "hidden": sorted(view.hidden),
            "opacity": view.opacity,
            "outlines": view.outlines,
            "legend": view.legend,
            "background": view.background is not None,
        }

    def _waiting(self) -> str:
        """What the runner waits for, or ""."""
        if not self._rate.count:
            return "the first frame"
        away = time.monotonic() - self._came
        if self.source.live and away > PATIENCE and not self.controls.paused:
            return self.source.name
        return ""

    def obey(self, message: str) -> None:
        """What a switch of the page does. ValueError for what is none."""
        change = json.loads(message)
        if not isinstance(change, dict) or len(change) != 1:
            raise ValueError("not one switch")
        if isinstance(change.get("paused"), bool):
            self.controls.paused = change["paused"]
        else:
            view, ours = self.controls.view, (self.info, self.background)
            self.controls.view = changed(view, change, *ours)
        self.states.put(self.state())

    @contextmanager
    def looking(self) -> Iterator[asyncio.Event]:
        """An event that is set whenever there is a new picture."""
        with self.pictures.reader() as news:
            if self._encoded and self._encoded is self._seen:
                news.set()  # there is one already
            self.fresh.set()
            yield news

    def snapshot(self) -> Optional[bytes]:
        """The newest frame as the view is now, as a PNG; None before the first."""
        seen, view = self._seen, self.controls.view
        if seen is None:
            return None
        picture = DRAW[self.info.task](seen.frame, seen.result, self.info, "", view)
        return cv2.imencode(".png", picture)[1].tobytes()
