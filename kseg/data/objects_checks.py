"""Checks of `objects.json`: its lists, and the annotations one by one."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, Iterable, Optional

import numpy as np

from edge.core.errors import InputError, quoted, shortened
from edge.core.images import format_size
from kseg.core.text import to_class_name
from kseg.data.outlines import are_shares, not_pixels

CLIP = 0.01  # pixels; a box that reaches farther beyond its image is noted

Box = tuple[float, float, float, float]  # x0, y0, x1, y1 in pixels, ends exclusive

# List of a file -> the keys of its entries.
NEEDED = {
    "images": ("id", "file_name", "height", "width"),
    "annotations": ("image_id", "category_id"),
    "categories": ("id", "name"),
}


class AnnotationError(ValueError):
    """What is wrong with an annotation, and what to do. `kind` groups such errors."""

    def __init__(self, kind: str, text: str):
        super().__init__(text)
        self.kind = kind


def read_content(path: Path) -> dict[str, list[dict[str, Any]]]:
    """Reads the lists `images`, `annotations` and `categories` of a file.

    Raises InputError if one is missing or incomplete, or two images have the same id or
    file name.
    """
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror}); copy it again"
        ) from None
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{path}: not valid JSON ({error}); copy or export it again"
        ) from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: not COCO's format; it must be an object with images")
    check_lists(path, content, NEEDED)
    check_images(path, content["images"])
    check_categories(path, content["categories"])
    return content


def check_lists(
    path: Path, content: dict[str, Any], needed: dict[str, tuple[str, ...]]
) -> None:
    """Raises InputError for a list that is missing, or an entry without a key.

    `needed` has the keys of the entries of each list.
    """
    for name, keys in needed.items():
        entries = content.get(name)
        if not isinstance(entries, list) or not all(
            isinstance(entry, dict) and all(key in entry for key in keys)
            for entry in entries
        ):
            raise InputError(
                f"{path}: {name!r} must be a list of objects with {', '.join(keys)}; "
                "export it as COCO again"
            )


def check_categories(path: Path, categories: list[dict[str, Any]]) -> None:
    """Raises InputError for names that are none, and for an id of two names."""
    names: dict[str, str] = {}
    for entry in categories:
        number = id_of(entry["id"])
        try:
            name = to_class_name(entry["name"])
        except ValueError as error:
            raise InputError(
                f"{path}: category {shortened(number)} has {error}; rename it"
            ) from None
        if names.setdefault(number, name) != name:
            raise InputError(
                f"{path}: categories {quoted(names[number])} and {quoted(name)} have "
                f"the same id {number}; export it as COCO again"
            )


def check_images(path: Path, images: list[dict[str, Any]]) -> None:
    """Raises InputError for repeated ids and names, and for sizes that are none."""
    for name in ("id", "file_name"):
        seen = set()
        for entry in images:
            value = id_of(entry[name])
            if value in seen:
                raise InputError(
                    f"{path}: two images have the {name} {shortened(value)}; remove "
                    "one of them"
                )
            seen.add(value)
    for entry in images:
        sides = entry["height"], entry["width"]
        if not all(isinstance(side, int) and side > 0 for side in sides):
            raise InputError(
                f"{path}: image {shortened(entry['file_name'])} has the size "
                f"{shortened(format_size(sides))}; height and width must be whole "
                "numbers above 0"
            )


def id_of(value: Any) -> str:
    """An id as text, so that 1 and "1" are the same id.

    >>> id_of(1), id_of("1"), id_of(1.0)
    ('1', '1', '1')
    """
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value)


def remedy_of_id(key: str, ids: Iterable[str], remedy: str) -> str:
    """What to do about an id that is not among `ids`: often only zeros are the reason.

    >>> remedy_of_id("1", ["001", "002"], "export it again")
    "it is '001' but for leading zeros: write both without these"
    >>> remedy_of_id("3", ["001", "002"], "export it again")
    'export it again'
    """
    bare = key.lstrip("0")
    same = next((one for one in ids if one.lstrip("0") == bare), None)
    if same is None or not (key and same):
        return remedy
    return f"it is {quoted(same)} but for leading zeros: write both without these"


def is_crowd(annotation: dict[str, Any]) -> bool:
    """The value of `iscrowd`. Raises AnnotationError if it is not 0 or 1."""
    given = annotation.get("iscrowd") or 0
    if given not in (0, 1):
        raise AnnotationError(
            "boxes", f"has iscrowd {quoted(given)}; it must be 0 or 1"
        )
    return bool(given)


def read_box(
    given: Any, around: Optional[Box], size: tuple[int, int]
) -> tuple[Box, bool]:
    """The box of an annotation, and whether it was clipped to the image.

    `given` is COCO's x, y, width, height, or None; `around` is the box of its outline,
    which is used then. Raises AnnotationError.
    """
    box = around if given is None else from_bbox(given)
    if box is None:
        raise AnnotationError(
            "boxes", "has neither a box nor an outline; draw one or remove it"
        )
    height, width = size
    if given is not None and are_shares(np.array(given, np.float64), size):
        raise AnnotationError(
            "boxes",
            f"has the box {quoted(given)}, {not_pixels(size)}",
        )
    check_inside(box, size)
    x0, y0, x1, y1 = box
    clipped = max(0.0, x0), max(0.0, y0), min(float(width), x1), min(float(height), y1)
    if clipped[0] >= clipped[2] or clipped[1] >= clipped[3]:
        raise AnnotationError(
            "boxes", f"has a box without area: {format_box(box)}; draw it again"
        )
    reach = max(abs(a - b) for a, b in zip(box, clipped, strict=True))
    return clipped, reach > CLIP


def check_inside(box: Box, size: tuple[int, int]) -> None:
    """Raises AnnotationError for a box that is wholly outside an image of `size`."""
    x0, y0, x1, y1 = box
    if x0 >= size[1] or y0 >= size[0] or x1 <= 0 or y1 <= 0:
        raise AnnotationError(
            "outside",
            f"is wholly outside its image of {format_size(size)}: {format_box(box)}; "
            "correct or remove it",
        )


def from_bbox(given: Any) -> Box:
    """x, y, width, height -> x0, y0, x1, y1. Raises AnnotationError."""
    numbers = isinstance(given, list) and len(given) == 4
    if not numbers or not all(type(v) in (int, float) for v in given):
        raise AnnotationError(
            "boxes", f"has the box {quoted(given)}; it must be x, y, width, height"
        )
    try:
        x, y, width, height = map(float, given)
    except OverflowError:  # an integer of hundreds of digits
        x = y = width = height = math.inf
    if not all(map(math.isfinite, (x, y, width, height))):
        raise AnnotationError(
            "boxes",
            f"has the box {quoted(given)}; its values must be finite, draw it again",
        )
    if width <= 0 or height <= 0:
        raise AnnotationError(
            "boxes",
            f"has a box of width {width:g} and height {height:g}; both must be above "
            "0, draw it again or remove it",
        )
    return x, y, x + width, y + height


def format_box(box: Box) -> str:
    """The corners of a box, for messages.

    >>> format_box((0.5, 1, 20, 30))
    'x 0.5 to 20, y 1 to 30'
    """
    x0, y0, x1, y1 = box
    return f"x {x0:g} to {x1:g}, y {y0:g} to {y1:g}"
