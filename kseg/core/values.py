"""Reads option values from text, files and Python, with the same checks."""

from __future__ import annotations

import argparse
import dataclasses
import types
import typing
from functools import cache
from os import PathLike, fspath
from typing import Any, Callable, Iterable, Mapping, Sequence

from edge.core import arguments
from edge.core.arguments import (
    nonnegative_float,
    nonnegative_int,
    positive,
    share,
    writable,
)
from edge.core.errors import InputError
from edge.core.suggestions import suggestion
from kseg.core.configs import Config
from kseg.core.options import File, Names, Output, Scales, Share, Size, Strides

LARGEST_SCALE = 4  # of a pass; memory grows with its square


@cache
def fields_of(cls: type) -> dict[str, tuple[dataclasses.Field, Any]]:
    """The options of a configuration: name -> its field and its type.

    The type of an optional value is that of the value.
    """
    hints = typing.get_type_hints(cls)
    return {f.name: (f, required(hints[f.name])) for f in dataclasses.fields(cls)}


def required(hint: Any) -> Any:
    """`Optional[X]` -> X; other types unchanged."""
    if typing.get_origin(hint) not in (typing.Union, types.UnionType):
        return hint
    return next(part for part in typing.get_args(hint) if part is not type(None))


def reader_of(item: dataclasses.Field, hint: Any) -> Callable[[str], Any]:
    """The function that reads one value of an option from text.

    It raises ArgumentTypeError with what is wrong and what is expected.
    """
    choices, most = item.metadata.get("choices"), item.metadata.get("most")
    if hint == tuple[str, ...] and choices:
        return choices_of(choices)
    if hint == Size:
        return arguments.size
    whole = nonnegative_int if item.metadata.get("zero") else positive
    readers: dict[Any, Callable[[str], Any]] = {
        int: whole,
        float: nonnegative_float,
        Share: share,
        Scales: scales,
        Strides: strides,
        Names: names,
        Output: output,
        File: file,
    }
    reader = readers.get(hint, plain_text)
    return reader if most is None else at_most(most, reader)


def at_most(most: float, reader: Callable[[str], Any]) -> Callable[[str], Any]:
    """A reader that also rejects numbers over `most`."""

    def read(text: str) -> Any:
        value = reader(text)
        if value > most:
            raise argparse.ArgumentTypeError(f"{text!r} is over {most:g}")
        return value

    return read


def config_of(cls: type[Config], values: Mapping[str, Any]) -> Config:
    """A configuration from Python values, checked as on the command line.

    A size is (height, width) or "360x480", a path is a PathLike or text; None is the
    default. Raises TypeError for a name that is not an option, InputError for a value
    that does not fit or is missing.
    """
    known = fields_of(cls)
    values = with_new_names(cls, values)
    for name in values:
        if name not in known:
            raise TypeError(f"{name!r} is not an option{suggestion(name, known)}")
    read = read_values(cls, values, lambda name: name)
    for name, (item, _) in known.items():
        if item.default is dataclasses.MISSING and not read.get(name):
            raise InputError(f"{name}: is missing; give {item.metadata['help']}")
    return cls(**read)


def with_new_names(cls: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """Values by the names of today: old names of options are accepted."""
    today = {
        alias: item.name
        for item, _ in fields_of(cls).values()
        for alias in item.metadata.get("aliases", ())
    }
    return {today.get(name, name): value for name, value in values.items()}


def read_values(
    cls: type, values: Mapping[str, Any], shown: Callable[[str], str]
) -> dict[str, Any]:
    """Checked values by name, without those that are None.

    `shown` gives an option's name in messages. Raises InputError for a value that does
    not fit.
    """
    known, read = fields_of(cls), {}
    for name, value in values.items():
        if value is None:
            continue
        try:
            read[name] = read_value(*known[name], value)
        except argparse.ArgumentTypeError as error:
            raise InputError(f"{shown(name)}: {error}") from None
    return read


def read_value(item: dataclasses.Field, hint: Any, value: Any) -> Any:
    """One value, from Python or a file. Raises ArgumentTypeError if it does not fit."""
    if hasattr(value, "tolist"):  # of NumPy
        value = value.tolist()
    if hint is bool:
        if not isinstance(value, bool):
            raise argparse.ArgumentTypeError(f"{value!r} is not true or false")
        return value
    choices, reader = item.metadata.get("choices"), reader_of(item, hint)
    if hint == tuple[str, ...] and not choices:
        single = isinstance(value, (str, PathLike)) or not isinstance(value, Iterable)
        several = [value] if single else value
        return tuple(plain_text(text_of(part, str)) for part in several)
    if choices and value == item.default:  # which may be none of the choices
        return value
    read = reader(text_of(value, hint))
    if choices and hint != tuple[str, ...] and read not in choices:
        names = ", ".join(map(str, choices))
        if read != item.default:
            raise argparse.ArgumentTypeError(f"{value!r} is not one of {names}")
    return read


def text_of(value: Any, hint: Any) -> str:
    """A value as it is typed on a command line. Raises ArgumentTypeError.

    >>> text_of((360, 480), Size), text_of(0.001, float)
    ('360x480', '0.001')
    """
    if isinstance(value, PathLike):
        value = fspath(value)
    commas = dict.fromkeys((Scales, Strides, Names, tuple[str, ...]), ",")
    several = {Size: "x", **commas}.get(hint)
    if isinstance(value, (list, tuple)) and several:
        return several.join(text_of(part, None) for part in value)
    number = hint in (int, float, Share, Size, Scales, Strides, Names, None)
    if not isinstance(value, (str, int, float) if number else str):
        kind = "a number" if number else "text"
        raise argparse.ArgumentTypeError(f"{str(value)[:60]!r} is not {kind}")
    try:
        return str(value)
    except ValueError:  # of thousands of digits
        raise argparse.ArgumentTypeError("the number is too large") from None


def plain_text(text: str) -> str:
    """Text that can be a path or a name."""
    if "\0" in text:
        raise argparse.ArgumentTypeError(f"{text!r} has a null character")
    return text


def scales(text: str) -> tuple[float, ...]:
    """'0.75,1,1.25' -> (0.75, 1.0, 1.25).

    >>> scales("0.75,1")
    (0.75, 1.0)
    """
    numbers = tuple(dict.fromkeys(nonnegative_float(part) for part in text.split(",")))
    for value in numbers:
        if not 0 < value <= LARGEST_SCALE:
            raise argparse.ArgumentTypeError(
                f"{value:g} is not a scale over 0 and at most {LARGEST_SCALE}"
            )
    return numbers


def strides(text: str) -> tuple[int, ...]:
    """'4,8,16' -> (4, 8, 16): rising powers of 2 from 2 to 64.

    >>> strides("8,16,32")
    (8, 16, 32)
    """
    numbers = tuple(positive(part) for part in text.split(",")) if text else ()
    known = [2**power for power in range(1, 7)]
    if not set(numbers) <= set(known) or sorted(set(numbers)) != list(numbers):
        raise argparse.ArgumentTypeError(
            f"{text!r} are not rising powers of 2 from 2 to 64, such as 4,8,16"
        )
    return numbers


def names(text: str) -> tuple[str, ...]:
    """'4,7' -> ('4', '7'); each once.

    >>> names("4, 7,4")
    ('4', '7')
    """
    parts = text.split(",") if text else []
    found = tuple(dict.fromkeys(part.strip() for part in parts))
    if not all(found):
        raise argparse.ArgumentTypeError(f"{text!r} has an empty part; write 4,7,8")
    return found


def output(text: str) -> str:
    """A file to write, - for stdout, or nothing."""
    return text if text == "-" else file(text)


def file(text: str) -> str:
    """A file to write, in a folder that exists, or nothing."""
    return text and str(writable(plain_text(text)))


def choices_of(choices: Sequence[str]) -> Callable[[str], tuple[str, ...]]:
    """A reader of names out of `choices`, separated by commas."""

    def read(text: str) -> tuple[str, ...]:
        names = tuple(dict.fromkeys(text.split(",")))
        for name in names:
            if name not in choices:
                raise argparse.ArgumentTypeError(
                    f"{name!r} is not one of {', '.join(choices)}"
                )
        return names

    return read
