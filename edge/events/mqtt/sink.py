"""The sink that publishes measures, events and pictures by MQTT."""

from __future__ import annotations

import time
from typing import Any, Callable, Dict, Mapping, Optional, Sequence

from edge.core.files import json_text
from edge.core.jpeg import encode_jpeg
from edge.events.event import STARTED, EventChange
from edge.events.mqtt.client import Client
from edge.events.mqtt.outbox import Message
from edge.events.mqtt.topics import Topics
from edge.zones.measures import SHARE, Measures

STATE_SECONDS = 1.0  # the shortest time between two messages of the measures
SHARE_DIGITS = 4  # less than the measures have: their noise is no news
PICTURE_SECONDS = 10.0  # by default
AWAY_SECONDS = 10.0  # without a frame, after which a live source counts as away
ONLINE, OFFLINE = b"online", b"offline"


class Mqtt:
    """Publishes what a camera measures below the topics of `topics`:

    - `zones/ZONE`, retained: class -> measure -> value, as Measures.to_json gives it,
      whenever it has changed, but at most once in STATE_SECONDS;
    - `events`: the JSON of EventChange.to_json for each start and end of an event;
    - `rules/RULE`, retained: the same of its last event, and whether one is `running`;
    - `picture`, retained: the view as JPEG every `picture_seconds`, 0 for none;
    - `availability`, retained: "online", or "offline" while a `live` source gives no
      frames, and once a source has ended; the last will of the client is "offline" too.

    `client` sends them. The loop never waits for the broker. See edge.display.sinks.
    """

    def __init__(
        self,
        client: Client,
        topics: Topics,
        rules: Sequence[str] = (),
        picture_seconds: float = PICTURE_SECONDS,
        live: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ):
        self.client, self.topics = client, topics
        self.picture_seconds, self._clock = picture_seconds, clock
        self._measures: Optional[Measures] = None
        self._published: Dict[str, bytes] = {}  # zone -> payload
        self._measured = self._pictured = float("-inf")
        self._lossy = False
        self.live, self._last, self._away = live, clock(), False
        self._ended = False
        if client.announcer:
            client.outbox.set_state(client.announcer.message)
        self._set_availability()
        for rule in rules:
            self._set(topics.rule(rule), {"running": False, "rule": rule})
        client.on_poll = self._look_at_source

    def _look_at_source(self) -> None:
        """Called by the client's thread, as the loop does nothing without a frame."""
        away = self.live and self._clock() - self._last > AWAY_SECONDS
        away = away or self._ended
        if away != self._away:
            self._away = away
            self._set_availability()

    def _set_availability(self) -> None:
        payload = OFFLINE if self._away else ONLINE
        message = Message(self.topics.availability, payload, retain=True)
        self.client.outbox.set_state(message)

    @property
    def wants_view(self) -> bool:
        """Whether the next frame is published as a picture."""
        waited = self._clock() - self._pictured
        due = self.picture_seconds and waited >= self.picture_seconds
        return bool(due) and self.client.connected

    def take(self, displayed: Any) -> None:
        for change in displayed.events:
            self._take_event(change)
        if not displayed.redrawn:
            self._last = self._clock()
        self._measures = displayed.measures
        if self._clock() - self._measured >= STATE_SECONDS:
            self._publish_measures()
        if displayed.view is not None and not displayed.redrawn and self.wants_view:
            self._pictured = self._clock()
            picture = Message(self.topics.picture, encode_jpeg(displayed.view), True, 0)
            self.client.outbox.set_picture(picture)

    def _take_event(self, change: EventChange) -> None:
        content = change.to_json()
        event = Message(self.topics.events, json_text(content).encode())
        if self.client.outbox.add_event(event) and not self._lossy:
            self._lossy = True
            most = self.client.outbox.most_events
            self.client.say(f"{most} events wait to be sent; the oldest are lost")
        running = {"running": change.kind == STARTED}
        self._set(self.topics.rule(change.event.rule), {**running, **content})

    def _set(self, topic: str, content: Dict[str, Any]) -> None:
        message = Message(topic, json_text(content).encode(), retain=True)
        self.client.outbox.set_state(message)

    def _publish_measures(self) -> None:
        """Publish the zones whose measures have changed."""
        if self._measures is None:
            return
        self._measured = self._clock()
        self._follow_zones(list(self._measures.zones))
        for zone, classes in self._measures.to_json().items():
            payload = json_text(fewer_digits(classes)).encode()
            if self._published.get(zone) != payload:
                self._published[zone] = payload
                message = Message(self.topics.zone(zone), payload, retain=True)
                self.client.outbox.set_state(message)

    def _follow_zones(self, zones: Sequence[str]) -> None:
        """Zones may be drawn while the camera runs: those that are gone leave."""
        for zone in [zone for zone in self._published if zone not in zones]:
            del self._published[zone]
            message = Message(self.topics.zone(zone), b"", retain=True)
            self.client.outbox.set_state(message)  # an empty one is kept no longer
        if self.client.announcer:
            self.client.announcer.set_zones(zones, self.client.outbox.set_state)

    def end_source(self) -> None:
        """The source gives no more frames, while others of the program go on."""
        self._publish_measures()
        self._ended = True

    def begin_closing(self) -> None:
        """Begin to send what waits: those of several sources do so together."""
        self.client.on_poll = lambda: None
        self._publish_measures()
        self.client.begin_closing()

    def close(self) -> None:
        self.begin_closing()
        self.client.close()


def fewer_digits(classes: Mapping[str, Mapping[str, float]]) -> Dict[str, Any]:
    """The measures of a zone for a message.

    >>> fewer_digits({"cat": {"share": 0.123456, "count": 2}})
    {'cat': {'share': 0.1235, 'count': 2}}
    """
    return {
        name: {k: round(v, SHARE_DIGITS) if k == SHARE else v for k, v in found.items()}
        for name, found in classes.items()
    }
