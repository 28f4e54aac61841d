"""The names of the classes of a model made by others, and where they come from."""

from __future__ import annotations

from typing import Dict, NamedTuple, Optional, Sequence, Tuple

from edge.core.errors import InputError, shortened
from edge.model_file.class_lists import (
    LISTS,
    Color,
    colors_of,
    fitted,
    is_background,
)
from edge.model_file.reading import Reading

MOST_CLASSES = 256


class Naming(NamedTuple):
    """Class names, RGB colours, `source` in words, and whether they are only guessed.

    Numbered classes, "class 0", count as guessed.
    """

    names: Tuple[str, ...]
    colors: Tuple[Color, ...]
    source: str
    guessed: bool = False


def named(
    reading: Reading,
    inside: Sequence[str],
    count: Optional[int],
    guesses: Dict[int, str],
    objects: bool = False,
) -> Naming:
    """The classes of a file with `count` classes, None if the file does not tell.

    In this order: those that the user gives, those `inside` the file, a guess by the
    count, numbers. `objects` are classes without a background, none of which is black.
    Raises InputError for names that the user gives and that do not fit the count.
    """
    found = (
        given_names(reading, count)
        or names_inside(inside, count)
        or guessed_names(count, guesses)
        or numbered(count)
    )
    if inside and found.guessed:
        unused = f", as the file names {len(inside)} classes and has {count}"
        found = found._replace(source=found.source + unused)
    if objects and (0, 0, 0) in found.colors:
        count = len(found.names)
        return found._replace(colors=colors_of(["object", *found.names])[:count])
    return padded(found, count)


def given_names(reading: Reading, count: Optional[int]) -> Optional[Naming]:
    """The names that the user gives. Raises InputError if they are not `count`."""
    if not reading.classes:
        return None
    key = reading.class_list
    if key:
        fitting = fitted(key, count)
        if fitting:
            return Naming(fitting.names, fitting.colors, fitting.title)
        given, number = key, len(LISTS[key].names)
    else:
        names = reading.classes
        if count in (None, len(names)):
            colors = reading.colors or colors_of(names)
            return Naming(names, colors, f"the {len(names)} given")
        given, number = shortened(", ".join(names), 60), len(names)
    raise InputError(
        f"--classes {given}: has {number} classes, and the model {count}; give a file "
        f"with {count} names"
    )


def names_inside(inside: Sequence[str], count: Optional[int]) -> Optional[Naming]:
    """The names inside the file, if they are as many as its classes."""
    names = tuple(inside)
    if count == len(names) - 1 and is_background(names[0]):
        names = names[1:]
    if not names or count not in (None, len(names)):
        return None
    return Naming(names, colors_of(names), "those in the file")


def guessed_names(count: Optional[int], guesses: Dict[int, str]) -> Optional[Naming]:
    """The names of a well-known data set that has so many classes."""
    if count not in guesses:
        return None
    fitting = fitted(guesses[count], count)
    if fitting is None:
        return None
    source = f"{fitting.title}, a guess from their number, {count}"
    return Naming(fitting.names, fitting.colors, source, guessed=True)


def numbered(count: Optional[int]) -> Naming:
    """Numbered classes."""
    names = tuple(f"class {index}" for index in range(count or MOST_CLASSES))
    return Naming(names, colors_of(names), "numbered", guessed=True)


def padded(found: Naming, count: Optional[int]) -> Naming:
    """With numbered classes after the names, where more ids may occur."""
    names, colors = found.names, found.colors
    if count is not None or len(names) >= MOST_CLASSES:
        return found
    more = [f"class {index}" for index in range(len(names), MOST_CLASSES)]
    rest = colors_of(["background", *names, *more])[-len(more) :]
    return found._replace(names=(*names, *more), colors=(*colors, *rest))
