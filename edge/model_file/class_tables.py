"""Classes in tables: a line for each with its name and its id, colour, or both."""

from __future__ import annotations

import csv
import re
from typing import Dict, List, NamedTuple, Optional, Sequence

from edge.model_file.class_lists import Color

NUMBER, GAP = r"(\d{1,5})", r"[\s,;]+"
RGB = GAP.join([NUMBER] * 3)
NAME = r"([^\d\s,;][^,;]*?)"
# Tables without a heading: CamVid's label_colors.txt, and others.
PATTERNS = (
    re.compile(rf"(?P<rgb>{RGB}){GAP}(?P<name>{NAME})"),
    re.compile(rf"(?P<name>{NAME}){GAP}(?P<rgb>{RGB})"),
    re.compile(rf"(?P<id>{NUMBER}){GAP}(?P<name>{NAME}){GAP}(?P<rgb>{RGB})"),
    re.compile(rf"(?P<id>{NUMBER}){GAP}(?P<rgb>{RGB}){GAP}(?P<name>{NAME})"),
)
COLUMNS = {  # of tables with a heading, in lower case
    "name": re.compile(r"\w*name|label|class|category"),
    "id": re.compile(r"\w*id|idx|index|value"),
    **{color: re.compile(rf"{color[0]}|{color}") for color in ("red", "green", "blue")},
}


class ClassRow(NamedTuple):
    """A class of a table; `id` is None in one without ids."""

    id: Optional[int]
    name: str
    color: Optional[Color]


def table_rows(lines: Sequence[str]) -> Optional[List[ClassRow]]:
    """The rows of a table of three columns or more; None for other lines.

    Raises ValueError for a row that does not fit the heading.

    >>> table_rows(["id,name,kind", "3,sea,water"])
    [ClassRow(id=3, name='sea', color=None)]
    >>> table_rows(["64 128 64  Animal"])[0].color
    (64, 128, 64)
    """
    for pattern in PATTERNS:
        found = [pattern.fullmatch(line) for line in lines]
        if lines and all(found):
            return [without_heading(match.groupdict()) for match in found if match]
    separator = next((sign for sign in ",;\t" if lines and sign in lines[0]), "")
    if not separator:
        return None
    heading, *rows = csv.reader(lines, delimiter=separator, skipinitialspace=True)
    places = columns_of(heading)
    if len(heading) < 3 or "name" not in places or len(places) < 2:
        return None
    return [with_heading(row, heading, places) for row in rows]


def without_heading(found: Dict[str, str]) -> ClassRow:
    """A row of the groups of a pattern."""
    red, green, blue = map(int, re.findall(r"\d+", found["rgb"]))
    number = found.get("id")
    return ClassRow(
        None if number is None else int(number), found["name"], (red, green, blue)
    )


def columns_of(heading: Sequence[str]) -> Dict[str, int]:
    """The known columns: what they hold -> their position, the first of each kind."""
    places: Dict[str, int] = {}
    for place, word in enumerate(heading):
        for kind, pattern in COLUMNS.items():
            if pattern.fullmatch(word.strip().lower()):
                places.setdefault(kind, place)
                break
    return places


def with_heading(
    row: Sequence[str], heading: Sequence[str], places: Dict[str, int]
) -> ClassRow:
    """A row of a table with a heading. Raises ValueError."""
    if len(row) != len(heading):
        raise ValueError(
            f"a row has {len(row)} columns, and the heading has {len(heading)}"
        )
    numbers = {kind: row[place].strip() for kind, place in places.items()}
    name = numbers.pop("name")
    wrong = [kind for kind, text in numbers.items() if not text.isdecimal()]
    if wrong:
        raise ValueError(f"the {wrong[0]} of {name!r} is no whole number")
    shades = [int(numbers[c]) for c in ("red", "green", "blue") if c in numbers]
    color = (shades[0], shades[1], shades[2]) if len(shades) == 3 else None
    number = numbers.get("id")
    return ClassRow(None if number is None else int(number), name, color)
