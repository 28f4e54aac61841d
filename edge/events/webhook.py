"""Events to a web server, by POST of JSON, in a thread of its own."""

from __future__ import annotations

import http.client
import queue
import ssl
import threading
import time
import urllib.error
import urllib.request
from itertools import islice
from typing import Any, Dict, Optional, Tuple

from edge.core.addresses import redact_address
from edge.core.files import json_text
from edge.core.log import say
from edge.core.redaction import remember
from edge.core.timing import pauses

WAITING = 100  # events that wait to be sent; further ones are lost
TIMEOUT_SECONDS = 10.0  # of connecting, and of each part of the answer
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0  # seconds between attempts
ATTEMPTS = 10  # over about four minutes
CLOSE_SECONDS = 5.0  # for what waits at the end of the program
TRIED_AGAIN = (408, 425, 429)  # answers of status 4xx that pass; 5xx pass too


class Refused(Exception):
    """An answer that another attempt does not change."""


class NoRedirects(urllib.request.HTTPRedirectHandler):
    """Redirects are answers like others: they could carry a secret to another host."""

    def redirect_request(self, *_: Any) -> None:
        return None


class Webhook:
    """A sink that posts each start and end of an event to `address`.

    The body is the JSON of EventChange.to_json. `header` is the name and value of a
    header with a secret. Certificates of https are checked. Events wait in a queue of
    WAITING; the loop never waits. Messages do not show secrets of the address.
    """

    wants_view = False

    def __init__(self, address: str, header: Optional[Tuple[str, str]] = None):
        remember(address)
        self.address, self.shown = address, redact_address(address, source=True)
        self.lost = self.sent = 0
        self._headers: Dict[str, str] = {"Content-Type": "application/json"}
        self._headers["User-Agent"] = "kseg"
        self._headers.update([header] if header else [])
        self._opener = urllib.request.build_opener(NoRedirects)
        self._queue: queue.Queue = queue.Queue(WAITING)
        self._closing = threading.Event()
        self._failing = False
        self._thread = threading.Thread(target=self._run, name="webhook", daemon=True)
        self._thread.start()

    def take(self, displayed: Any) -> None:
        for change in displayed.events:
            try:
                self._queue.put_nowait(json_text(change.to_json()).encode())
            except queue.Full:
                self._lose(f"{WAITING} events wait to be sent")

    def _lose(self, why: str) -> None:
        self.lost += 1
        if self.lost == 1:
            say(f"webhook {self.shown}: an event is lost ({why})")

    def close(self) -> None:
        """Send what waits, for at most CLOSE_SECONDS, and count what is lost."""
        self._closing.set()
        try:
            self._queue.put_nowait(None)
        except queue.Full:
            pass  # the thread looks at `_closing` too
        self._thread.join(CLOSE_SECONDS)
        with self._queue.mutex:
            waiting = sum(item is not None for item in self._queue.queue)
        lost = self.lost + waiting + self._thread.is_alive()
        if lost:
            say(f"webhook {self.shown}: {lost} messages were not delivered")

    # The methods below run in the thread.

    def _run(self) -> None:
        end = float("inf")
        while not (self._closing.is_set() and self._queue.empty()):
            body = self._queue.get()
            if self._closing.is_set():
                end = min(end, time.monotonic() + CLOSE_SECONDS)
            if body is None:
                continue
            if time.monotonic() > end or not self._deliver(body):
                self.lost += 1

    def _deliver(self, body: bytes) -> bool:
        """Send one message, in several attempts. Whether it was delivered."""
        waits = islice(pauses(FIRST_PAUSE, LONGEST_PAUSE), ATTEMPTS - 1)
        while True:
            why, again = self._attempt(body)
            if not why:
                self.sent += 1
                if self._failing:
                    say(f"webhook {self.shown}: it answers again")
                self._failing = False
                return True
            pause = next(waits, None) if again else None
            if not self._failing:
                more = "trying again" if again else "the event is lost"
                say(f"webhook {self.shown}: {why}; {more}")
                self._failing = True
            if pause is None or self._closing.wait(pause):
                return False

    def _attempt(self, body: bytes) -> Tuple[str, bool]:
        """Send once: what has failed, or "", and whether another attempt may help."""
        request = urllib.request.Request(
            self.address, body, self._headers, method="POST"
        )
        timeout = CLOSE_SECONDS if self._closing.is_set() else TIMEOUT_SECONDS
        try:
            with self._opener.open(request, timeout=timeout) as answer:
                answer.read(1)
            return "", False
        except urllib.error.HTTPError as error:
            error.close()
            again = error.code >= 500 or error.code in TRIED_AGAIN
            return f"the server answers with status {error.code}", again
        except urllib.error.URLError as error:
            if isinstance(error.reason, ssl.SSLCertVerificationError):
                why = error.reason.verify_message
                return f"the server's certificate is not trusted ({why})", False
            reason = getattr(error.reason, "strerror", None) or error.reason
            return f"no connection ({reason})", True
        except (OSError, http.client.HTTPException, ValueError) as error:
            return f"no answer ({getattr(error, 'strerror', None) or error})", True
