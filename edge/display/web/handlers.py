"""Request handlers of the browser view."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any, Awaitable, Callable, ContextManager, Optional, Protocol

import tornado.websocket

from edge.display.web.access import Listener

PAGE = Path(__file__).with_name("page.html")
STALLED_SECONDS = 10.0  # after which a viewer that does not read is disconnected
IDLE_SECONDS = 1.0  # after which a page that requests no image is not a viewer
BOUNDARY = "kseg-frame"
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; img-src blob:; connect-src "
    "'self'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",  # the URL may contain the token
    "X-Content-Type-Options": "nosniff",
}


class Web(Protocol):
    """The part of edge.display.web.server.Web that the handlers use."""

    listener: Listener
    images: Any
    states: Any
    sockets: set

    def watch_images(self) -> ContextManager[asyncio.Event]: ...
    def snapshot(self) -> Optional[bytes]: ...
    def page_info(self) -> dict[str, Any]: ...
    def state(self) -> dict[str, Any]: ...
    def apply_change(self, message: str) -> None: ...


def multipart_frame(index: int, jpeg: bytes) -> bytes:
    """One image of the multipart stream, with the boundary that ends it."""
    head = f"Content-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n"
    head += f"X-Frame: {index}\r\n\r\n"
    return head.encode() + jpeg + f"\r\n--{BOUNDARY}\r\n".encode()


def application(web: Web) -> tornado.web.Application:
    handlers = [
        (pattern, handler, {"web": web})
        for pattern, handler in (
            ("/", Page),
            ("/stream.mjpg", Stream),
            ("/snapshot.png", Snapshot),
            ("/link", ViewSocket),
        )
    ]
    return tornado.web.Application(
        handlers,
        log_function=lambda _: None,  # viewers are not logged
        websocket_ping_interval=5,  # detects pages that are gone
        websocket_ping_timeout=5,
        websocket_max_message_size=1000,
    )


class AuthenticatedHandler(tornado.web.RequestHandler):
    """Base class of the handlers: headers, and the check of the token."""

    def initialize(self, web: Web) -> None:
        self.web = web

    def set_default_headers(self) -> None:
        for name, value in HEADERS.items():
            self.set_header(name, value)
        self.clear_header("Server")

    def prepare(self) -> None:
        listener = self.web.listener
        if not listener.token:
            if not listener.accepts_host(self.request.host_name.strip("[]")):
                reason = "The host name is not that of this machine"
                raise tornado.web.HTTPError(403, reason=reason)
            return
        tokens = [self.get_query_argument("token", "")]
        tokens.append(self.get_cookie(listener.cookie, ""))
        if not listener.accepts_token(tokens):
            reason = "Open the address that the camera program printed, with its token"
            raise tornado.web.HTTPError(403, reason=reason)

    def write_error(self, status_code: int, **_: Any) -> None:
        self.set_header("Content-Type", "text/plain; charset=UTF-8")
        self.finish(f"{status_code}: {self._reason}\n")


class Page(AuthenticatedHandler):
    def get(self) -> None:
        listener = self.web.listener
        if "token" in self.request.arguments:  # move it to a cookie
            # Lax: links from other sites should work.
            options = {"httponly": True, "samesite": "Lax"}
            self.set_cookie(listener.cookie, listener.token, **options)
            self.redirect("./")
            return
        self.set_header("Content-Type", "text/html; charset=UTF-8")
        self.finish(PAGE.read_bytes())


class Stream(AuthenticatedHandler):
    async def get(self) -> None:
        self._sending = asyncio.current_task()
        kind = f"multipart/x-mixed-replace; boundary={BOUNDARY}"
        self.set_header("Content-Type", kind)
        self.write(f"--{BOUNDARY}\r\n")
        try:
            with self.web.watch_images() as updated:
                while True:
                    await updated.wait()
                    updated.clear()
                    self.write(multipart_frame(*self.web.images.value))
                    await asyncio.wait_for(self.flush(), STALLED_SECONDS)
        except asyncio.TimeoutError:
            self.request.connection.stream.close()
        except (asyncio.CancelledError, tornado.iostream.StreamClosedError):
            pass

    def on_connection_close(self) -> None:
        self._sending.cancel()


class Snapshot(AuthenticatedHandler):
    async def get(self) -> None:
        loop = asyncio.get_running_loop()
        png = await loop.run_in_executor(None, self.web.snapshot)
        if png is None:
            raise tornado.web.HTTPError(503, reason="No frame has been captured yet")
        name = time.strftime("kseg-%Y%m%d-%H%M%S.png")
        self.set_header("Content-Type", "image/png")
        self.set_header("Content-Disposition", f'attachment; filename="{name}"')
        self.finish(png)


class ViewSocket(tornado.websocket.WebSocketHandler, AuthenticatedHandler):
    """A page's WebSocket. Tornado rejects pages of other origins."""

    def open(self) -> None:
        self.web.sockets.add(self)
        self._requested = asyncio.Event()
        work = (self._send_states, self._send_images)
        self._tasks = [asyncio.ensure_future(self._while_open(x)) for x in work]

    @staticmethod
    async def _while_open(work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except tornado.websocket.WebSocketClosedError:
            pass

    async def _send_states(self) -> None:
        """Send states to this page; slow pages do not delay others."""
        with self.web.states.reader() as updated:
            await self.write_message({**self.web.page_info(), **self.web.state()})
            while True:
                await updated.wait()
                updated.clear()
                await self.write_message(self.web.states.value)

    async def _send_images(self) -> None:
        """Send the newest image at each request; a hidden page does not request any."""
        while True:
            await self._requested.wait()
            with self.web.watch_images() as updated:
                while await self._requests_image():
                    await updated.wait()
                    updated.clear()
                    _, jpeg = self.web.images.value
                    await self.write_message(jpeg, binary=True)

    async def _requests_image(self) -> bool:
        """Whether the page requests an image within IDLE_SECONDS."""
        try:
            await asyncio.wait_for(self._requested.wait(), IDLE_SECONDS)
        except asyncio.TimeoutError:
            return False
        self._requested.clear()
        return True

    def on_message(self, message: Any) -> None:
        if message == "next":
            self._requested.set()
            return
        try:
            self.web.apply_change(message)
        except (ValueError, TypeError) as error:
            self.close(1003, str(error)[:100])

    def disconnect(self) -> None:
        """Close the connection without waiting for the page."""
        if self.ws_connection:
            self.ws_connection.stream.close()

    def on_close(self) -> None:
        self.web.sockets.discard(self)
        for task in self._tasks:
            task.cancel()
