"""The outline of an annotation of COCO: polygons or run-length encoding (RLE)."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, Optional

import numpy as np

from edge.core.constants import IGNORE_INDEX
from edge.core.errors import InputError, quoted, shortened
from kseg.data.formats.objects import (
    NOT_OBJECTS,
    check_sides,
    of_box,
    of_polygons,
    of_runs,
)
from kseg.data.formats.source import Size, SourceObjects
from kseg.data.objects_file import LabelledObject
from kseg.data.outlines import (
    are_shares,
    encoded_outline,
    not_pixels,
    read_outline,
)

LEAST_NUMBERS = 6  # of a polygon: x and y of 3 points
NOT_SET = ("", "0", "0.0", "false", "none")  # values of a flag, as text
TOO_FEW = "polygons with fewer than 3 points"

Annotation = dict[str, Any]


def objects_of(
    annotations: list[Annotation], class_ids: list[int], size: Size, path: Path
) -> SourceObjects:
    """The objects of an image. `class_ids` are those of masks: 0 background, 255 void.

    Raises InputError, naming `path`, for an invalid outline or box.
    """
    found, skipped = [], Counter[str]()
    for annotation, class_id in zip(annotations, class_ids, strict=True):
        if class_id in (0, IGNORE_INDEX):
            skipped[NOT_OBJECTS[class_id - 1]] += 1
            continue
        one = object_of(annotation, class_id - 1, size, path, skipped)
        if one:
            found.append(one)
    return SourceObjects(size, tuple(found), skipped)


def object_of(
    annotation: Annotation, class_id: int, size: Size, path: Path, skipped: Counter
) -> Optional[LabelledObject]:
    """The object of an annotation; its box is that of its outline if it has one.

    Parts with fewer than 3 points are counted in `skipped`; without any part left the
    result is None.
    """
    shape, crowd = annotation.get("segmentation"), is_crowd(annotation)
    if isinstance(shape, dict):
        return of_runs(class_id, run_lengths(annotation, *size, path), crowd)
    parts = parts_of(shape)
    if not parts:
        return boxed(annotation, class_id, size, path, crowd, skipped)
    kept = [part for part in parts if enough_points(part)]
    skipped[TOO_FEW] += len(parts) - len(kept)
    if not kept:
        return None
    run_lengths({**annotation, "segmentation": kept}, *size, path)  # its checks
    return of_polygons(class_id, (np.reshape(part, (-1, 2)) for part in kept), crowd)


def parts_of(shape: Any) -> list[Any]:
    """The polygons of an annotation; some tools leave out the outer list."""
    if not isinstance(shape, list) or not shape:
        return [shape] if shape else []
    return shape if isinstance(shape[0], list) else [shape]


def enough_points(part: Any) -> bool:
    """Whether a part has 3 points. Parts that are no numbers are errors found later."""
    numbers = isinstance(part, list) and all(isinstance(v, (int, float)) for v in part)
    return not numbers or len(part) >= LEAST_NUMBERS


def is_crowd(annotation: Annotation) -> bool:
    """Whether an annotation is a region of many objects.

    CVAT marks every brush stroke as a crowd; its annotations have `occluded`. Some
    tools write numbers as text.
    """
    attributes = annotation.get("attributes")
    of_cvat = isinstance(attributes, dict) and "occluded" in attributes
    given = str(annotation.get("iscrowd")).strip().casefold()
    return given not in NOT_SET and not of_cvat


def boxed(
    annotation: Annotation,
    class_id: int,
    size: Size,
    path: Path,
    crowd: bool,
    skipped: Counter,
) -> Optional[LabelledObject]:
    """The object of an annotation that has only `bbox`: x, y, width and height."""
    if not annotation.get("bbox"):
        skipped["annotations without outline and box"] += 1
        return None
    try:
        x, y, width, height = (float(value) for value in annotation["bbox"])
        if not np.isfinite((x, y, width, height)).all():
            raise ValueError
    except (TypeError, ValueError):
        raise InputError(
            f"{path}: annotation {shortened(annotation.get('id'))} has the box "
            f"{quoted(annotation['bbox'])}; it must be x, y, width and height"
        ) from None
    if are_shares(np.array([x, y, width, height]), size):
        raise InputError(
            f"{path}: annotation {shortened(annotation.get('id'))} has the box "
            f"{quoted(annotation['bbox'])}, {not_pixels(size)}"
        )
    place = f"{path}: annotation {shortened(annotation.get('id'))}"
    box = check_sides((x, y, x + width, y + height), place)
    return of_box(class_id, box, crowd)


def run_lengths(annotation: Annotation, height: int, width: int, path: Path) -> Any:
    """The RLE of an object, as pycocotools uses it. Raises InputError if invalid."""
    size = height, width
    try:
        polygons, runs = read_outline(annotation.get("segmentation"), size)
        if not polygons and runs is None:
            raise ValueError(
                "has no segmentation, only a box; outline it, remove it, or keep boxes "
                "with --task detection"
            )
        return encoded_outline(polygons, runs, size)
    except ValueError as error:
        raise InputError(
            f"{path}: annotation {shortened(annotation.get('id'))} {error}"
        ) from None
