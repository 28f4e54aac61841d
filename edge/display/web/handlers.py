"""Request handlers of the browser view."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any, Awaitable, Callable

import tornado.iostream
import tornado.web
import tornado.websocket

from edge.display.web.authenticated import AuthenticatedHandler, SameSiteHandler

FOLDER = Path(__file__).parent
STALLED_SECONDS = 10.0  # after which a viewer that does not read is disconnected
IDLE_SECONDS = 1.0  # after which a page that requests no image is not a viewer
BOUNDARY = "kseg-frame"
SNAPSHOT_COST = 5.0  # in requests; see RateLimit
KINDS = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
IMAGES = {".png": "image/png", ".jpg": "image/jpeg"}


def multipart_frame(index: int, jpeg: bytes) -> bytes:
    """One image of the multipart stream, with the boundary that ends it."""
    head = f"Content-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n"
    head += f"X-Frame: {index}\r\n\r\n"
    return head.encode() + jpeg + f"\r\n--{BOUNDARY}\r\n".encode()


class FileHandler(AuthenticatedHandler):
    def send_file(self, name: str) -> None:
        path = FOLDER / name
        self.set_header("Content-Type", f"{KINDS[path.suffix]}; charset=UTF-8")
        self.finish(path.read_bytes())


class Page(FileHandler):
    def get(self) -> None:
        listener = self.web.listener
        if "token" in self.request.arguments:  # move it to a cookie
            # Lax: links from other sites should work.
            options = {"httponly": True, "samesite": "Lax"}
            self.set_cookie(listener.cookie, listener.token, **options)
            self.redirect("./")
            return
        self.send_file("page.html")


class PageFile(FileHandler):
    """A file beside page.html, which the page loads."""

    def get(self) -> None:
        self.send_file(self.request.path.lstrip("/"))


class Stream(AuthenticatedHandler):
    async def get(self) -> None:
        shown = self.shown_source()
        self._sending = asyncio.current_task()
        kind = f"multipart/x-mixed-replace; boundary={BOUNDARY}"
        self.set_header("Content-Type", kind)
        self.write(f"--{BOUNDARY}\r\n")
        try:
            with shown.watch_images() as updated:
                while True:
                    await updated.wait()
                    updated.clear()
                    self.write(multipart_frame(*shown.images.value))
                    await asyncio.wait_for(self.flush(), STALLED_SECONDS)
        except asyncio.TimeoutError:
            self.request.connection.stream.close()
        except (asyncio.CancelledError, tornado.iostream.StreamClosedError):
            pass

    def on_connection_close(self) -> None:
        self._sending.cancel()


class Snapshot(AuthenticatedHandler):
    """The current view, in the format that the path's suffix says."""

    def cost(self) -> float:
        return SNAPSHOT_COST

    async def get(self) -> None:
        shown = self.shown_source()
        suffix = Path(self.request.path).suffix
        loop = asyncio.get_running_loop()
        data = await loop.run_in_executor(None, shown.snapshot, suffix)
        if data is None:
            raise tornado.web.HTTPError(503, reason="No frame has been captured yet")
        stem = f"kseg-{shown.name}" if shown.name else "kseg"
        name = f"{stem}-{time.strftime('%Y%m%d-%H%M%S')}{suffix}"
        self.set_header("Content-Type", IMAGES[suffix])
        self.set_header("Content-Disposition", f'attachment; filename="{name}"')
        self.finish(data)


class ViewSocket(tornado.websocket.WebSocketHandler, SameSiteHandler):
    """A page's WebSocket, for one source: without a name in the query the first."""

    def prepare(self) -> None:
        super().prepare()
        self.shown = self.named_source() or self.web.first

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
        shown = self.shown
        with shown.states.reader() as updated:
            await self.write_message({**self.web.page_info(shown), **shown.state()})
            while True:
                await updated.wait()
                updated.clear()
                await self.write_message(shown.states.value)

    async def _send_images(self) -> None:
        """Send the newest image at each request; a hidden page does not request any."""
        while True:
            await self._requested.wait()
            with self.shown.watch_images() as updated:
                while await self._requests_image():
                    await updated.wait()
                    updated.clear()
                    _, jpeg = self.shown.images.value
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
