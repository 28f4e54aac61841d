"""The objects of Supervisely's files: polygons with holes, bitmaps and rectangles.

Their coordinates are those of pixels, x before y, and the pixels at both ends are
inside.
"""

from __future__ import annotations

import base64
import io
import zlib
from collections import Counter
from pathlib import Path
from typing import Any, Callable, Optional

import cv2
import numpy as np
from PIL import Image

from edge.core.errors import InputError, quoted
from edge.core.images import format_size
from kseg.data.formats.labels import label_text
from kseg.data.formats.objects import NO_PIXEL, of_box, of_mask
from kseg.data.formats.source import Size
from kseg.data.objects_file import LabelledObject
from kseg.data.outlines import FAR, are_shares

BOX = "rectangle"
LEAST_POINTS = 3
MOST_BYTES = 1 << 28  # of a bitmap's PNG file, unpacked


def label_of(one: dict[str, Any], path: Path) -> str:
    """The class of an object. Raises InputError if it is no text."""
    try:
        return label_text(one.get("classTitle"))
    except ValueError as error:
        raise InputError(f"{path}: an object {error}; give it a class") from None


def type_of(one: dict[str, Any]) -> str:
    """The kind of shape of an object; older files do not state bitmaps."""
    stated = one.get("geometryType")
    return str(stated or ("bitmap" if one.get("bitmap") else "polygon"))


def object_of(
    one: dict[str, Any], class_id: int, size: Size, path: Path, skipped: Counter
) -> Optional[LabelledObject]:
    """An object of an image of `size` (height, width).

    Shapes without an area are counted in `skipped`, and the result is None. Raises
    InputError for invalid ones.
    """
    kind = type_of(one)
    if kind not in SHAPES:
        skipped[f"shapes of type {kind}"] += 1
        return None
    try:
        made = SHAPES[kind](one, class_id, size)
    except ValueError as error:
        raise InputError(
            f"{path}: a {kind} {quoted(label_of(one, path))} {error}; draw it again"
        ) from None
    if made is None:
        skipped[NO_PIXEL] += 1
    return made


def points_of(given: Any, least: int, size: Size) -> np.ndarray:
    """(n, 2) x, y float64. Raises ValueError for fewer points and for no numbers."""
    try:
        points = np.asarray(given, np.float64)
        wrong = points.ndim != 2 or points.shape[1] != 2 or len(points) < least
    except (TypeError, ValueError, OverflowError):
        wrong = True
    if wrong or not np.isfinite(points).all():
        raise ValueError(f"has fewer than {least} valid points")
    if not (np.abs(points) <= FAR * max(size)).all():
        raise ValueError(f"has points far outside its image of {format_size(size)}")
    if are_shares(points, size):
        raise ValueError(
            "has points from 0 to 1, fractions of the image's width and height and not "
            "pixels"
        )
    return points


def part(one: dict[str, Any], key: str) -> dict[str, Any]:
    """The shape under a key of an object. Raises ValueError without it."""
    found = one.get(key)
    if not isinstance(found, dict):
        raise ValueError(f"has no {quoted(key)}")
    return found


def polygon(one: dict[str, Any], class_id: int, size: Size) -> Optional[LabelledObject]:
    """A polygon without its holes, drawn as by Supervisely."""
    points = part(one, "points")
    canvas = np.zeros(size, np.uint8)
    outside = points_of(points.get("exterior"), LEAST_POINTS, size)
    cv2.fillPoly(canvas, [np.round(outside).astype(np.int32)], 1)
    holes = points.get("interior") or []
    if not isinstance(holes, list):
        raise ValueError(f"has the holes {quoted(holes)}, which are no list")
    for hole in holes:
        inside = points_of(hole, LEAST_POINTS, size)
        cv2.fillPoly(canvas, [np.round(inside).astype(np.int32)], 0)
    return of_mask(class_id, canvas > 0)


def rectangle(
    one: dict[str, Any], class_id: int, size: Size
) -> Optional[LabelledObject]:
    """A box of two opposite corners."""
    points = points_of(part(one, "points").get("exterior"), 2, size)
    (x0, y0), (x1, y1) = points.min(0).tolist(), points.max(0).tolist()
    return of_box(class_id, (x0, y0, x1 + 1, y1 + 1))


def bitmap(one: dict[str, Any], class_id: int, size: Size) -> Optional[LabelledObject]:
    """A mask in a window, of which only the part inside the image is kept."""
    shape = part(one, "bitmap")
    corner = points_of([shape.get("origin")], 1, size)[0].astype(int)
    stencil = stencil_of(shape.get("data"), size)
    whole = np.zeros(size, bool)
    low = np.maximum(corner, 0)
    high = np.minimum(corner + stencil.shape[::-1], size[::-1])
    if (low < high).all():
        (x0, y0), (x1, y1) = (low - corner).tolist(), (high - corner).tolist()
        whole[low[1] : high[1], low[0] : high[0]] = stencil[y0:y1, x0:x1]
    return of_mask(class_id, whole)


def stencil_of(data: Any, size: Size) -> np.ndarray:
    """(h, w) bool of a PNG in base64, which zlib may have packed.

    Where it has an alpha channel, that is the mask. Raises ValueError if it cannot be
    read, and if it is far larger than its image, before it fills the memory.
    """
    try:
        packed = base64.b64decode(data, validate=True)
        if not packed.startswith(b"\x89PNG"):
            packed = zlib.decompressobj().decompress(packed, MOST_BYTES)
        with Image.open(io.BytesIO(packed)) as file:
            if file.width * file.height > 4 * size[0] * size[1]:
                shown = format_size((file.height, file.width))
                raise InputError(f"is far larger than its image: {shown}")
            alpha = file.mode in ("LA", "RGBA")
            return np.asarray(file.getchannel("A") if alpha else file.convert("L")) > 0
    except InputError as error:
        raise ValueError(str(error)) from None
    except (OSError, ValueError, TypeError, zlib.error, SyntaxError):
        raise ValueError("is not an image in base64 and zlib") from None


# Kind of shape -> the function that makes its object.
SHAPES: dict[str, Callable[..., Optional[LabelledObject]]] = {
    "polygon": polygon,
    "bitmap": bitmap,
    "alpha_mask": bitmap,
    BOX: rectangle,
}
