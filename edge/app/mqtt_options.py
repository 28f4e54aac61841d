"""The options of MQTT, and the sink that they ask for."""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, List, Optional

from edge.app.event_options import usable_measures
from edge.app.secret_files import warn_of_readers
from edge.core.arguments import Parser, nonnegative_float
from edge.core.errors import InputError
from edge.display.view import legend_classes
from edge.events.watch import Watch
from edge.model_file.info import ModelInfo, class_name
from edge.video.frames import Source

PASSWORD = "KSEG_MQTT_PASSWORD"  # environment variable
NEED_MQTT = ("mqtt_prefix", "mqtt_password_file", "mqtt_ca", "mqtt_picture")
INSTALL = "pip install 'paho-mqtt>=2.1,<3'"


def add_mqtt(parser: Parser) -> None:
    """Add the options of MQTT."""
    add = partial(parser.option, "MQTT and Home Assistant")
    add(
        "--mqtt",
        metavar="HOST[:PORT]",
        help="publish measures, events and a picture at this broker, also written "
        "mqtt://USER@HOST:PORT/PREFIX or mqtts:// (encrypted): docs/home-assistant.md",
    )
    add(
        "--mqtt-prefix",
        metavar="TOPIC",
        help="beginning of the topics, with the camera's name as its last part; "
        "default: kseg/ and the names of machine and source",
    )
    add(
        "--mqtt-password-file",
        type=Path,
        metavar="FILE",
        help="a file with the password of USER in one line; the variable "
        "KSEG_MQTT_PASSWORD does as well",
    )
    add(
        "--mqtt-ca",
        type=Path,
        metavar="FILE",
        help="certificates (PEM) that are trusted with mqtts://; default: the system's",
    )
    add(
        "--mqtt-picture",
        type=nonnegative_float,
        metavar="SECONDS",
        help="shortest time between two pictures, 0 for none (default 10)",
    )
    add(
        "--no-discovery",
        action="store_true",
        help="do not announce the camera to Home Assistant",
    )


def check_mqtt(arguments: argparse.Namespace) -> None:
    """Raises InputError for an address, password or certificate that cannot be used.

    From then on no message shows the password.
    """
    if not arguments.mqtt:
        given = [name for name in NEED_MQTT if getattr(arguments, name) is not None]
        given += ["no_discovery"] if arguments.no_discovery else []
        for name in given:
            option = "--" + name.replace("_", "-")
            raise InputError(f"{option} needs --mqtt; give both")
        return
    from edge.events.mqtt.broker import check_prefix, parse_broker, password_of

    if not find_spec("paho"):
        raise InputError(f"--mqtt needs paho-mqtt; {INSTALL}")
    broker = parse_broker(arguments.mqtt)
    variable = os.environ.get(PASSWORD, "")
    password = password_of(arguments.mqtt_password_file, variable)
    if arguments.mqtt_password_file:
        warn_of_readers(arguments.mqtt_password_file, "--mqtt-password-file")
    if password and not broker.user:
        raise InputError("--mqtt: a password needs a user name; write mqtt://USER@HOST")
    if arguments.mqtt_ca and not broker.tls:
        raise InputError("--mqtt-ca needs an encrypted connection; write mqtts://HOST")
    if arguments.mqtt_prefix is not None:
        if broker.prefix or not arguments.mqtt_prefix:
            raise InputError(
                "--mqtt-prefix: give it either here or in the address of --mqtt"
            )
        prefix = check_prefix(arguments.mqtt_prefix.rstrip("/"))
        broker = replace(broker, prefix=prefix)
    arguments.broker = replace(broker, password=password)


def mqtt_sinks(
    arguments: argparse.Namespace,
    watch: Optional[Watch],
    source: Source,
    info: ModelInfo,
) -> List[Any]:
    """The sink of --mqtt, if it is given; see edge.display.sinks."""
    if not (arguments.mqtt and watch):
        return []
    # Here, because they import the library and TLS, which takes long on a board.
    from edge.events.mqtt.broker import tls_context
    from edge.events.mqtt.client import Client
    from edge.events.mqtt.discovery import Announcer
    from edge.events.mqtt.outbox import Message, Outbox
    from edge.events.mqtt.sink import OFFLINE, PICTURE_SECONDS, Mqtt
    from edge.events.mqtt.topics import Topics, default_prefix

    broker = arguments.broker
    topics = Topics(broker.prefix or default_prefix(source.label))
    seconds = arguments.mqtt_picture
    seconds = PICTURE_SECONDS if seconds is None else seconds
    announcer = None
    if not arguments.no_discovery:
        contents = contents_of(arguments, watch, info, picture=seconds > 0)
        announcer = Announcer(topics, contents)
    client = Client(
        *(broker, Outbox(), topics.client_id),
        will=Message(topics.availability, OFFLINE, retain=True),
        context=tls_context(arguments.mqtt_ca) if broker.tls else None,
        announcer=announcer,
    )
    client.say(f"topics {topics.prefix}/#")
    rules = [rule.name for rule in watch.engine.rules]
    return [Mqtt(client, topics, rules, seconds, live=source.live)]


def contents_of(
    arguments: argparse.Namespace, watch: Watch, info: ModelInfo, picture: bool
) -> Any:
    """What Home Assistant is told: edge.events.mqtt.discovery.Contents."""
    from edge.events.mqtt.discovery import Contents

    usable = usable_measures(info.task, arguments.track)
    quantities = [
        comparison.quantity
        for rule in watch.engine.rules
        for comparison in rule.condition.comparisons()
    ]
    return Contents(
        zones=[zone.name for zone in watch.measurer.zones],
        classes=[class_name(info, index) for index in legend_classes(info)],
        measures=[measure for measure, why in usable.items() if not why],
        rules=[rule.name for rule in watch.engine.rules],
        in_rules=frozenset((q.measure, q.class_name, q.zone) for q in quantities),
        model=arguments.model.name,
        picture=picture,
    )
