"""The list of classes in classes.json: names, colours and the order of the ids.

People write these files by hand and with other tools. What is not clear is refused: a
wrong order would swap the names of all masks without a word.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple, Optional, Sequence

from edge.core.errors import InputError, quoted, shortened
from edge.core.inputs import read_text
from edge.model_file.class_files import ID_KEYS
from kseg.core.text import MALFORMED, to_class_name

Color = tuple[int, int, int]


class ListedClass(NamedTuple):
    """A class of classes.json; without a colour or an id, these are None."""

    name: str
    color: Optional[Color]
    id: Optional[int]


def read_listed(path: Path, example: str) -> tuple[dict[str, Any], list[ListedClass]]:
    """The content of a classes.json, and its classes in the order of the file.

    Raises InputError for an invalid file; `example` is what the message expects.
    """
    try:
        content = json.loads(read_text(path), object_pairs_hook=without_repeats)
        if not isinstance(content, dict):
            raise ValueError(f"it is a {type(content).__name__}")
        entries = content.get("classes")
        if not isinstance(entries, list):
            raise ValueError('it has no list "classes"')
        return content, [to_listed(entry) for entry in entries]
    except MALFORMED as error:
        raise InputError(
            f"{path}: invalid ({shortened(error, 200)}); expected {example}"
        ) from None


def without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The dict of a JSON object. Raises ValueError if it has a key twice."""
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            raise ValueError(f"the key {quoted(key)} is there twice; keep one")
        result[key] = value
    return result


def to_listed(entry: Any) -> ListedClass:
    """A class of classes.json. Raises ValueError if it is not as expected."""
    if not isinstance(entry, dict) or "name" not in entry:
        raise ValueError(f'the class {quoted(entry)}, which has no "name"')
    name = to_class_name(entry["name"])
    given = {key: entry[key] for key in ID_KEYS if entry.get(key) is not None}
    numbers = {to_whole(given[key], f"{key} of {quoted(name)}") for key in given}
    if len(numbers) > 1:
        raise ValueError(f"the class {quoted(name)} has the ids {sorted(numbers)}")
    color = to_color(entry.get("color"), name)
    return ListedClass(name, color, next(iter(numbers), None))


def to_whole(value: Any, what: str) -> int:
    """A whole number, also as text. Raises ValueError for all else, true included.

    >>> to_whole("255", "id"), to_whole(3.0, "id")
    (255, 3)
    """
    if isinstance(value, str) and value.strip().isdecimal():
        return int(value)
    whole = isinstance(value, float) and value.is_integer()
    if type(value) is int or whole:
        return int(value)
    raise ValueError(f"{what}: {quoted(value)} is no whole number")


def to_color(given: Any, name: str) -> Optional[Color]:
    """A colour of classes.json. Raises ValueError if it is not three bytes."""
    if given is None:
        return None
    about = f"the colour {quoted(given)} of {quoted(name)}"
    rule = "a colour is three whole numbers from 0 to 255"
    if not isinstance(given, (list, tuple)) or len(given) != 3:
        raise ValueError(f"{about}; {rule}")
    try:
        red, green, blue = (to_whole(value, "") for value in given)
    except ValueError:
        raise ValueError(f"{about}; {rule}, no fractions") from None
    if not 0 <= min(red, green, blue) <= max(red, green, blue) <= 255:
        raise ValueError(f"{about}; {rule}")
    return red, green, blue


def by_id(
    path: Path, listed: Sequence[ListedClass], firsts: Sequence[int] = (0,)
) -> list[ListedClass]:
    """The classes in the order of their ids; in that of the file if they have none.

    Ids must be consecutive, from one of `firsts` on. Raises InputError otherwise.
    """
    without = next((each for each in listed if each.id is None), None)
    if all(each.id is None for each in listed):
        return list(listed)
    if without:
        raise InputError(
            f"{path}: class {quoted(without.name)} has no id, but others have; give "
            "all classes an id, or none"
        )
    seen: dict[Optional[int], str] = {}
    for name, _, number in listed:
        if number in seen:
            raise InputError(
                f"{path}: classes {quoted(seen[number])} and {quoted(name)} have the "
                f"same id {number}; change one"
            )
        seen[number] = name
    ordered = sorted(listed, key=lambda each: each.id or 0)
    first = ordered[0].id if ordered[0].id in firsts else firsts[0]
    for expected, (name, _, number) in enumerate(ordered, start=first or 0):
        if number != expected:
            raise InputError(wrong_id(path, name, number, len(listed), first or 0))
    return ordered


def wrong_id(
    path: Path, name: str, number: Optional[int], count: int, first: int
) -> str:
    """Why a class cannot have its id, and what to do."""
    remedy = "list the missing ids as classes too, or number the masks anew"
    if number == 255:
        remedy = 'if it is void, remove the class and give "ignore_index": 255'
    return (
        f"{path}: class {quoted(name)} has the id {quoted(number)}, but the position "
        f"in the list is the id: {count} classes have the ids {first} to "
        f"{count - 1 + first}; {remedy}"
    )
