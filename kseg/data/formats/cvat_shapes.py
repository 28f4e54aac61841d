"""The shapes of an image in CVAT's XML, made into objects."""

from __future__ import annotations

from collections import Counter
from typing import Callable, Optional

import numpy as np

from edge.core.errors import InputError, quoted
from edge.core.images import format_size
from kseg.data.formats.coco_outlines import TOO_FEW
from kseg.data.formats.objects import (
    check_sides,
    ellipse,
    grouped,
    join,
    of_box,
    of_mask,
    of_polygons,
    rectangle,
    rotated,
)
from kseg.data.formats.source import Size, SourceObjects
from kseg.data.formats.xml_file import Element, number
from kseg.data.objects_file import LabelledObject

LEAST_POINTS = 3
NO_GROUP = "0"
NOT_SHAPES = ("tag",)  # labels of the whole image


def objects_of(
    image: Element, size: Size, ids: dict[str, int], place: str, skipped: Counter
) -> SourceObjects:
    """The objects of an <image> whose `size` is (height, width).

    `ids` are the class ids of the labels. Shapes without area are counted in `skipped`.
    Raises InputError, naming `place`, for invalid numbers.
    """
    labelled, layers = [], []
    for shape in image:
        if shape.tag not in SHAPES:
            if shape.tag not in NOT_SHAPES:
                skipped[f"shapes of type {shape.tag}"] += 1
            continue
        label = label_of(shape)
        one = SHAPES[shape.tag](shape, ids[label], size, place)
        if one is None:
            skipped[TOO_FEW if shape.tag == "polygon" else "empty masks"] += 1
            continue
        group = shape.get("group_id") or NO_GROUP
        key = None if group == NO_GROUP else (label, group)
        labelled.append((key, one))
        layers.append((key, layer_of(shape, place)))
    heights = tuple(max(parts) for parts in grouped(layers))
    return SourceObjects(size, join(labelled, size), skipped, layers=heights)


def layer_of(shape: Element, place: str) -> int:
    """The z_order of a shape, 0 if none is stated."""
    return int(number(shape, "z_order", place)) if shape.get("z_order") else 0


def label_of(shape: Element) -> str:
    """The label of a shape, without spaces around it."""
    return str(shape.get("label")).strip()


def rotation_of(shape: Element, place: str) -> float:
    """The rotation of a shape in degrees, 0 if none is stated."""
    return number(shape, "rotation", place) if shape.get("rotation") else 0.0


def box(shape: Element, class_id: int, size: Size, place: str) -> LabelledObject:
    """A box, or a polygon if it is rotated: clockwise, in degrees."""
    x0, y0, x1, y1 = (number(shape, k, place) for k in ("xtl", "ytl", "xbr", "ybr"))
    corners = check_sides((x0, y0, x1, y1), place)
    angle = rotation_of(shape, place)
    if angle == 0:
        return of_box(class_id, corners)
    return of_polygons(class_id, [rotated(rectangle(corners), angle)])


def polygon(
    shape: Element, class_id: int, size: Size, place: str
) -> Optional[LabelledObject]:
    """A polygon of points `x,y;x,y;...`; None if they are fewer than 3."""
    text = shape.get("points") or ""
    try:
        pairs = [pair.split(",") for pair in text.split(";") if pair.strip()]
        points = [(float(x), float(y)) for x, y in pairs]
        if not np.isfinite(points).all():
            raise ValueError
    except ValueError:
        raise InputError(
            f"{place}: a polygon has the points {quoted(text, 40)}; expected "
            "x,y;x,y;x,y"
        ) from None
    return of_polygons(class_id, [points]) if len(points) >= LEAST_POINTS else None


def oval(shape: Element, class_id: int, size: Size, place: str) -> LabelledObject:
    """An ellipse with the centre cx, cy, as a polygon."""
    names = ("cx", "cy", "rx", "ry")
    points = ellipse(*(number(shape, name, place) for name in names))
    angle = rotation_of(shape, place)
    return of_polygons(class_id, [rotated(points, angle)])


def brush(
    shape: Element, class_id: int, size: Size, place: str
) -> Optional[LabelledObject]:
    """A mask in a window, by rows: lengths of runs outside and inside, in turn.

    The part of the window outside the image is left out. None if nothing is left.
    """
    left, top, width, height = (
        int(number(shape, name, place)) for name in ("left", "top", "width", "height")
    )
    text = shape.get("rle") or ""
    try:
        runs = np.array([int(run) for run in text.split(",")], np.int64)
        # Compared before the array is made: a wrong size could take all memory.
        if runs.min() < 0 or runs.sum() != width * height or min(width, height) < 1:
            raise ValueError
    except (ValueError, OverflowError):
        raise InputError(
            f"{place}: a mask of {height}x{width} has the run lengths "
            f"{quoted(text, 40)}, whose sum must be {width * height}; export it again"
        ) from None
    if width * height > 4 * size[0] * size[1]:
        raise InputError(
            f"{place}: a mask of {height}x{width} is far larger than its image of "
            f"{format_size(size)}; export it again"
        )
    inside = np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(height, width)
    whole = np.zeros(size, bool)
    rows = slice(max(0, top), min(size[0], top + height))
    columns = slice(max(0, left), min(size[1], left + width))
    if rows.start < rows.stop and columns.start < columns.stop:
        first, last = rows.start - top, rows.stop - top
        begin, end = columns.start - left, columns.stop - left
        whole[rows, columns] = inside[first:last, begin:end]
    return of_mask(class_id, whole)


# Element -> the function that makes its object.
SHAPES: dict[str, Callable[..., Optional[LabelledObject]]] = {
    "box": box,
    "polygon": polygon,
    "ellipse": oval,
    "mask": brush,
}
