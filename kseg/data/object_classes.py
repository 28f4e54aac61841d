"""The classes of objects: `classes.json` without a background."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Optional, Sequence

from edge.core.constants import bright_colors
from edge.core.errors import InputError, quoted
from edge.core.inputs import read_text
from kseg.core.text import MALFORMED, to_class_name
from kseg.data.formats.labels import means_background

log = logging.getLogger(__name__)

MOST = 254  # as semantic classes they get a background and void as well
Color = tuple[int, int, int]


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


def read_object_classes(path: Path) -> Optional[ObjectClasses]:
    """Reads `classes.json` of a folder of objects; None if it does not exist.

    The format is `{"task": "instance", "classes": [{"name", "color"}]}`; the colours
    are optional. A first class that means background, such as "Background", is left
    out: it is no object. Raises InputError for an invalid file.
    """
    if not path.is_file():
        return None
    try:
        entries = json.loads(read_text(path))["classes"]
        names = [to_class_name(entry["name"]) for entry in entries]
        colors = [to_color(entry.get("color")) for entry in entries]
    except MALFORMED as error:
        raise InputError(
            f'{path}: invalid ({quoted(error, 200)}); expected {{"classes": [{{"name": '
            '"person", "color": [220, 20, 60]}, ...]}'
        ) from None
    if names and means_background(names[0]):
        log.info(f"{path}: the class {names[0]} is left out; it is no object")
        del names[0], colors[0]
    check_classes(path, names, colors)
    defaults = classes_named(names).colors
    chosen = tuple(c or default for c, default in zip(colors, defaults, strict=True))
    return ObjectClasses(tuple(names), chosen, tuple(colors))


def to_color(given: Optional[Sequence[int]]) -> Optional[Color]:
    """A colour of classes.json. Raises ValueError if it is not three bytes."""
    if given is None:
        return None
    color = tuple(int(value) for value in given)
    if len(color) != 3 or not 0 <= min(color) <= max(color) <= 255:
        raise ValueError("a colour must be three numbers from 0 to 255")
    return color


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
