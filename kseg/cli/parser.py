"""A configuration's fields as options of a command line."""

from __future__ import annotations

import argparse
import dataclasses
import typing
from dataclasses import MISSING
from typing import Any, Optional, Sequence

from edge.core import arguments
from edge.core.arguments import (
    Parser,
    nonnegative_float,
    nonnegative_int,
    positive,
    share,
    writable,
)
from kseg.core.configs import Config
from kseg.core.options import File, Output, Scales, Share, Size, flag

LARGEST_SCALE = 4  # of a pass; memory grows with its square


def parse(
    cls: type[Config], program: str, doc: Optional[str], argv: Optional[Sequence[str]]
) -> Config:
    """The command line as a `cls`. Raises InputError for what does not fit."""
    return parse_given(cls, program, doc, argv)[0]


def parse_given(
    cls: type[Config], program: str, doc: Optional[str], argv: Optional[Sequence[str]]
) -> tuple[Config, set[str]]:
    """The command line as a `cls`, and the names of the options that it gave.

    `program` is a module such as kseg.train, `doc` its help; None under `python -OO`.
    """
    parser = Parser(
        prog=f"python -m {program}",
        description=doc,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS,
    )
    hints = typing.get_type_hints(cls)
    for item in dataclasses.fields(cls):
        add_argument(parser, item, hints[item.name])
    values = vars(parser.parse_args(argv))
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    return cls(**values), set(values)


def add_argument(parser: Parser, item: dataclasses.Field, hint: Any) -> None:
    meta = item.metadata
    text = meta["help"]
    if meta.get("positional"):
        names, extra = [item.name], {"metavar": item.name.upper()}
        if item.default is not MISSING:
            extra |= {"nargs": "?"}
    else:
        names, extra = [flag(item.name)], {}
        if item.default not in (None, "", ()) and hint is not bool:
            text += f" (default {format_default(item.default)})"
    if hint is bool:
        extra["action"] = (
            argparse.BooleanOptionalAction if item.default else "store_true"
        )
    elif hint == tuple[str, ...] and "choices" in meta:
        extra["type"] = choices_of(meta["choices"])
        extra["metavar"] = ",".join(meta["choices"])
    else:
        extra["type"] = converter(hint, meta.get("zero", False))
        if extra["type"] is arguments.size:
            extra["metavar"] = "HxW"
        extra.update({k: meta[k] for k in ("choices", "nargs") if k in meta})
    parser.add_argument(*names, help=text, **extra)


def format_default(default: Any) -> str:
    if isinstance(default, tuple):
        return ",".join(x if isinstance(x, str) else f"{x:g}" for x in default)
    return str(default)


def converter(hint: Any, zero: bool) -> Any:
    """An annotation -> the function that reads it; `zero` whether an int may be 0."""
    hint = next((h for h in typing.get_args(hint) if h is not type(None)), hint)
    if typing.get_origin(hint) is tuple or hint is Size:
        return arguments.size
    whole = nonnegative_int if zero else positive
    readers = {
        int: whole,
        float: nonnegative_float,
        Share: share,
        Scales: scales,
        Output: output,
        File: file,
    }
    return readers.get(hint, str)


def scales(text: str) -> tuple[float, ...]:
    """'0.75,1,1.25' -> (0.75, 1.0, 1.25).

    >>> scales("0.75,1")
    (0.75, 1.0)
    """
    numbers = tuple(dict.fromkeys(nonnegative_float(part) for part in text.split(",")))
    for value in numbers:
        if not 0 < value <= LARGEST_SCALE:
            raise argparse.ArgumentTypeError(
                f"{value:g} is no scale, over 0 and at most {LARGEST_SCALE}"
            )
    return numbers


def output(text: str) -> str:
    return text if text == "-" else file(text)


def file(text: str) -> str:
    return text and str(writable(text))


def choices_of(choices: Sequence[str]) -> Any:
    """A reader of comma-separated names out of `choices`."""

    def read(text: str) -> tuple[str, ...]:
        names = tuple(dict.fromkeys(text.split(",")))
        for name in names:
            if name not in choices:
                raise argparse.ArgumentTypeError(
                    f"{name!r} is not one of {', '.join(choices)}"
                )
        return names

    return read
