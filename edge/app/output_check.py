"""Refuses outputs that would replace an input of the same run, or each other."""

from __future__ import annotations

import argparse
import os
import re
from itertools import product
from pathlib import Path
from typing import Any, Dict, Iterator, Optional, Tuple
from urllib.parse import unquote

from edge.app.per_source import options_of
from edge.core.errors import InputError
from edge.core.files import is_special

OUTPUTS = ("record", "stats", "frames_json", "events")  # files
INPUTS = ("model", "zones", "background", "source_file", "mqtt_password_file")
FILE_ADDRESS = re.compile(r"file:(?://(?:localhost)?(?=/))?(/.*)", re.IGNORECASE)


def check_outputs(arguments: argparse.Namespace) -> None:
    """Raises InputError for an output that is an input, or that two options name."""
    inputs = list(inputs_of(arguments))
    taken: Dict[Path, str] = {}
    for option, path in outputs_of(arguments):
        if is_special(path):
            continue
        for place, other in inputs:
            if same(path, other):
                raise InputError(
                    f"{option} {path}: is {place} too, and would be replaced; give "
                    "another name"
                )
        real = Path(os.path.realpath(path))
        if real in taken:
            raise InputError(f"{option} {path}: {taken[real]} writes to it too")
        taken[real] = option
    folders = [own.masks for own in options_of(arguments) if own.masks]
    for folder, given in product(folders, arguments.sources):
        source = path_of(given.address)
        if source and same(folder, source):
            raise InputError(
                f"--masks {folder}: is the folder of --source, whose images could be "
                "replaced; give another folder"
            )


def outputs_of(arguments: argparse.Namespace) -> Iterator[Tuple[str, Path]]:
    """The files that the run writes, and the options that name them."""
    for name in OUTPUTS:
        option = "--" + name.replace("_", "-")
        each = options_of(arguments) if name == "record" else [arguments]
        for path in (getattr(own, name, None) for own in each):
            if path is not None:
                yield option, path


def inputs_of(arguments: argparse.Namespace) -> Iterator[Tuple[str, Path]]:
    """The files that the run reads, and the options that name them."""
    for given in arguments.sources:
        source = path_of(given.address)
        if source:
            yield "--source", source
    for path in arguments.zones_of.values():
        yield "--zones", path
    for name in INPUTS:
        value: Any = getattr(arguments, name, None)
        if value:
            option = "--" + name.replace("_", "-")
            yield ("the model" if name == "model" else option), Path(value)


def path_of(source: str) -> Optional[Path]:
    """The file or folder of a source; None for a camera, a stream and others.

    >>> path_of("file:///videos/a%20b.mp4").as_posix(), path_of("rtsp://camera/x")
    ('/videos/a b.mp4', None)
    """
    address = FILE_ADDRESS.fullmatch(source)
    text = unquote(address[1]) if address else source
    return Path(text) if os.path.exists(text) or address else None


def same(path: Path, other: Path) -> bool:
    """Whether two paths lead to one file or folder that exists, links followed."""
    try:
        return path.samefile(other)
    except (OSError, ValueError):  # one of them does not exist
        return False
