"""Classes of an export and of a data folder, matched by their names."""

from __future__ import annotations

from typing import Mapping, Optional, Sequence

from edge.core.constants import IGNORE_INDEX
from edge.core.errors import InputError, shortened
from kseg.data.formats.labels import form_of, means_background

LISTED = 12


def class_numbers(
    new: Sequence[str], old: Sequence[str], used: Mapping[str, int], export: str,
    folder: str,
) -> dict[int, Optional[int]]:  # fmt: skip
    """New class id -> the id of the same name in the folder, None if it has none.

    Names are equal in other capitals, spaces or Unicode forms too, but of two that
    differ in their capitals alone each is its own. `used` counts what each new class
    labels. Raises InputError for a class that is used and is not in the
    folder; a background is no such class: its pixels become void.
    """
    known = {form_of(name).casefold(): index for index, name in enumerate(old)}
    exact = {form_of(name): index for index, name in enumerate(old)}
    background = next((i for i, n in enumerate(old) if means_background(n)), None)
    numbers: dict[int, Optional[int]] = {}
    missing = []
    for index, name in enumerate(new):
        form = form_of(name)
        numbers[index] = exact.get(form, known.get(form.casefold()))
        if means_background(name):
            numbers[index] = background
        elif numbers[index] is None and used.get(name):
            missing.append(name)
    if missing:
        raise InputError(new_classes(missing, old, export, folder))
    return numbers


def new_classes(
    missing: Sequence[str], old: Sequence[str], export: str, folder: str
) -> str:
    """Which classes the folder does not have, and what to do."""
    names = ", ".join(map(shortened, missing[:LISTED]))
    known = ", ".join(map(shortened, old[:LISTED]))
    more = f" and {len(old) - LISTED} more" if len(old) > LISTED else ""
    kind = "class" if len(missing) == 1 else "classes"
    return (
        f"{export}: has the {kind} {names}, which {folder} does not have (it has "
        f"{known}{more}); rename in the labelling tool, or add it to "
        f"{folder}/classes.json and train anew"
    )


def file_ids(
    numbers: Mapping[int, Optional[int]], stored: Mapping[int, int], void: int
) -> list[int]:
    """For each of 256 class ids of new masks, the id that the folder's masks have.

    `stored` has the id in files of each class of the folder, `void` is that of void.

    >>> file_ids({0: None, 1: 0}, {0: 7}, 255)[:3]
    [255, 7, 255]
    """
    table = [void] * (IGNORE_INDEX + 1)
    for index, number in numbers.items():
        if number is not None:
            table[index] = stored[number]
    return table
