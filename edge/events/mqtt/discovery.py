"""Home Assistant's MQTT discovery: what the camera has, in one retained message.

It is the device discovery of Home Assistant 2024.12 and later:
https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, replace
from typing import (
    Any,
    Callable,
    Dict,
    FrozenSet,
    Iterator,
    Optional,
    Sequence,
    Set,
    Tuple,
)

from edge.core.files import json_text
from edge.events.mqtt.outbox import Message
from edge.events.mqtt.topics import Topics, digest, plain
from edge.zones.measures import COUNT, DWELL, ENTERED, LEFT, SHARE

DISCOVERY = "homeassistant"  # Home Assistant's own default
MOST_SENSORS = 100  # of more, those that no rule names are off until they are wanted
MEASUREMENT, TOTAL = "measurement", "total_increasing"

# Measure -> what a sensor of it is. Its value is taken from the message of a zone.
SENSORS: Dict[str, Dict[str, Any]] = {
    SHARE: {
        "unit_of_measurement": "%",
        "state_class": MEASUREMENT,
        "suggested_display_precision": 1,
    },
    COUNT: {"state_class": MEASUREMENT},
    DWELL: {
        "unit_of_measurement": "s",
        "device_class": "duration",
        "state_class": MEASUREMENT,
        "suggested_display_precision": 0,
    },
    ENTERED: {"state_class": TOTAL},
    LEFT: {"state_class": TOTAL},
}
AS_SHOWN = {SHARE: " * 100) | round(1)", DWELL: ") | round(0)"}


@dataclass(frozen=True)
class Contents:
    """What a camera measures: names of zones, classes, measures and rules.

    `in_rules` are the measures that rules name: (measure, class, zone). `model` is the
    name of the model.
    """

    zones: Sequence[str]
    classes: Sequence[str]
    measures: Sequence[str]
    rules: Sequence[str] = ()
    in_rules: FrozenSet[Tuple[str, str, str]] = frozenset()
    model: str = ""
    picture: bool = True


class Announcer:
    """The message for Home Assistant, which changes with the zones.

    `message` is the newest one. What was announced before, also by an earlier run, and
    is no more is removed. Threads may call at the same time: `publish` gets the newer
    messages in their order.
    """

    def __init__(self, topics: Topics, contents: Contents):
        self.topics, self.contents = topics, contents
        self.message = discovery_message(topics, contents)
        self._changing = threading.Lock()

    @property
    def topic(self) -> str:
        return self.message.topic

    def renew(self, old: bytes, publish: Callable[[Message], None]) -> None:
        """Publish what removes the entities of an earlier run, if it had others.

        What the broker has kept of its zones and rules is removed too.
        """
        with self._changing:
            newer = without_old(self.message, old)
            if newer:
                now = kept_topics(self.topics, self.message.payload)
                for topic in sorted(kept_topics(self.topics, old) - now):
                    publish(Message(topic, b"", retain=True))
                self.message = newer
                publish(newer)

    def set_zones(
        self, zones: Sequence[str], publish: Callable[[Message], None]
    ) -> None:
        """Publish what there is after zones were drawn, if they are others."""
        with self._changing:
            if list(zones) == list(self.contents.zones):
                return
            self.contents = replace(self.contents, zones=zones)
            newer = discovery_message(self.topics, self.contents)
            # The older message may not have been sent: what it removes is gone too.
            older = self.message.payload
            self.message = without_old(newer, older, again=True) or newer
            publish(self.message)


def discovery_message(topics: Topics, contents: Contents) -> Message:
    """The message that makes Home Assistant show the camera."""
    device = {"identifiers": [topics.node], "name": topics.name, "manufacturer": "kseg"}
    if contents.model:
        device["model"] = contents.model
    content = {
        "device": device,
        "origin": {"name": "kseg"},
        "availability_topic": topics.availability,
        "qos": 1,
        "components": dict(components(topics, contents)),
    }
    topic = f"{DISCOVERY}/device/{topics.node}/config"
    return Message(topic, json_text(content).encode(), retain=True)


def without_old(message: Message, old: bytes, again: bool = False) -> Optional[Message]:
    """The message that also removes entities that an older one had; None without such.

    Home Assistant removes an entity of which only the platform is left; with `again`
    also those that the older message has removed. `old` is the older payload; one that
    is not of this form is ignored.
    """
    content = json.loads(message.payload)
    try:
        before = json.loads(old)["components"].items()
        gone = {
            key: {"platform": str(entity["platform"])}
            for key, entity in before
            if key not in content["components"] and (again or len(entity) > 1)
        }
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    if not gone:
        return None
    # First, as Home Assistant ignores the rest after an entity that it is adding.
    content["components"] = {**gone, **content["components"]}
    return message._replace(payload=json_text(content).encode())


def kept_topics(topics: Topics, payload: bytes) -> Set[str]:
    """The topics of zones and rules that a message for Home Assistant names."""
    below = (topics.zone(""), topics.rule(""))
    found = (
        entity.get("state_topic")
        for entity in json.loads(payload)["components"].values()
        if isinstance(entity, dict)
    )
    return {
        topic
        for topic in found
        if isinstance(topic, str)
        and topic.startswith(below)
        and not set(topic) & set("+#")
    }


def components(
    topics: Topics, contents: Contents
) -> Iterator[Tuple[str, Dict[str, Any]]]:
    """The id and the configuration of each entity."""
    for rule in contents.rules:
        yield entity(
            topics, "binary_sensor", ("rule", rule), rule, of_rule(topics, rule)
        )
    if contents.picture:
        yield entity(
            *(topics, "camera", ("picture",), "picture", {"topic": topics.picture})
        )
    wanted = [
        (measure, name, zone)
        for zone in contents.zones
        for name in contents.classes
        for measure in SENSORS
        if measure in contents.measures
    ]
    for measure, name, zone in wanted:
        values = {
            "state_topic": topics.zone(zone),
            "value_template": template(name, measure),
            **SENSORS[measure],
        }
        if len(wanted) > MOST_SENSORS:
            named = (measure, name, zone) in contents.in_rules
            values["enabled_by_default"] = named
        path = (measure, zone, name)
        shown = f"{zone} {name} {measure}"
        yield entity(topics, "sensor", path, shown, values)


def of_rule(topics: Topics, rule: str) -> Dict[str, Any]:
    """A binary sensor that is on while the rule's event runs."""
    topic = topics.rule(rule)
    return {
        "state_topic": topic,
        "value_template": "{{ 'ON' if value_json.running else 'OFF' }}",
        "json_attributes_topic": topic,
    }


def entity(
    topics: Topics,
    platform: str,
    path: Sequence[str],
    name: str,
    values: Dict[str, Any],
) -> Tuple[str, Dict[str, Any]]:
    """An entity; its ids depend on the prefix and on `path` alone."""
    key = f"{plain('_'.join(path))}_{digest('/'.join(map(repr, path)))}"
    ids = {"platform": platform, "unique_id": f"{topics.node}_{key}", "name": name}
    return key, {**ids, **values}


def template(name: str, measure: str) -> str:
    """The template that takes a value of a class from the message of a zone.

    >>> template("cat", "count")
    "{{ (value_json.get('cat', {}).get('count', 0)) }}"
    """
    value = f"value_json.get({literal(name)}, {{}}).get('{measure}', 0)"
    return f"{{{{ ({value}{AS_SHOWN.get(measure, ')')} }}}}"


def literal(text: str) -> str:
    """A text in quotation marks, as templates read it.

    >>> literal("it's")
    "'it\\\\x27s'"
    """
    return "'" + "".join(c if is_simple(c) else escaped(c) for c in text) + "'"


def is_simple(char: str) -> bool:
    return char.isascii() and char.isprintable() and char not in "'\"\\{}%#"


def escaped(char: str) -> str:
    number = ord(char)
    return f"\\x{number:02x}" if number < 256 else f"\\U{number:08x}"
