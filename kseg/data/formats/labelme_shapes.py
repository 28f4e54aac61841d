"""The shapes of a labelme file, drawn into a mask or made into objects.

Reference: https://github.com/wkentaro/labelme (labelme/_utils/shape.py)
"""

from __future__ import annotations

import base64
import io
import math
from collections import Counter
from pathlib import Path
from typing import Any, Callable, Optional

import numpy as np
from PIL import Image, ImageDraw

from edge.core.constants import IGNORE_INDEX
from edge.core.errors import InputError, quoted
from edge.core.images import format_size
from kseg.data.formats.labels import label_text
from kseg.data.formats.objects import ellipse, join, of_mask, of_polygons
from kseg.data.formats.objects import rectangle as corners_of
from kseg.data.formats.source import Size, SourceObjects
from kseg.data.objects_file import LabelledObject
from kseg.data.outlines import FAR, are_shares, not_pixels

NO_AREA = ("point", "points", "line", "linestrip")

Points = list[tuple[float, float]]


def shapes_of(content: dict[str, Any], path: Path) -> list[dict[str, Any]]:
    """The shapes of a JSON file, with labels as text; numbers are labels too.

    Raises InputError for a file without shapes, and a shape without a label.
    """
    shapes = content.get("shapes")
    if not isinstance(shapes, list):
        raise InputError(
            f"{path}: not a labelme file (no list 'shapes'); move it out of the folder"
        )
    labels = [label_of(shape, path) for shape in shapes]
    pairs = zip(shapes, labels, strict=True)
    return [{**shape, "label": label} for shape, label in pairs]


def type_of(shape: dict[str, Any]) -> str:
    """The type of a shape; old files do not state that of polygons."""
    return str(shape.get("shape_type") or "polygon")


def label_of(shape: Any, path: Path) -> str:
    """The label of a shape as text. Raises InputError if it is none."""
    try:
        return label_text(shape.get("label") if isinstance(shape, dict) else None)
    except ValueError as error:
        raise InputError(f"{path}: a shape {error}; give it one in labelme") from None


# --- drawing, as labelme does ---


def draw(canvas: Image.Image, shape: dict[str, Any], value: int, path: Path) -> bool:
    """Draws one shape into `canvas`, and returns whether it is not wholly outside.

    Raises InputError for a type without an area.
    """
    kind = type_of(shape)
    if kind not in SHAPE_TYPES:
        raise InputError(
            f"{path}: a shape {quoted(shape['label'])} is a {kind}, which "
            f"{'has no area' if kind in NO_AREA else 'is not a type that is read'}; "
            f"draw it as one of {', '.join(SHAPE_TYPES)}"
        )
    min_points, function = SHAPE_TYPES[kind]
    points = points_of(shape, min_points, kind, canvas.size[::-1], path)
    if kind == "mask":
        draw_mask(canvas, shape, points, value, path)
    else:
        function(ImageDraw.Draw(canvas), points, {"fill": value, "outline": value})
    return reaches(OUTLINES.get(kind, np.array)(points), canvas.size[::-1])


def reaches(outline: np.ndarray, size: Size) -> bool:
    """Whether the box around points (n, 2) x, y has a part in an image of `size`."""
    low, high = outline.min(0), outline.max(0)
    return bool((high >= 0).all() and (low < size[::-1]).all())


def points_of(
    shape: dict[str, Any], min_points: int, kind: str, size: Size, path: Path
) -> Points:
    """The points of a shape.

    Raises InputError for too few, for shares of sides, and for points far outside.
    """
    try:
        points = [(float(x), float(y)) for x, y in shape["points"]]
        if len(points) < min_points or not np.isfinite(points).all():
            raise ValueError
    except (KeyError, TypeError, ValueError, OverflowError):
        raise InputError(
            f"{path}: a {kind} {quoted(shape['label'])} has fewer than {min_points} "
            "valid points; draw it again or delete it"
        ) from None
    if not (np.abs(points) <= FAR * max(size)).all():
        raise InputError(
            f"{path}: a {kind} {quoted(shape['label'])} has points far outside its "
            f"image of {format_size(size)}; draw it again or delete it"
        )
    if kind != "mask" and are_shares(np.array(points), size):
        raise InputError(
            f"{path}: a {kind} {quoted(shape['label'])} has points {not_pixels(size)}"
        )
    return points


def rectangle(pen: ImageDraw.ImageDraw, points: Points, paint: dict) -> None:
    xs, ys = zip(*points, strict=True)
    pen.rectangle((min(xs), min(ys), max(xs), max(ys)), **paint)


def circle(pen: ImageDraw.ImageDraw, points: Points, paint: dict) -> None:
    """The first point is the centre, the second lies on the circle."""
    (x, y), radius = points[0], math.dist(points[0], points[1])
    pen.ellipse((x - radius, y - radius, x + radius, y + radius), **paint)


def polygon(pen: ImageDraw.ImageDraw, points: Points, paint: dict) -> None:
    pen.polygon(points, **paint)


def draw_mask(
    canvas: Image.Image, shape: dict[str, Any], points: Points, value: int, path: Path
) -> None:
    """Draws a shape given as an image, whose upper left corner is the first point."""
    try:
        with Image.open(io.BytesIO(base64.b64decode(shape["mask"]))) as file:
            stencil = file.convert("L").point(lambda v: 255 * (v > 0))
    except (OSError, ValueError, TypeError, KeyError):
        raise InputError(
            f"{path}: a mask {quoted(shape['label'])} is not an image; draw it again"
        ) from None
    corner = tuple(int(v) for v in np.round(points[0]))
    canvas.paste(value, (*corner, *np.add(corner, stencil.size).tolist()), stencil)


# Shape type -> its minimum number of points, and the function that draws it.
SHAPE_TYPES: dict[str, tuple[int, Callable]] = {
    "polygon": (3, polygon),
    "rectangle": (2, rectangle),
    "oriented_rectangle": (4, polygon),
    "rotation": (4, polygon),  # of X-AnyLabeling: also a rectangle
    "quadrilateral": (4, polygon),
    "circle": (2, circle),
    "mask": (1, draw_mask),
}


# --- shapes as objects ---


def objects_of(
    shapes: list[dict[str, Any]], size: Size, ids: dict[str, int], path: Path
) -> SourceObjects:
    """The objects of shapes; those of one label and one `group_id` are one object.

    `ids` are those of masks: 0 is background, 255 is ignored. Shapes with such a label
    or without an area are skipped.
    """
    labelled, skipped = [], Counter[str]()
    for shape in shapes:
        label, kind = shape["label"], type_of(shape)
        if ids[label] in (0, IGNORE_INDEX):
            skipped[f"shapes labelled {label}"] += 1
            continue
        if kind not in SHAPE_TYPES:
            skipped[f"shapes of type {kind}"] += 1
            continue
        points = points_of(shape, SHAPE_TYPES[kind][0], kind, size, path)
        one = object_of(shape, kind, points, ids[label] - 1, size, path)
        if one is None:
            skipped["empty masks"] += 1
            continue
        group = shape.get("group_id")
        labelled.append((None if group is None else (label, str(group)), one))
    return SourceObjects(size, join(labelled, size), skipped)


def object_of(
    shape: dict[str, Any],
    kind: str,
    points: Points,
    class_id: int,
    size: Size,
    path: Path,
) -> Optional[LabelledObject]:
    """The object of one shape; None for a mask without a pixel in the image."""
    if kind == "mask":
        canvas = Image.new("L", size[::-1])
        draw_mask(canvas, shape, points, 255, path)
        return of_mask(class_id, np.array(canvas) > 0)
    return of_polygons(class_id, [OUTLINES.get(kind, np.array)(points)])


def rectangle_outline(points: Points) -> np.ndarray:
    """The corners (4, 2) of a rectangle given by two opposite ones."""
    low, high = np.min(points, 0), np.max(points, 0)
    return corners_of((*low.tolist(), *high.tolist()))


def circle_outline(points: Points) -> np.ndarray:
    """A polygon (64, 2) that stands for a circle: its centre, and a point on it."""
    radius = math.dist(points[0], points[1])
    return ellipse(*points[0], radius, radius)


# Shape type -> the function from its points to a polygon (n, 2).
OUTLINES: dict[str, Callable[[Points], np.ndarray]] = {
    "rectangle": rectangle_outline,
    "circle": circle_outline,
}
