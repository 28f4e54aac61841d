"""The options as they are for one of several sources."""

from __future__ import annotations

import argparse
import copy
import os
from dataclasses import replace
from pathlib import Path
from typing import Dict, List, Optional, Sequence, Tuple

from edge.app.given_source import NAMED, GivenSource
from edge.core.errors import InputError, listed

FOLDERS = ("masks", "capture")  # options whose folder has one of each source


def options_of(arguments: argparse.Namespace) -> List[argparse.Namespace]:
    """The options of each source: with its `given` source, zones and output files.

    A single source has the options as they were given.
    """
    several = len(arguments.sources) > 1
    own_files = [os.path.realpath(path) for path in arguments.zones_of.values()]
    result = []
    for given in arguments.sources:
        own = copy.copy(arguments)
        own.given = given
        own.zones = arguments.zones_of.get(given.name, arguments.zones)
        # A file that several sources use is not that of one of them alone.
        alone = given.name in arguments.zones_of
        alone = alone and own_files.count(os.path.realpath(own.zones)) == 1
        own.zones_shared = several and not alone
        if several:
            own.record = arguments.record and with_name(arguments.record, given.name)
            for name in FOLDERS:
                folder = getattr(arguments, name)
                setattr(own, name, folder and folder / given.name)
            own.broker = broker_of(arguments, given.name)
        result.append(own)
    return result


def with_name(path: Path, name: str) -> Path:
    """A file's name with that of a source before the suffix.

    >>> with_name(Path("out.mp4"), "door").name
    'out-door.mp4'
    """
    return path.with_name(f"{path.stem}-{name}{path.suffix}")


def broker_of(arguments: argparse.Namespace, name: str) -> Optional[object]:
    """The broker of --mqtt, with a level of the topics for the source."""
    broker = getattr(arguments, "broker", None)
    if broker is None:
        return None
    from edge.events.mqtt.broker import check_prefix
    from edge.events.mqtt.topics import default_prefix

    prefix = f"{broker.prefix or default_prefix('')}/{name}"
    return replace(broker, prefix=check_prefix(prefix))


def zones_by_source(
    texts: Optional[Sequence[str]], sources: Sequence[GivenSource]
) -> Tuple[Optional[Path], Dict[str, Path]]:
    """The files of --zones: of all sources, and name -> of a source.

    NAME=FILE is of the source NAME. Raises InputError if there is no such source.
    """
    common: Optional[Path] = None
    own: Dict[str, Path] = {}
    names = [name for name, _ in sources if name]
    for text in texts or ():
        found = NAMED.fullmatch(text)
        name, path = text.partition("=")[::2]
        if name in names and path:
            if name in own:
                raise InputError(
                    f"--zones {text}: {name} has {own[name]} too; give one of them"
                )
            own[name] = Path(path)
        elif names and found and not os.path.exists(text):
            raise InputError(
                f"--zones {text}: there is no source {name}; there are {listed(names)}"
            )
        elif common and len(sources) > 1:
            raise InputError(
                f"--zones {text}: {common} is given too; give one file of all sources, "
                "and NAME=FILE for one of them"
            )
        else:
            common = Path(text)
    return common, own
