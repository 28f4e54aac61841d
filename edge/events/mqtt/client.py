"""The connection to a broker, in a thread of its own."""

from __future__ import annotations

import threading
import time
from typing import Any, Callable, Optional

from edge.core.errors import shortened
from edge.core.interrupts import noted_interrupts
from edge.core.log import say
from edge.core.timing import pauses
from edge.events.mqtt.broker import Broker
from edge.events.mqtt.discovery import Announcer
from edge.events.mqtt.outbox import Message, Outbox

POLL_SECONDS = 0.1  # the longest time that a message waits to be sent
KEEP_ALIVE = 30  # seconds without a message, after which the broker is asked
CONNECT_SECONDS, ANSWER_SECONDS = 5.0, 10.0
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0  # seconds between attempts
STEADY_SECONDS = 30.0  # after which a connection counts as a good one
CLOSE_SECONDS = 5.0  # for what waits at the end of the program
QUIET_SECONDS = 0.5  # of that, without a word
REPEATED = 3  # short connections in a row after which another program is suspected
# Reasons of MQTT 5, into which the library translates those of 3.1.1.
REFUSALS = {
    133: "the broker does not accept this client's id",
    134: "the broker refuses the user name or the password",
    135: "the broker refuses the user name or the password",
    136: "the broker is not available",
}


class Client:
    """Sends an outbox to a broker, and connects again for as long as it takes.

    `will` is the message that the broker publishes when the connection breaks; at the
    end of the program the client does. `announcer` gets what the broker has kept of the
    topic of discovery from an earlier run: edge.events.mqtt.discovery.Announcer.
    `context` is the ssl.SSLContext of a broker with TLS. No method waits for the
    broker but `close`, which waits for at most CLOSE_SECONDS, also for several clients
    if all of them have begun to close before.
    """

    def __init__(
        self,
        broker: Broker,
        outbox: Outbox,
        client_id: str,
        will: Message,
        context: Any = None,
        announcer: Optional[Announcer] = None,
        clock: Callable[[], float] = time.monotonic,
    ):
        self.broker, self.outbox, self.client_id = broker, outbox, client_id
        self.will, self.context, self.announcer = will, context, announcer
        self._renews = announcer is not None
        self.connected = False
        self.on_poll: Callable[[], None] = lambda: None  # the thread calls it regularly
        self._clock, self._deadline = clock, float("inf")
        self._closing, self._closed = threading.Event(), False
        self._accepted, self._refusal, self._leaving = False, "", False
        self._short = 0  # connections in a row that were lost soon
        self._said = ""  # the last reason that was printed
        self._thread = threading.Thread(target=self._run, name="mqtt", daemon=True)
        self._thread.start()

    def say(self, text: str) -> None:
        say(f"mqtt {self.broker.shown}: {text}")

    def begin_closing(self) -> None:
        """Begin to send what waits, for at most CLOSE_SECONDS, without waiting."""
        if not self._closing.is_set():
            self._deadline = self._clock() + CLOSE_SECONDS
            self._closing.set()

    def close(self) -> None:
        """Send what waits, and say how many events were not delivered.

        If that takes a while, a line says so; Ctrl-C ends the wait.
        """
        if self._closed:
            return
        self._closed = True
        self.begin_closing()
        with noted_interrupts() as pressed:
            self._thread.join(QUIET_SECONDS)
            if self._thread.is_alive():
                self.say(f"waiting up to {CLOSE_SECONDS:g} s; Ctrl-C ends the wait")
            until = time.monotonic() + CLOSE_SECONDS + 1 - QUIET_SECONDS
            while self._thread.is_alive() and time.monotonic() < until and not pressed:
                self._thread.join(POLL_SECONDS)
        missing = self.outbox.lost + self.outbox.waiting
        if missing:
            self.say(f"messages of events that were not delivered: {missing}")

    # The methods below run in the thread.

    def _run(self) -> None:
        waits = pauses(FIRST_PAUSE, LONGEST_PAUSE)
        while True:
            last, began = self._closing.is_set(), self._clock()
            why = self._session()
            self.connected = False
            self.outbox.restart()
            if not why or (last and not self.outbox.waiting):
                return
            if last:
                time.sleep(FIRST_PAUSE / 4)
            if self._time_left() < 0:
                return
            steady = self._clock() - began > STEADY_SECONDS
            waits = pauses(FIRST_PAUSE, LONGEST_PAUSE) if steady else waits
            if why != self._said:
                self.say(f"{why}; trying again")
                self._said = why
            self._closing.wait(next(waits))

    def _session(self) -> str:
        """One connection, from its beginning. Why it has ended; "" at the end."""
        self._accepted, self._refusal = False, ""
        try:
            client = self._new_client()
            client.connect(self.broker.host, self.broker.port, KEEP_ALIVE)
            return self._talk(client)
        except OSError as error:  # TLS and unknown hosts too
            return f"no connection ({shortened(reason_of_failure(error), 200)})"
        except Exception as error:
            # What the library makes of an answer that is not MQTT must not end the
            # thread: the broker may be a better one later.
            return f"no connection ({shortened(repr(error))})"

    def _new_client(self) -> Any:
        from paho.mqtt.client import CallbackAPIVersion
        from paho.mqtt.client import Client as Library

        client = Library(CallbackAPIVersion.VERSION2, self.client_id)
        if self.broker.user:
            client.username_pw_set(self.broker.user, self.broker.password or None)
        if self.broker.tls:
            client.tls_set_context(self.context)
        client.will_set(self.will.topic, self.will.payload, qos=1, retain=True)
        client.connect_timeout = max(0.1, min(CONNECT_SECONDS, self._time_left()))
        client.on_connect, client.on_publish = self._on_connect, self._on_publish
        client.on_message = self._on_message
        return client

    def _time_left(self) -> float:
        return self._deadline - self._clock()

    def _talk(self, client: Any) -> str:
        """Send until the connection ends, as described at `_session`."""
        began = self._clock()
        while not client.loop(POLL_SECONDS):
            if not self._accepted:
                if min(began + ANSWER_SECONDS, self._deadline) < self._clock():
                    return "the broker does not answer"
                continue
            if not self.connected:
                self._begin(client)
            if self._closing.is_set() and not self._leaving:
                self._leaving = True
                self.outbox.set_state(self.will)  # after all that waits
            self.on_poll()
            self.outbox.send(lambda message: publish(client, message))
            if self._leaving and self.outbox.empty:
                client.disconnect()
                return ""
            if self._time_left() < 0:
                return ""  # without telling the broker, which then publishes the will
        return self._refusal or self._broken(self._clock() - began)

    def _begin(self, client: Any) -> None:
        if self._renews and self.announcer:
            # Before the message is replaced: the broker keeps to the order.
            client.subscribe(self.announcer.topic)
        self.connected = True
        self.say("connected again" if self._said else "connected")
        self._said = ""

    def _broken(self, seconds: float) -> str:
        if not self.connected:
            return "the broker ends the connection"
        self._short = self._short + 1 if seconds < STEADY_SECONDS else 0
        text = "the connection is lost"
        if self._short >= REPEATED:  # not because the broker starts again
            text += " repeatedly; another program may have the same --mqtt-prefix"
        return text

    def _on_connect(self, client: Any, _: Any, flags: Any, code: Any, *__: Any) -> None:
        self._accepted = not code.is_failure
        if code.is_failure:
            self._refusal = REFUSALS.get(code.value, f"the broker refuses ({code})")

    def _on_publish(self, client: Any, _: Any, number: int, *__: Any) -> None:
        self.outbox.acknowledge(number)

    def _on_message(self, client: Any, _: Any, message: Any) -> None:
        """The kept message comes first, and then, or only, the one that replaces it."""
        client.unsubscribe(message.topic)
        first, self._renews = self._renews, False
        if first and message.retain and self.announcer:
            self.announcer.renew(message.payload, self.outbox.set_state)


def reason_of_failure(error: OSError) -> str:
    """Why there is no connection, for a message."""
    untrusted = getattr(error, "verify_message", "")  # of ssl.SSLError
    if untrusted:
        return f"the broker's certificate is not accepted: {untrusted}"
    return str(error.strerror or error)


def publish(client: Any, message: Message) -> int:
    """Publish with the library; returns the number that is acknowledged."""
    topic, payload, retain, quality = message
    return client.publish(topic, payload, qos=quality, retain=retain).mid
