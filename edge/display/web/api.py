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
from edge.display.web.event_history import merged
from edge.display.web.handlers import SNAPSHOT_COST, Snapshot
from edge.display.web.metrics import CONTENT_TYPE, families_of, joined, text_of
from edge.display.web.shown_source import ShownSource
from edge.display.web.zone_store import NotSaved, Outdated, ZoneStore, parse_zones

DESCRIPTION = Path(__file__).with_name("openapi.json")
JSON = "application/json"
MOST_BYTES = 1 << 16  # of the body of a request
CHANGE_COST = 5.0  # of what writes to a disk, in requests; see RateLimit
FEW_EVENTS, MOST_LIMIT = 100, 1000  # by default, and at most
NO_FILE = "There is no file for zones; start the camera with --zones {name}FILE"
NO_CAPTURE = "Frames are not kept; start the camera with --capture DIR"
NOT_KEPT = "The frame is not kept: none is there yet, or the disk is full; try again"
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
        shown = self.shown_source()
        self.reply(
            {
                "source": shown.source.label,
                "live": shown.source.live,
                "task": shown.info.task,
                "frames": shown.totals.frames,
                "dropped": shown.totals.dropped,
                **shown.state(),
            }
        )


class Sources(ApiHandler):
    """The sources, and whether each gives frames."""

    def get(self) -> None:
        pairs = zip(self.web.names, self.web.sources)
        found = [source_json(name, shown) for name, shown in pairs]
        self.reply({"sources": found})


def source_json(name: str, shown: ShownSource) -> Dict[str, Any]:
    """A source in the list of all."""
    return {
        "name": name,
        "address": shown.source.name,
        "live": shown.source.live,
        "frames": shown.totals.frames,
        "dropped": shown.totals.dropped,
        "fps": shown.fps,
        "age": shown.age,
        "waiting": shown.waiting(),
        "finished": shown.controls.finished,
    }


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
        named = self.named_source()
        try:
            limit = self._limit()
        except Refused as error:
            return self.refuse(error)
        sources = [named] if named else self.web.sources
        found = [shown.events(limit) for shown in sources]
        self.reply({"events": merged(found)[:limit] if len(found) > 1 else found[0]})

    def _limit(self) -> int:
        text = self.get_query_argument("limit", str(FEW_EVENTS))
        if text.isascii() and text.isdigit() and len(text) < 6:
            if 1 <= int(text) <= MOST_LIMIT:
                return int(text)
        raise Refused(400, f"limit: write a number from 1 to {MOST_LIMIT}")


@tornado.web.stream_request_body
class WithBody(ApiHandler):
    """Requests may have a body, which is read only after prepare refuses strangers."""

    def prepare(self) -> None:
        super().prepare()
        self._body = bytearray()
        if self.request.method in ("PUT", "POST"):
            length = self.request.headers.get("Content-Length", "0")
            if len(length) > 9 or (length.isdigit() and int(length) > MOST_BYTES):
                reason = f"The request has more than {MOST_BYTES} bytes"
                raise tornado.web.HTTPError(413, reason=reason)
            self.request.connection.set_max_body_size(MOST_BYTES)

    def data_received(self, chunk: bytes) -> None:
        self._body += chunk


class Zones(WithBody):
    """Zones, their measures and whether they can be saved."""

    def cost(self) -> float:
        return CHANGE_COST if self.request.method == "PUT" else 1.0

    def get(self) -> None:
        self._reply_zones()

    async def put(self) -> None:
        try:
            await self._save()
            self._reply_zones()
        except Refused as error:
            self.refuse(error)

    def _reply_zones(self) -> None:
        shown = self.shown_source()
        if shown.zones:
            self.set_header("Etag", f'"{shown.zones.version}"')
        self.reply(zones_json(shown))

    async def _save(self) -> None:
        """Save the zones of the body. Raises Refused if that cannot be."""
        shown = self.shown_source()
        store = shown.zones
        if not (store and store.path):
            name = f"{shown.name}=" if shown.name else ""
            raise Refused(409, NO_FILE.format(name=name))
        kind = self.request.headers.get("Content-Type", "").partition(";")[0].strip()
        if kind.lower() != JSON:
            raise Refused(415, f"Send JSON with the header Content-Type: {JSON}")
        version = self.request.headers.get("If-Match", "").strip()
        version = version.removeprefix("W/").strip('"')  # proxies that compress add W/
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, save, store, bytes(self._body), version)
        self.web.publish_states()


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


def zones_json(shown: ShownSource) -> Dict[str, Any]:
    """The zones, what is measured in them, and whether they can be saved."""
    store, displayed = shown.zones, shown.displayed
    measures = displayed.measures if displayed else None
    return {
        "zones": store.to_json() if store else {},
        "version": store.version if store else "",
        "editable": bool(store and store.path),
        "measures": measures.to_json() if measures else {},
    }


class Capture(WithBody):
    """Keeps the newest frame for labelling, as the key c does in the window.

    Some programs always send a body with a POST; it means nothing here.
    """

    def cost(self) -> float:
        return CHANGE_COST

    async def post(self) -> None:
        shown = self.shown_source()
        keep = shown.controls.capture
        if not keep:
            return self.refuse(Refused(409, NO_CAPTURE))
        loop = asyncio.get_running_loop()
        name = await loop.run_in_executor(None, keep)
        if not name:
            return self.refuse(Refused(503, NOT_KEPT))
        self.reply({"file": name})


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
        self.set_header("Content-Type", CONTENT_TYPE)
        sources = {
            shown.name: families_of(
                *(shown.totals, shown.fps, shown.source.label),
                *(shown.info, shown.displayed),
            )
            for shown in self.web.sources
        }
        self.finish(text_of(joined(sources)))
