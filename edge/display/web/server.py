"""The browser view: a web page, a stream of JPEG images, and the view settings.

    GET /              the page, page.html in this folder
    GET /snapshot.png  the current view
    GET /stream.mjpg   the views as a multipart stream, for other programs
    WebSocket /link    of the page: the state twice a second, images on request
    /api/, /metrics    for other programs; openapi.json in this folder describes them

Of several sources the query names one: /snapshot.png?source=NAME. The page requests the
next image after it has shown the last one, so that no old images are queued. It needs
Tornado, an optional dependency without dependencies of its own. The server runs in its
own thread; the loop hands it each frame without waiting.
"""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from typing import Any, Optional, Sequence

import tornado.websocket

from edge.display.view import controls_of, legend_classes
from edge.display.web.access import Listener
from edge.display.web.handlers import ViewSocket
from edge.display.web.rates import RateLimit
from edge.display.web.routes import application
from edge.display.web.shown_source import ShownSource
from edge.display.web.switches import apply_switch

STATE_SECONDS = 0.5
CLOSE_SECONDS = 2.0  # time for the server to end


class Web:
    """The server that shows frames in browsers.

    Each of `sources` is a sink, see edge.display.sinks. All viewers share one view of
    all sources and may change it.
    """

    def __init__(self, listener: Listener, *sources: ShownSource):
        self.listener, self.sources, self.first = listener, sources, sources[0]
        self.info, self.limit = self.first.info, RateLimit()
        self.sockets: set[ViewSocket] = set()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, name="web", daemon=True)
        self._thread.start()
        self._started.wait()

    @property
    def names(self) -> Sequence[str]:
        """The names of the sources; that of a single one is what it is called."""
        return [shown.name or shown.source.label for shown in self.sources]

    def find(self, name: str) -> Optional[ShownSource]:
        """The source of this name; None if there is none."""
        return dict(zip(self.names, self.sources)).get(name)

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
        self._loop, self._ending = asyncio.get_running_loop(), asyncio.Event()
        for shown in self.sources:
            shown.begin(self._loop)
        server = tornado.httpserver.HTTPServer(
            application(self), max_body_size=0, idle_connection_timeout=60
        )
        server.add_socket(self.listener.sock)
        work = [shown.encode() for shown in self.sources]
        tasks = [asyncio.ensure_future(x) for x in (*work, self._publish_states())]
        self._started.set()
        await self._ending.wait()
        for task in tasks:
            task.cancel()
        server.stop()
        for shown in self.sources:
            shown.states.put({"ended": True})
        await asyncio.sleep(0.1)  # until it is sent
        for socket in list(self.sockets):
            socket.disconnect()
        closing = asyncio.ensure_future(server.close_all_connections())
        await asyncio.wait([closing], timeout=CLOSE_SECONDS / 2)

    async def _publish_states(self) -> None:
        """Publish the states regularly."""
        while True:
            self.publish_states()
            await asyncio.sleep(STATE_SECONDS)

    def publish_states(self) -> None:
        """Send the state of each source to the pages that show it."""
        for shown in self.sources:
            if shown.states.readers:
                shown.states.put(shown.state())

    def page_info(self, shown: ShownSource) -> dict[str, Any]:
        """The first message to a page: the source, the classes, the controls."""
        classes = [
            {"index": i, "name": self.info.class_names[i], "color": self.info.colors[i]}
            for i in legend_classes(self.info)
        ]
        return {
            "source": shown.source.label,
            "address": shown.source.name,
            "name": shown.name,
            "names": self.names if len(self.sources) > 1 else [],
            "classes": classes,
            "controls": controls_of(self.info),
            "replaceable": shown.background is not None,
            "captures": shown.controls.capture is not None,
            "zones_editable": bool(shown.zones and shown.zones.path),
            "rules": bool(shown.totals.events),
        }

    def apply_change(self, message: str) -> None:
        """Apply a change by a page. Raises ValueError for an invalid change."""
        change = json.loads(message)
        if not isinstance(change, dict) or len(change) != 1:
            raise ValueError("expected an object with one switch")
        for shown in self.sources:
            if isinstance(change.get("paused"), bool):
                shown.controls.paused = change["paused"]
            else:
                given = self.info, shown.background
                shown.controls.change_view(
                    lambda view: apply_switch(view, change, *given)  # noqa: B023
                )
        self.publish_states()
