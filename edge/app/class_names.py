"""Names of classes in options, with commas between them."""

from __future__ import annotations

import csv
import io
import unicodedata
from typing import FrozenSet, Optional, Sequence

from edge.core.errors import InputError, quoted

MOST_SHOWN = 30  # names in a message


def class_ids(text: str, names: Sequence[str], option: str) -> FrozenSet[int]:
    """Names with commas between them -> the ids of these classes.

    A text that is itself a name is that class. A name that contains a comma or begins
    with a quotation mark is quoted as in a CSV file. Capitals, spaces around a name and
    Unicode forms do not matter where they do not tell classes apart. "class 3" is the
    class with the id 3, unless a class has that name. Raises InputError, naming the
    `option`, for an unknown class.

    >>> sorted(class_ids('"car, parked", Person', ["person", "car, parked"], "--keep"))
    [0, 1]
    """
    if text in names:
        return frozenset([names.index(text)])
    try:
        (row,) = csv.reader([text], skipinitialspace=True)
    except csv.Error:  # a line end
        raise InputError(
            f"{option} {quoted(text)}: not names with commas between them; write "
            "person,car"
        ) from None
    found = [find(name, names) for name in row]
    if None in found:
        unknown = row[found.index(None)]
        raise InputError(
            f"{option} {unknown}: unknown class; the model has {listed(names)}"
        )
    return frozenset(index for index in found if index is not None)


def find(name: str, names: Sequence[str]) -> Optional[int]:
    """The id of a class by its name; None if none, or more than one, has it."""
    for exact in (name, name.strip()):
        if exact in names:
            return names.index(exact)
    same = [index for index, each in enumerate(names) if loose(each) == loose(name)]
    if not same:
        same = [n for n in range(len(names)) if name.strip() == f"class {n}"]
    return same[0] if len(same) == 1 else None


def loose(name: str) -> str:
    """A name without what rarely tells two apart."""
    return unicodedata.normalize("NFC", name.strip()).casefold()


def listed(names: Sequence[str]) -> str:
    """Names as the option takes them; of many, the first ones and their number.

    >>> listed(["person", "car, parked"])
    'person,"car, parked"'
    """
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(names[:MOST_SHOWN])
    more = len(names) - MOST_SHOWN
    return f"{text.getvalue()} and {more} more" if more > 0 else text.getvalue()
