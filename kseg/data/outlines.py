"""Outlines of objects in COCO's forms, polygons and run lengths: checks and masks."""

from __future__ import annotations

from typing import Any, Optional, Sequence

import numpy as np

from edge.core.images import format_size
from kseg.data.objects import BoxAndMask, trimmed

FEW_PIXELS = 4  # sides of images in which an outline may be smaller than a pixel
FAR = 10  # times the image's size; points farther outside are errors

Polygons = tuple[np.ndarray, ...]
RunLengths = Optional[dict[str, Any]]


def read_outline(outline: Any, size: tuple[int, int]) -> tuple[Polygons, RunLengths]:
    """The `segmentation` of an annotation: polygons (n, 2) x, y, or run lengths.

    Both are empty for an object that has only a box. Raises ValueError with a text
    that follows the name of the object.
    """
    if isinstance(outline, dict):
        check_run_lengths(outline, size)
        return (), {"size": list(size), "counts": outline["counts"]}
    if outline is None:
        return (), None
    if not isinstance(outline, list):
        raise ValueError("has neither polygons nor run lengths; export it again")
    numbers = outline and not isinstance(outline[0], list)
    parts = [outline] if numbers else [part for part in outline if part != []]
    return tuple(read_polygon(part, size) for part in parts), None


def read_polygon(part: Any, size: tuple[int, int]) -> np.ndarray:
    """x1, y1, x2, y2, ... -> (n, 2) float64. Raises ValueError as `read_outline`."""
    try:
        values = np.asarray(part, np.float64)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(
            "has a polygon that is no list of numbers; export it again"
        ) from None
    if values.ndim != 1 or values.size % 2 or values.size < 6:
        raise ValueError(
            f"has a polygon of {values.size} numbers; it must be x and y of at least 3 "
            "points, draw it again or remove it"
        )
    if not (np.abs(values) <= FAR * max(size)).all():
        raise ValueError(
            f"has points that are far outside its image of {format_size(size)} or no "
            "numbers; draw it again"
        )
    if are_shares(values, size):
        raise ValueError(f"has points {not_pixels(size)}")
    return values.reshape(-1, 2)


def not_pixels(size: tuple[int, int]) -> str:
    """What `are_shares` means, and what to do, for a message."""
    return (
        "from 0 to 1, fractions of the image's width and height and not pixels; "
        f"multiply them by its size, {format_size(size)}"
    )


def are_shares(values: np.ndarray, size: tuple[int, int]) -> bool:
    """Whether coordinates are shares of an image's sides instead of pixels.

    They all are from 0 to 1, in an image of more than a few pixels, and not whole.

    >>> are_shares(np.array([0.1, 0.1, 0.8, 0.4]), (64, 64))
    True
    """
    inside = 0 <= values.min() and values.max() <= 1
    return bool(inside and (values % 1 != 0).any() and min(size) > FEW_PIXELS)


def check_run_lengths(runs: dict[str, Any], size: tuple[int, int]) -> None:
    """Raises ValueError for run lengths that do not fill an image of `size`.

    pycocotools does not check them and reads beyond its memory if they are too long.
    """
    try:
        given = tuple(int(side) for side in runs["size"])
        counts = runs["counts"]
        counts = decode_counts(counts) if isinstance(counts, str) else list(counts)
        least, total = min(counts), sum(counts)
        whole = not any(count % 1 for count in counts)
    except (KeyError, TypeError, ValueError, IndexError, OverflowError):
        raise ValueError(
            "has run lengths that cannot be read; export it again"
        ) from None
    if given != tuple(size):
        raise ValueError(
            f"has run lengths for {format_size(given)}, but its image is "
            f"{format_size(size)}; export it again"
        )
    if not whole:
        raise ValueError("has run lengths that are not whole numbers; export it again")
    if least < 0 or total != size[0] * size[1]:
        raise ValueError(
            f"has run lengths of {total} pixels{' and negative ones' * (least < 0)}, "
            f"but its image has {size[0] * size[1]}; export it again"
        )


def decode_counts(text: str) -> list[int]:
    """Decodes COCO's compressed run lengths, which hold five bits per character.

    From the fourth on, each number is stored as the difference to the one two before.

    >>> decode_counts("1231"), decode_counts("o03")
    ([1, 2, 3, 3], [31, 3])
    """
    counts: list[int] = []
    value = shift = 0
    for code in text.encode("ascii"):
        bits = code - ord("0")
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:  # more of this number follows
            continue
        if bits & 16:  # it is negative
            value -= 1 << shift
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
        value = shift = 0
    return counts


def bounds(
    polygons: Sequence[np.ndarray], runs: RunLengths
) -> Optional[tuple[float, float, float, float]]:
    """x0, y0, x1, y1 around an outline; None if it is empty."""
    if runs is not None:
        from pycocotools import mask as coco_mask

        x, y, width, height = coco_mask.toBbox(encoded(runs)).tolist()
        return (x, y, x + width, y + height) if width and height else None
    if not polygons:
        return None
    points = np.concatenate(polygons)
    x0, y0, x1, y1 = (*points.min(axis=0).tolist(), *points.max(axis=0).tolist())
    return x0, y0, x1, y1


def draw_outline(
    polygons: Sequence[np.ndarray], runs: RunLengths, size: tuple[int, int]
) -> Optional[BoxAndMask]:
    """The pixels inside an outline: tight box x0, y0, x1, y1, and bool mask of the box.

    `size` is that of the image. None if no pixel is inside.
    """
    if runs is not None:
        from pycocotools import mask as coco_mask

        return trimmed(coco_mask.decode(encoded(runs)).astype(bool), 0, 0)
    return draw_polygons(polygons, size)


def draw_polygons(
    polygons: Sequence[np.ndarray], size: tuple[int, int]
) -> Optional[BoxAndMask]:
    """As `draw_outline`; only the part of the image around the polygons is drawn."""
    from pycocotools import mask as coco_mask

    points = np.concatenate(polygons)
    left, top = np.maximum(np.floor(points.min(axis=0)), 0).astype(int).tolist()
    ends = np.ceil(points.max(axis=0)).astype(int) + 1
    width, height = (np.minimum(ends, size[::-1]) - (left, top)).tolist()
    if width <= 0 or height <= 0:
        return None
    parts = [(polygon - (left, top)).ravel().tolist() for polygon in polygons]
    runs = coco_mask.merge(coco_mask.frPyObjects(parts, height, width))
    return trimmed(coco_mask.decode(runs).astype(bool), left, top)


def encoded_outline(
    polygons: Sequence[np.ndarray], runs: RunLengths, size: tuple[int, int]
) -> dict[str, Any]:
    """An outline that is not empty as one mask of the image, as pycocotools uses it."""
    from pycocotools import mask as coco_mask

    if runs is not None:
        return encoded(runs)
    parts = [polygon.ravel().tolist() for polygon in polygons]
    return coco_mask.merge(coco_mask.frPyObjects(parts, *size))


def outline_area(
    polygons: Sequence[np.ndarray], runs: RunLengths, size: tuple[int, int]
) -> int:
    """The number of pixels inside an outline that is not empty."""
    from pycocotools import mask as coco_mask

    return int(coco_mask.area(encoded_outline(polygons, runs, size)))


def encoded(runs: dict[str, Any]) -> dict[str, Any]:
    """Run lengths in the form that pycocotools works on."""
    from pycocotools import mask as coco_mask

    if isinstance(runs["counts"], str):
        return {"size": list(runs["size"]), "counts": runs["counts"].encode("ascii")}
    return coco_mask.frPyObjects(runs, *runs["size"])
