"""What other programs ask for: JSON under /api/, and the metrics of Prometheus.

The paths, parameters and answers are described in openapi.json in this folder.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from pathlib import Path
from typing import Any, Dict

import tornado.web

from edge.core.errors import InputError
from edge.core.files import json_text
from edge.core.redaction import redact
from edge.display.web.authenticated import SameSiteHandler
from edge.display.web.handlers import SNAPSHOT_COST, Snapshot
from edge.display.web.metrics import CONTENT_TYPE, metrics_text
from edge.display.web.zone_store import NotSaved, Outdated, ZoneStore, parse_zones

DESCRIPTION = Path(__file__).with_name("openapi.json")
JSON = "application/json"
MOST_BYTES = 1 << 16  # of the body of a request
CHANGE_COST = 5.0  # of a change of zones, in requests; see RateLimit
FEW_EVENTS, MOST_LIMIT = 100, 1000  # by default, and at most
NO_FILE = "There is no file for zones; start the camera with --zones FILE"
OUTDATED = "The zones have been changed meanwhile; get them and try again"


class Refused(Exception):
    """A request that cannot be answered: the status and one line that says why."""

    def __init__(self, status: int, message: str):
        super().__init__(message)
        self.status = status


class ApiHandler(SameSiteHandler):
    """Answers with JSON; an error is {"error": one line}."""

    def cost(self) -> float:
        return 1.0

    def compute_etag(self) -> None:
        """Nothing: answers change all the time."""

    def check_etag_header(self) -> bool:
        """False: measures beside zones with the same ETag may be others."""
        return False

    def reply(self, content: Any) -> None:
        self.set_header("Content-Type", JSON)
        self.finish(json_text(content) + "\n")

    def refuse(self, error: Refused) -> None:
        """Answer with a status and a message, which may have any characters."""
        self.set_status(error.status, HTTPStatus(error.status).phrase)
        self.reply({"error": redact(str(error))})

    def write_error(self, status_code: int, **_: Any) -> None:
        self.set_error_headers(status_code)
        self.reply({"error": self._reason})


class Description(ApiHandler):
    def get(self) -> None:
        self.set_header("Content-Type", JSON)
        self.finish(DESCRIPTION.read_bytes())


class State(ApiHandler):
    def get(self) -> None:
        web = self.web
        self.reply(
            {
                "source": web.source.name,
                "live": web.source.live,
                "task": web.info.task,
                "frames": web.totals.frames,
                "dropped": web.totals.dropped,
                **web.state(),
            }
        )


class Classes(ApiHandler):
    def get(self) -> None:
        pairs = zip(self.web.info.class_names, self.web.info.colors)
        found = [
            {"index": index, "name": name, "color": list(color)}
            for index, (name, color) in enumerate(pairs)
        ]
        self.reply({"classes": found})


class Events(ApiHandler):
    def get(self) -> None:
        displayed = self.web.displayed
        seconds = displayed.seconds if displayed else 0.0
        try:
            self.reply({"events": self.web.history.latest(self._limit(), seconds)})
        except Refused as error:
            self.refuse(error)

    def _limit(self) -> int:
        text = self.get_query_argument("limit", str(FEW_EVENTS))
        if text.isascii() and text.isdigit() and len(text) < 6:
            if 1 <= int(text) <= MOST_LIMIT:
                return int(text)
        raise Refused(400, f"limit: write a number from 1 to {MOST_LIMIT}")


@tornado.web.stream_request_body
class Zones(ApiHandler):
    """Zones, their measures and whether they can be saved.

    The body of a request is read only after prepare, which refuses strangers.
    """

    def cost(self) -> float:
        return CHANGE_COST if self.request.method == "PUT" else 1.0

    def prepare(self) -> None:
        super().prepare()
        self._body = bytearray()
        if self.request.method == "PUT":
            length = self.request.headers.get("Content-Length", "0")
            if len(length) > 9 or (length.isdigit() and int(length) > MOST_BYTES):
                reason = f"The request has more than {MOST_BYTES} bytes"
                raise tornado.web.HTTPError(413, reason=reason)
            self.request.connection.set_max_body_size(MOST_BYTES)

    def data_received(self, chunk: bytes) -> None:
        self._body += chunk

    def get(self) -> None:
        self._reply_zones()

    async def put(self) -> None:
        try:
            await self._save()
            self._reply_zones()
        except Refused as error:
            self.refuse(error)

    def _reply_zones(self) -> None:
        store = self.web.zones
        if store:
            self.set_header("Etag", f'"{store.version}"')
        self.reply(zones_json(self.web))

    async def _save(self) -> None:
        """Save the zones of the body. Raises Refused if that cannot be."""
        store = self.web.zones
        if not (store and store.path):
            raise Refused(409, NO_FILE)
        kind = self.request.headers.get("Content-Type", "").partition(";")[0].strip()
        if kind.lower() != JSON:
            raise Refused(415, f"Send JSON with the header Content-Type: {JSON}")
        version = self.request.headers.get("If-Match", "").strip()
        version = version.removeprefix("W/").strip('"')  # proxies that compress add W/
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, save, store, bytes(self._body), version)
        self.web.states.put(self.web.state())


def save(store: ZoneStore, body: bytes, version: str) -> None:
    """Parse and save zones; in a thread, as disks are slow. Raises Refused."""
    try:
        store.save(parse_zones(body), "" if version == "*" else version)
    except InputError as error:
        raise Refused(400, str(error)) from None
    except Outdated:
        raise Refused(412, OUTDATED) from None
    except NotSaved as error:
        raise Refused(500, str(error)) from None


def zones_json(web: Any) -> Dict[str, Any]:
    """The zones, what is measured in them, and whether they can be saved."""
    store, displayed = web.zones, web.displayed
    measures = displayed.measures if displayed else None
    return {
        "zones": store.to_json() if store else {},
        "version": store.version if store else "",
        "editable": bool(store and store.path),
        "measures": measures.to_json() if measures else {},
    }


class ApiSnapshot(ApiHandler, Snapshot):
    """The current view as an image; errors are JSON."""

    def cost(self) -> float:
        return SNAPSHOT_COST


class ApiNotFound(ApiHandler):
    def prepare(self) -> None:
        super().prepare()
        raise tornado.web.HTTPError(404)


class Metrics(ApiHandler):
    def get(self) -> None:
        web = self.web
        self.set_header("Content-Type", CONTENT_TYPE)
        self.finish(
            metrics_text(
                *(web.totals, web.fps, web.source.name, web.info, web.displayed)
            )
        )
