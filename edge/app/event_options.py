"""The options of zones and events, and what they open."""

from __future__ import annotations

import argparse
import os
import re
from functools import partial
from pathlib import Path
from typing import Any, Dict, Iterator, Optional, Sequence, Tuple
from urllib.parse import urlsplit

from edge.app.class_names import find
from edge.app.new_zones import zones_to_start
from edge.app.object_options import OF_OBJECTS, WITHOUT_EFFECT
from edge.app.secret_files import warn_of_readers
from edge.core.arguments import Parser, writable
from edge.core.errors import InputError
from edge.core.files import make_folder
from edge.core.inputs import read_secret
from edge.core.log import say
from edge.events.engine import Engine
from edge.events.folder import EventFolder
from edge.events.lines import EventLines, EventLog
from edge.events.rule import Rule
from edge.events.unfinished import keep_unfinished_of
from edge.events.watch import Watch
from edge.model_file.info import ModelInfo, known_names
from edge.video.frames import Source
from edge.zones.measures import COUNT, OF_TRACKS, SHARE
from edge.zones.measuring import Measurer
from edge.zones.zone import FRAME
from edge.zones.zone_file import ZoneFile

# Options that need the measures of the zones, or of the whole frame without --zones.
ASK_FOR_MEASURES: Tuple[str, ...] = ("zones", "mqtt")
NEED_RULES = ("events", "event_folder", "webhook")  # without them nothing happens
ADDRESS, HEADER = "KSEG_WEBHOOK", "KSEG_WEBHOOK_HEADER"  # environment variables
HEADER_LINE = re.compile(
    r"([A-Za-z0-9!#$%&'*+.^_`|~-]+):[ \t]*([\x21-\x7e][\x20-\x7e]*)"
)


def add_events(parser: Parser) -> None:
    """Add the options of zones and events."""
    add = partial(parser.option, "Zones and events")
    add(
        "--zones",
        dest="zone_files",
        action="append",
        metavar="[NAME=]FILE",
        help="JSON with parts of the frame in which classes are measured, and with "
        "rules of events: docs/events.md; with NAME= of this source only",
    )
    add(
        "--events",
        type=writable,
        metavar="FILE",
        help="append a line of JSON at the start and at the end of each event",
    )
    add(
        "--event-folder",
        type=Path,
        metavar="DIR",
        help="write snapshots and recordings of events, as their rules say",
    )
    add(
        "--webhook",
        metavar="URL",
        help="post each start and end of an event as JSON; the variable KSEG_WEBHOOK "
        "does as well, and other users do not see it",
    )
    add(
        "--webhook-header",
        type=Path,
        metavar="FILE",
        help="a file with a header of the posts in one line, such as Authorization: "
        "Bearer TOKEN; the variable KSEG_WEBHOOK_HEADER does as well",
    )


def watch_of(
    arguments: argparse.Namespace, info: ModelInfo, source: Source
) -> Optional[Watch]:
    """What measures zones and finds events, if an option asks for it.

    Raises InputError for a file of zones that is wrong.
    """
    # The page draws no zones into a file of several sources, so it must be there.
    shared = getattr(arguments, "zones_shared", False)
    served = None if shared else getattr(arguments, "serve", None)
    file = zones_to_start(arguments.zones, served)
    rules = rules_of(arguments, file, info)
    if not any(getattr(arguments, name, None) for name in ASK_FOR_MEASURES):
        return None
    folder = arguments.event_folder
    settings = file.smoothing_seconds, file.object_point
    engine = Engine(rules, source.label, files=bool(folder))
    return Watch(Measurer(info, file.zones, *settings), engine)


def check_rules(arguments: argparse.Namespace, rules: Sequence[Rule]) -> None:
    """Raises InputError for options that need rules, where there are none.

    A line tells which of the rules record nothing, once if several sources have it.
    """
    for name in dict.fromkeys(rule.name for rule in rules if rule.records):
        if not arguments.event_folder:
            say(f"rule {name}: nothing is recorded without --event-folder")
    for name in NEED_RULES if not rules else ():
        if getattr(arguments, name):
            option = "--" + name.replace("_", "-")
            where = "give --zones" if not arguments.zones else "add them to --zones"
            raise InputError(f"{option}: there are no rules of events; {where}")


def rules_of(
    arguments: argparse.Namespace, file: ZoneFile, info: ModelInfo
) -> Tuple[Rule, ...]:
    """The rules of a file, for a model and the option --track."""
    if not file.rules:
        return ()
    from edge.events.grammar import Vocabulary
    from edge.events.rule_reading import read_rules

    def find_class(name: str) -> Optional[str]:
        index = find(name, info.class_names)
        return None if index is None else info.class_names[index]

    names = known_names(info) or info.class_names
    zones = (FRAME, *(zone.name for zone in file.zones))
    measures = usable_measures(info.task, arguments.track)
    words = Vocabulary(measures, zones, find_class, names)
    return read_rules(file.rules, words, str(arguments.zones))


def usable_measures(task: str, track: bool) -> Dict[str, str]:
    """Each measure, and why it cannot be used with a model of this task, or ""."""
    of_maps = "track" in WITHOUT_EFFECT.get(task, OF_OBJECTS)
    result = {SHARE: ""}
    for measure in (COUNT, *OF_TRACKS):
        result[measure] = ""
        if of_maps:
            result[measure] = f"{measure} is of objects, which this model does not find"
            result[measure] += "; use share"
        elif measure in OF_TRACKS and not track:
            result[measure] = f"{measure} needs --track; add it"
    return result


def have_rules(watches: Sequence[Optional[Watch]]) -> bool:
    """Whether there are rules of events."""
    return any(watch and watch.engine.rules for watch in watches)


def event_log_sinks(
    arguments: argparse.Namespace, watches: Sequence[Optional[Watch]]
) -> Iterator[Any]:
    """The log and the file of the events of all sources; see edge.display.sinks."""
    if have_rules(watches):
        yield EventLog()
        if arguments.events:
            yield EventLines(arguments.events)


def event_folder_sinks(
    arguments: argparse.Namespace, watch: Optional[Watch], source: Source
) -> Iterator[Any]:
    """The sink of --event-folder, for one source."""
    if arguments.event_folder and watch and have_rules([watch]):
        folder = make_folder(arguments.event_folder)
        keep_unfinished_of(folder)
        yield EventFolder(folder, watch, source)


def webhook_sinks(
    arguments: argparse.Namespace, watches: Sequence[Optional[Watch]]
) -> Iterator[Any]:
    """The sink of --webhook, for the events of all sources."""
    address = webhook_of(arguments)
    if address and have_rules(watches):
        # Here, because it imports HTTP and TLS, which takes long on a board.
        from edge.events.webhook import Webhook

        yield Webhook(address, header_of(arguments.webhook_header))


def webhook_of(arguments: argparse.Namespace) -> Optional[str]:
    """The address of --webhook, or of the environment."""
    return arguments.webhook or os.environ.get(ADDRESS) or None


def check_webhook(arguments: argparse.Namespace) -> None:
    """Raises InputError for an address or a header that cannot be used."""
    address = webhook_of(arguments)
    if arguments.webhook_header and not address:
        raise InputError(f"--webhook-header needs --webhook, or the variable {ADDRESS}")
    zones = arguments.zones or getattr(arguments, "zones_of", None)
    if address and (arguments.webhook or zones):  # else it is for others
        check_address(address)
        header_of(arguments.webhook_header)
        if arguments.webhook_header:
            warn_of_readers(arguments.webhook_header, "--webhook-header")


def check_address(address: str) -> None:
    """Raises InputError if it is not an address of a web server."""
    try:
        parts = urlsplit(address)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname)
        valid = valid and (parts.port is None or parts.port > 0)
    except ValueError:
        valid = False
    if not valid or not address.isascii() or re.search(r"\s", address):
        raise InputError(
            "--webhook: the text is no web address; write https://HOST/PATH"
        )
    if "@" in parts.netloc:
        raise InputError(
            "--webhook: a user name in the address is not sent; give --webhook-header "
            "with Authorization: Basic ..."
        )


def header_of(file: Optional[Path]) -> Optional[Tuple[str, str]]:
    """The name and value of the header of --webhook-header, or of the environment.

    No message shows the value.
    """
    if file:
        place = f"--webhook-header {file}"
        text = read_secret("--webhook-header", file)
    else:
        place, text = HEADER, os.environ.get(HEADER, "")
        if not text:
            return None
    found = HEADER_LINE.fullmatch(text.strip())
    if not found:
        raise InputError(
            f"{place}: is not one line NAME: VALUE; write Authorization: Bearer TOKEN"
        )
    return found[1], found[2]
