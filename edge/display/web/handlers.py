"""The requests that the browser view answers."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any, Awaitable, Callable, ContextManager, Optional, Protocol

import tornado.websocket

from edge.display.web.access import Listener

PAGE = Path(__file__).with_name("page.html")
STALLED = 10.0  # seconds after which a viewer that takes nothing is let go
IDLE = 1.0  # seconds after which a page that asks for no picture is not looking
BOUNDARY = "kseg-frame"
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; img-src blob:; connect-src "
    "'self'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",  # an address may hold the token
    "X-Content-Type-Options": "nosniff",
}


class Web(Protocol):
    """What the handlers need of edge.display.web.server.Web."""

    door: Listener
    pictures: Any
    states: Any
    links: set

    def looking(self) -> ContextManager[asyncio.Event]: ...
    def snapshot(self) -> Optional[bytes]: ...
    def hello(self) -> dict[str, Any]: ...
    def state(self) -> dict[str, Any]: ...
    def obey(self, message: str) -> None: ...


def multipart_frame(index: int, jpeg: bytes) -> bytes:
    """A picture of the stream. Viewers show it once they see the boundary behind."""
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
        log_function=lambda _: None,  # who looks is nobody's business
        websocket_ping_interval=5,  # a page that is gone is noticed
        websocket_ping_timeout=5,
        websocket_max_message_size=1000,
    )


class AuthenticatedHandler(tornado.web.RequestHandler):
    """What every answer begins with: the token, if there must be one."""

    def initialize(self, web: Web) -> None:
        self.web = web

    def set_default_headers(self) -> None:
        for name, value in HEADERS.items():
            self.set_header(name, value)
        self.clear_header("Server")

    def prepare(self) -> None:
        door = self.web.door
        if not door.token:
            if not door.accepts_host(self.request.host_name.strip("[]")):
                raise tornado.web.HTTPError(403, reason="Not the name of this machine")
            return
        given = [self.get_query_argument("token", ""), self.get_cookie(door.cookie, "")]
        if not door.accepts_token(given):
            reason = "Open the address that the runner has printed, with its token"
            raise tornado.web.HTTPError(403, reason=reason)

    def write_error(self, status_code: int, **_: Any) -> None:
        self.set_header("Content-Type", "text/plain; charset=UTF-8")
        self.finish(f"{status_code}: {self._reason}\n")


class Page(AuthenticatedHandler):
    def get(self) -> None:
        door = self.web.door
        if "token" in self.request.arguments:  # into a cookie, out of sight
            # Lax: whoever follows a link from elsewhere should come in.
            options = {"httponly": True, "samesite": "Lax"}
            self.set_cookie(door.cookie, door.token, **options)
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
            with self.web.looking() as news:
                while True:
                    await news.wait()
                    news.clear()
                    self.write(multipart_frame(*self.web.pictures.value))
                    await asyncio.wait_for(self.flush(), STALLED)
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
            raise tornado.web.HTTPError(503, reason="There is no frame yet")
        name = time.strftime("kseg-%Y%m%d-%H%M%S.png")
        self.set_header("Content-Type", "image/png")
        self.set_header("Content-Disposition", f'attachment; filename="{name}"')
        self.finish(png)


class ViewSocket(tornado.websocket.WebSocketHandler, AuthenticatedHandler):
    """A page's line to the runner. Tornado refuses pages of other origins."""

    def open(self) -> None:
        self.web.links.add(self)
        self._asked = asyncio.Event()
        work = (self._tell, self._show)
        self._tasks = [asyncio.ensure_future(self._while_open(x)) for x in work]

    @staticmethod
    async def _while_open(work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except tornado.websocket.WebSocketClosedError:
            pass

    async def _tell(self) -> None:
        """Each page at its own pace: one that does not read holds up no other."""
        with self.web.states.reader() as news:
            await self.write_message({**self.web.hello(), **self.web.state()})
            while True:
                await news.wait()
                news.clear()
                await self.write_message(self.web.states.value)

    async def _show(self) -> None:
        """The newest picture whenever the page asks. A hidden page does not ask."""
        while True:
            await self._asked.wait()
            with self.web.looking() as news:
                while await self._asks():
                    await news.wait()
                    news.clear()
                    _, jpeg = self.web.pictures.value
                    await self.write_message(jpeg, binary=True)

    async def _asks(self) -> bool:
        """Whether the page asks within a moment."""
        try:
            await asyncio.wait_for(self._asked.wait(), IDLE)
        except asyncio.TimeoutError:
            return False
        self._asked.clear()
        return True

    def on_message(self, message: Any) -> None:
        if message == "next":
            self._asked.set()
            return
        try:
            self.web.obey(message)
        except (ValueError, TypeError) as error:
            self.close(1003, str(error)[:100])

    def leave(self) -> None:
        """Hangs up at once, without waiting for the page to agree."""
        if self.ws_connection:
            self.ws_connection.stream.close()

    def on_close(self) -> None:
        self.web.links.discard(self)
        for task in self._tasks:
            task.cancel()
