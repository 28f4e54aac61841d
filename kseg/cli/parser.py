"""A configuration's fields as options of a command line."""

from __future__ import annotations

import argparse
import dataclasses
from dataclasses import MISSING
from pathlib import Path
from typing import Any, Optional, Sequence

from edge.core.arguments import Parser
from edge.core.errors import InputError
from kseg.core.config_file import read_config
from kseg.core.configs import Config
from kseg.core.options import File, Names, Output, Scales, Share, Size, flag, title_of
from kseg.core.values import fields_of, reader_of

GENERAL = "General"
METAVARS = {
    int: "N",
    float: "X",
    Share: "SHARE",
    Scales: "X,...",
    Names: "ID,...",
    Size: "HxW",
    Output: "FILE",
    File: "FILE",
}
CONFIG_HELP = "read options from a TOML file or a run folder; options given here win"


def parse(
    cls: type[Config], program: str, doc: Optional[str], argv: Optional[Sequence[str]]
) -> Config:
    """The command line as a `cls`. Raises InputError for what does not fit."""
    return parse_given(cls, program, doc, argv)[0]


def parse_given(
    cls: type[Config], program: str, doc: Optional[str], argv: Optional[Sequence[str]]
) -> tuple[Config, set[str]]:
    """The command line as a `cls`, and the names of the options that were given.

    `program` is the command as it is typed, such as "kseg train"; `doc` is its help,
    None under `python -OO`. Options of a --config file count as given.
    """
    values = vars(new_parser(cls, program, doc).parse_args(argv))
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    refuse_empty(cls, values)
    path = values.pop("config", None)
    if path is not None:
        values = read_config(path, cls, program.split()[-1]) | values
    return cls(**values), set(values)


def refuse_empty(cls: type, values: dict[str, Any]) -> None:
    """Raises InputError for a list of names that was typed but has none.

    It may be a variable of a script that is not set, and would be as if left out.
    """
    for name, (_, hint) in fields_of(cls).items():
        if hint is Names and values.get(name) == ():
            raise InputError(f"{flag(name)}: is empty; give a name, or leave it out")


def new_parser(cls: type, program: str, doc: Optional[str]) -> Parser:
    """The parser of a command: the options of `cls` in their groups."""
    parser = Parser(program, doc and doc.strip(), argument_default=argparse.SUPPRESS)
    for item, hint in fields_of(cls).values():
        if item.metadata.get("positional"):
            parser.add_argument(item.name, **settings(item, hint))
        else:
            parser.option(
                title_of(cls, item.name),
                flag(item.name),
                basic=item.metadata.get("basic", False),
                aliases=[flag(name) for name in item.metadata.get("aliases", ())],
                **settings(item, hint),
            )
    parser.option(
        GENERAL, "--config", basic=True, type=Path, metavar="FILE", help=CONFIG_HELP
    )
    parser.add_help_options(GENERAL)
    return parser


def settings(item: dataclasses.Field, hint: Any) -> dict[str, Any]:
    """The arguments of `add_argument` for an option."""
    meta, extra = item.metadata, {"help": help_of(item, hint)}
    if meta.get("positional"):
        extra["metavar"] = meta.get("metavar", item.name.upper())
        if item.default is not MISSING:
            extra["nargs"] = "?"
    elif hint is bool:
        extra["action"] = (
            argparse.BooleanOptionalAction if item.default else "store_true"
        )
        return extra
    else:
        extra["metavar"] = metavar_of(item, hint)
    extra["type"] = reader_of(item, hint)
    if hint != tuple[str, ...] and "choices" in meta:
        extra["choices"] = meta["choices"]
    if "nargs" in meta:
        extra["nargs"] = meta["nargs"]
    return extra


def metavar_of(item: dataclasses.Field, hint: Any) -> str:
    """The placeholder of an option's value in the help."""
    if "metavar" in item.metadata:
        return item.metadata["metavar"]
    if "choices" in item.metadata:
        return "NAME,..." if hint == tuple[str, ...] else "NAME"
    if item.name in ("output", "data", "truth") and hint is not File:
        return "DIR"
    if item.name in ("init_from", "weights"):
        return "RUN" if item.name == "init_from" else "NAME"
    return METAVARS.get(hint, "FILE" if "nargs" in item.metadata else "TEXT")


def help_of(item: dataclasses.Field, hint: Any) -> str:
    """One line on an option: what it is, its choices and its default."""
    text = item.metadata["help"]
    if "choices" in item.metadata:
        text += f": {', '.join(map(str, item.metadata['choices']))}"
    plain = item.metadata.get("positional") or hint is bool
    if plain or item.default in (None, "", ()):
        return text
    return f"{text} (default {format_default(item.default)})"


def format_default(default: Any) -> str:
    if isinstance(default, tuple):
        return ",".join(x if isinstance(x, str) else f"{x:g}" for x in default)
    return str(default)
