"""The classes of objects: `classes.json` without a background."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Optional, Sequence

from edge.core.constants import bright_colors
from edge.core.errors import InputError
from kseg.data.class_list import Color, by_id, read_listed
from kseg.data.formats.labels import means_background

log = logging.getLogger(__name__)

MOST = 254  # as semantic classes they get a background and void as well
EXAMPLE = '{"classes": [{"name": "person", "color": [220, 20, 60]}, ...]}'


@dataclass(frozen=True)
class ObjectClasses:
    """Names and RGB colours of classes of objects.

    `listed` are the colours that classes.json gives, which colour masks may use.
    """

    names: tuple[str, ...]
    colors: tuple[Color, ...]
    listed: tuple[Optional[Color], ...] = ()

    @property
    def file_colors(self) -> dict[Color, int]:
        """The ids of the colours of masks: 0 is none, k + 1 is class k."""
        ids = {c: index for index, c in enumerate(self.listed, start=1) if c}
        return {(0, 0, 0): 0, **ids}


def classes_named(names: Sequence[str]) -> ObjectClasses:
    """Classes in bright colours, which are seen on dark and on light images."""
    return ObjectClasses(tuple(names), bright_colors(len(names)))


def read_object_classes(path: Path, numbered: bool = True) -> Optional[ObjectClasses]:
    """Reads `classes.json` of a folder of objects; None if it does not exist.

    The format is `{"task": "instance", "classes": [{"name", "color", "id"}]}`; colours
    and ids are optional. A first class that means background, such as "Background", is
    left out: it is no object. `numbered` says whether there are masks of class ids;
    `objects.json` names the classes, so ids do not matter there. Raises InputError for
    an invalid file.
    """
    if not path.is_file():
        return None
    listed = read_listed(path, EXAMPLE)[1]
    if numbered:
        listed = by_id(path, listed, firsts=(0, 1))
    names, colors = [each.name for each in listed], [each.color for each in listed]
    if names and means_background(names[0]):
        log.info(f"{path}: the class {names[0]} is left out; it is no object")
        del names[0], colors[0]
    check_classes(path, names, colors)
    defaults = classes_named(names).colors
    chosen = tuple(c or default for c, default in zip(colors, defaults, strict=True))
    return ObjectClasses(tuple(names), chosen, tuple(colors))


def check_classes(
    path: Path, names: Sequence[str], colors: Sequence[Optional[Color]]
) -> None:
    """Raises InputError for too many classes, and for equal names or colours."""
    if not 1 <= len(names) <= MOST:
        raise InputError(
            f"{path}: {len(names)} classes; it needs 1 to {MOST} classes of objects"
        )
    given = [color for color in colors if color]
    for what, values in (("name", list(names)), ("colour", given)):
        if len(set(values)) < len(values):
            raise InputError(f"{path}: two classes have the same {what}; change one")
