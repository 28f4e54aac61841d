"""What waits to be sent to a broker: events in their order, and the newest states."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import Callable, Deque, Dict, List, NamedTuple, Optional

MOST_EVENTS = 1000  # that wait; the oldest are then lost
WINDOW = 20  # messages that were sent and not yet acknowledged


class Message(NamedTuple):
    """A message of MQTT. With `retain` the broker keeps it for later subscribers.

    `quality` 1 is sent until the broker acknowledges it, 0 once.
    """

    topic: str
    payload: bytes
    retain: bool = False
    quality: int = 1


@dataclass
class Flight:
    """A message that was sent; `number` is the one that the broker acknowledges."""

    message: Message
    event: bool
    number: Optional[int] = None


class Outbox:
    """Messages of any thread, which one thread sends.

    Events leave in the order in which they came, each until it is acknowledged; `lost`
    counts those that were too many. A state takes the place of the older one of its
    topic; after a connection was lost, all states are sent again, as a broker that
    has started again knows none. A picture is sent only while there is a connection.
    """

    def __init__(self, most_events: int = MOST_EVENTS):
        self.most_events, self.lost = most_events, 0
        self._lock = threading.Lock()
        self._events: Deque[Message] = deque()
        self._states: Dict[str, Message] = {}
        self._unsent: Dict[str, None] = {}  # topics of states, in order
        self._picture: Optional[Message] = None
        self._flights: List[Flight] = []

    def add_event(self, message: Message) -> bool:
        """Add an event. Whether the oldest one was lost for it."""
        with self._lock:
            self._events.append(message)
            return self._shrink()

    def _shrink(self) -> bool:
        over = self._waiting() - self.most_events
        for _ in range(min(over, len(self._events))):
            self._events.popleft()
            self.lost += 1
        return over > 0

    def set_state(self, message: Message) -> None:
        """Set the state of a topic."""
        with self._lock:
            self._states[message.topic] = message
            self._unsent[message.topic] = None

    def set_picture(self, message: Message) -> None:
        with self._lock:
            self._picture = message

    def _waiting(self) -> int:
        return len(self._events) + sum(flight.event for flight in self._flights)

    @property
    def waiting(self) -> int:
        """The number of events that the broker has not acknowledged."""
        with self._lock:
            return self._waiting()

    @property
    def empty(self) -> bool:
        """Whether all events and states are acknowledged."""
        with self._lock:
            return not (self._events or self._unsent or self._flights)

    def send(self, publish: Callable[[Message], int]) -> None:
        """Send what may be sent now. `publish` returns the number of a message."""
        while True:
            with self._lock:
                flight = self._next()
            if not flight:
                return
            number = publish(flight.message)
            with self._lock:
                flight.number = number

    def _next(self) -> Optional[Flight]:
        if len(self._flights) >= WINDOW:
            return None
        if self._events:
            flight = Flight(self._events.popleft(), event=True)
        elif self._unsent:
            topic = next(iter(self._unsent))
            del self._unsent[topic]
            flight = Flight(self._states[topic], event=False)
        elif self._picture:
            flight = Flight(self._picture, event=False)
            self._picture = None
            return flight  # no acknowledgement comes for it
        else:
            return None
        self._flights.append(flight)
        return flight

    def acknowledge(self, number: int) -> None:
        """The broker has a message; numbers of others are ignored."""
        with self._lock:
            self._flights = [x for x in self._flights if x.number != number]

    def restart(self) -> None:
        """Begin again, as there is a new connection or none."""
        with self._lock:
            events = [flight.message for flight in self._flights if flight.event]
            self._events.extendleft(reversed(events))
            self._flights.clear()
            self._unsent = dict.fromkeys(self._states)
            self._picture = None
