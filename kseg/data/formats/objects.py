"""Objects of an image: made from outlines, joined, fitted to the image, painted."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Callable, Hashable, Iterable, Optional, TypeVar

import numpy as np

from edge.core.constants import IGNORE_INDEX
from edge.core.errors import InputError
from edge.core.image_header import read_header
from edge.core.images import read_bytes, upright
from kseg.data.formats.source import (
    Size,
    SourceDataset,
    SourceObjects,
    SourcePair,
    Tally,
    size_error,
)
from kseg.data.objects_file import BOXES_ONLY, Box, LabelledObject
from kseg.data.outlines import FAR, are_shares, encoded_outline, not_pixels

# Class ids of shapes that mark the background and void, and why they are no objects.
NOT_OBJECTS = {
    -1: "objects of the class background",
    IGNORE_INDEX - 1: "objects of the class void",
}
NO_PIXEL = "shapes without a pixel in the image"
BEYOND = "boxes that reached beyond their image, clipped"
CORNERS = 64  # of the polygon that stands for a circle: its area is smaller by 0.2 %

Points = np.ndarray  # (n, 2) x, y
T = TypeVar("T")


# --- making objects ---


def of_box(class_id: int, box: Box, crowd: bool = False) -> LabelledObject:
    """An object that has only a box."""
    return LabelledObject(class_id, box, crowd=crowd)


def check_sides(box: Box, place: str) -> Box:
    """Returns a box. Raises InputError, naming `place`, if a side is negative."""
    x0, y0, x1, y1 = box
    if x1 < x0 or y1 < y0:
        raise InputError(
            f"{place}: the box has a negative side: width {x1 - x0:g}, height "
            f"{y1 - y0:g}; correct or remove it"
        )
    return box


def of_polygons(
    class_id: int, polygons: Iterable[Points], crowd: bool = False
) -> LabelledObject:
    """An object of one or several polygons (n, 2) x, y; its box is the smallest."""
    parts = tuple(np.asarray(polygon, np.float64) for polygon in polygons)
    points = np.concatenate(parts)
    box = (*points.min(0).tolist(), *points.max(0).tolist())
    return LabelledObject(class_id, box, parts, crowd=crowd)


def of_mask(
    class_id: int, mask: np.ndarray, crowd: bool = False
) -> Optional[LabelledObject]:
    """An object of a mask (H, W) bool of the whole image; None if it is empty."""
    return of_runs(class_id, encode(mask), crowd) if mask.any() else None


def of_runs(class_id: int, runs: dict[str, Any], crowd: bool = False) -> LabelledObject:
    """An object of COCO's compressed run lengths, with its smallest box."""
    from pycocotools import mask as coco_mask

    x, y, width, height = coco_mask.toBbox(runs).tolist()
    counts = runs["counts"]
    text = counts.decode("ascii") if isinstance(counts, bytes) else counts
    rle = {"size": [int(side) for side in runs["size"]], "counts": text}
    return LabelledObject(class_id, (x, y, x + width, y + height), (), rle, crowd)


def encode(mask: np.ndarray) -> dict[str, Any]:
    """(H, W) bool -> COCO's run-length encoding, compressed."""
    from pycocotools import mask as coco_mask

    return coco_mask.encode(np.asfortranarray(mask, np.uint8))


def decode(each: LabelledObject, size: Size) -> np.ndarray:
    """The mask (H, W) bool of an object that has an outline."""
    from pycocotools import mask as coco_mask

    return coco_mask.decode(encoded_outline(each.polygons, each.rle, size)) > 0


def rectangle(box: Box) -> Points:
    """The corners (4, 2) of a box.

    >>> rectangle((1, 2, 3, 4)).tolist()
    [[1, 2], [3, 2], [3, 4], [1, 4]]
    """
    x0, y0, x1, y1 = box
    return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])


def ellipse(x: float, y: float, radius_x: float, radius_y: float) -> Points:
    """A polygon (64, 2) that stands for an ellipse around x, y."""
    angles = np.arange(CORNERS) * (2 * math.pi / CORNERS)
    return np.stack([x + radius_x * np.cos(angles), y + radius_y * np.sin(angles)], 1)


def rotated(points: Points, degrees: float) -> Points:
    """Points rotated around the middle of their box, clockwise as seen in the image.

    >>> rotated(rectangle((0, 0, 4, 2)), 90).round(3).tolist()
    [[3.0, -1.0], [3.0, 3.0], [1.0, 3.0], [1.0, -1.0]]
    """
    middle = (points.min(0) + points.max(0)) / 2
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return (points - middle) @ np.array([[cos, sin], [-sin, cos]]) + middle


def join(
    labelled: Iterable[tuple[Hashable, LabelledObject]], size: Size
) -> tuple[LabelledObject, ...]:
    """Joins objects that have the same key; those whose key is None stay apart."""
    groups = grouped(labelled)
    return tuple(joined(parts, size) for parts in groups)


def grouped(keyed: Iterable[tuple[Hashable, T]]) -> list[list[T]]:
    """Lists of what has the same key; what has the key None is alone.

    >>> grouped([("a", 1), (None, 2), ("a", 3), (None, 4)])
    [[1, 3], [2], [4]]
    """
    groups: dict[Hashable, list[T]] = {}
    for index, (key, each) in enumerate(keyed):
        groups.setdefault((index, None) if key is None else (key,), []).append(each)
    return list(groups.values())


def joined(parts: list[LabelledObject], size: Size) -> LabelledObject:
    """One object of several parts. Beside outlines, boxes count as outlines."""
    first = parts[0]
    if len(parts) == 1:
        return first
    if not any(part.outlined for part in parts):
        low, high = np.min([p.box for p in parts], 0), np.max([p.box for p in parts], 0)
        return replace(first, box=(*low[:2].tolist(), *high[2:].tolist()))
    parts = [
        part if part.outlined else of_polygons(0, [rectangle(part.box)])
        for part in parts
    ]
    if all(part.rle is None for part in parts):
        polygons = [polygon for part in parts for polygon in part.polygons]
        return of_polygons(first.class_id, polygons, first.crowd)
    mask = np.logical_or.reduce([decode(part, size) for part in parts])
    return of_mask(first.class_id, mask, first.crowd) or first


def check_points(pair: SourcePair, found: SourceObjects) -> None:
    """Raises InputError for points that are no pixels of the image.

    To draw those far outside would fill the memory; shares of its sides would be one
    pixel.
    """
    limit = FAR * max(found.size)
    for each in found.objects:
        if any(are_shares(polygon, found.size) for polygon in each.polygons):
            raise InputError(
                f"{pair.image}: an object has points {not_pixels(found.size)}"
            )
        if not all((np.abs(polygon) <= limit).all() for polygon in each.polygons):
            raise InputError(
                f"{pair.image}: an object has points far outside its image of "
                f"{found.size[0]}x{found.size[1]}; correct or remove it"
            )


def with_classes(found: SourceObjects) -> SourceObjects:
    """The objects that have a class; those of NOT_OBJECTS are counted as skipped."""
    kept = tuple(one for one in found.objects if one.class_id not in NOT_OBJECTS)
    left_out = Counter(
        NOT_OBJECTS[one.class_id]
        for one in found.objects
        if one.class_id in NOT_OBJECTS
    )
    return replace(found, objects=kept, skipped=found.skipped + left_out)


# --- objects as a mask ---


def painted(export: SourceDataset, in_order: bool = False) -> SourceDataset:
    """An export whose masks are painted from its objects, as `paint` does."""
    tally = export.unpainted
    for pairs in export.splits.values():
        pairs[:] = [replace(p, mask=partial(paint, p, in_order, tally)) for p in pairs]
    return export


def paint(
    pair: SourcePair, in_order: bool = False, unpainted: Optional[Tally] = None
) -> np.ndarray:
    """Paints objects as (H, W) uint8 class ids: the last one on top, if `in_order`.

    Otherwise those of a higher layer are on top, and in a layer the smallest. Class k
    of the objects becomes class k + 1; crowds are void. Shapes of NOT_OBJECTS are
    painted as background and void. What is no object is counted in `unpainted`. Raises
    InputError for an object without an outline.
    """
    found = pair.objects()
    if unpainted:
        unpainted.add(found.skipped)
    check_points(pair, found)
    boxes = sum(not each.outlined for each in found.objects)
    if boxes:
        raise InputError(
            f"{pair.image}: {boxes} of {len(found.objects)} objects are {BOXES_ONLY}"
        )
    masks = [decode(each, found.size) for each in found.objects]
    areas = [np.count_nonzero(mask) for mask in masks]
    if unpainted:
        unpainted.add(Counter({NO_PIXEL: areas.count(0)}))
    result = np.zeros(found.size, np.uint8)
    order = range(len(masks))
    layers = found.layers or [0] * len(masks)
    from_below = sorted(order, key=lambda i: (layers[i], -areas[i]))
    for index in order if in_order else from_below:
        each = found.objects[index]
        result[masks[index]] = IGNORE_INDEX if each.crowd else each.class_id + 1
    return result


# --- fitting objects to their image ---


# EXIF orientation -> where a point x, y of the image as stored, of size h, w, is in the
# upright image.
POINT_ROTATIONS: dict[int, Callable[[Points, int, int], Points]] = {
    5: lambda p, h, w: p[:, ::-1],
    6: lambda p, h, w: np.stack([h - p[:, 1], p[:, 0]], 1),
    7: lambda p, h, w: np.stack([h - p[:, 1], w - p[:, 0]], 1),
    8: lambda p, h, w: np.stack([p[:, 1], w - p[:, 0]], 1),
}


def fitted(found: SourceObjects, copy: Path, size: Size, image: Path) -> SourceObjects:
    """The objects inside the upright image of `size`, whose file is `copy`.

    Objects labelled on the image as stored are rotated with it. Boxes are clipped, and
    counted if that is more than a pixel; those without area, outside or labelled twice
    are skipped. Raises InputError, naming
    `image`, if the labels are for another size.
    """
    objects = found.objects
    seen: set[Hashable] = set()
    if found.size != size:
        orientation = read_header(read_bytes(copy)).orientation
        if orientation not in POINT_ROTATIONS or found.size != size[::-1]:
            raise size_error(image, size, found.size)
        objects = tuple(turned(each, orientation, found.size) for each in objects)
    skipped, changed, kept = Counter(found.skipped), Counter(found.changed), []
    for each in objects:
        x0, y0, x1, y1 = each.box
        box = max(0.0, x0), max(0.0, y0), min(x1, size[1]), min(y1, size[0])
        if not (x0 < x1 and y0 < y1):
            skipped["objects without area"] += 1
        elif not (box[0] < box[2] and box[1] < box[3]):
            skipped["objects outside the image"] += 1
        elif (key := content_of(each, box)) in seen:
            skipped["objects that are labelled twice"] += 1
        else:
            seen.add(key)
            kept.append(replace(each, box=box))
            reach = max(abs(a - b) for a, b in zip(box, each.box, strict=True))
            changed[BEYOND] += reach > 1
    return SourceObjects(size, tuple(kept), skipped, +changed)


def content_of(each: LabelledObject, box: Box) -> Hashable:
    """What objects.json holds of an object; two that are equal there are refused."""
    outline = tuple(np.round(part, 3).tobytes() for part in each.polygons)
    return each.class_id, tuple(np.round(box, 3).tolist()), outline, str(each.rle)


def turned(each: LabelledObject, orientation: int, stored: Size) -> LabelledObject:
    """An object of the image as `stored` (height, width), in the upright image."""
    if each.rle is not None:
        mask = upright(decode(each, stored), orientation)
        return of_mask(each.class_id, mask, each.crowd) or each
    rotate = POINT_ROTATIONS[orientation]
    if each.polygons:
        polygons = [rotate(polygon, *stored) for polygon in each.polygons]
        return of_polygons(each.class_id, polygons, each.crowd)
    corners = rotate(rectangle(each.box), *stored)
    box = (*corners.min(0).tolist(), *corners.max(0).tolist())
    return replace(each, box=box)
