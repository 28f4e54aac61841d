"""`objects.json`: the objects of a split's images in COCO's format.

Lin et al., "Microsoft COCO: Common Objects in Context" (ECCV 2014); the format is
described at https://cocodataset.org/#format-data.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional, Sequence

import numpy as np

from edge.core.files import write_text

OBJECTS = "objects.json"

Box = tuple[float, float, float, float]  # x0, y0, x1, y1 in pixels, ends exclusive


@dataclass(frozen=True)
class LabelledObject:
    """One object: its class, its box, and its outline if it has one.

    `class_id` counts from 0, without a background. `polygons` are (n, 2) x, y in
    pixels; several are parts of one object. `rle` is a mask of the whole image in
    COCO's run-length encoding. A `crowd` is a region of many objects, which neither
    counts as an object nor as background.
    """

    class_id: int
    box: Box
    polygons: tuple[np.ndarray, ...] = ()
    rle: Optional[dict[str, Any]] = None
    crowd: bool = False


@dataclass(frozen=True)
class LabelledImage:
    """An image file and its objects; `size` is (height, width), upright."""

    file_name: str
    size: tuple[int, int]
    objects: tuple[LabelledObject, ...]


def write_objects(
    path: Path, class_names: Sequence[str], images: Sequence[LabelledImage]
) -> None:
    """Writes `objects.json`; ids count from 1."""
    annotations: list[dict[str, Any]] = []
    for number, image in enumerate(images, start=1):
        for each in image.objects:
            annotations.append(
                {"id": len(annotations) + 1, "image_id": number, **annotation_of(each)}
            )
    content = {
        "images": [
            {
                "id": number,
                "file_name": image.file_name,
                "height": image.size[0],
                "width": image.size[1],
            }
            for number, image in enumerate(images, start=1)
        ],
        "annotations": annotations,
        "categories": [
            {"id": number, "name": name}
            for number, name in enumerate(class_names, start=1)
        ],
    }
    write_text(path, json.dumps(content))


def annotation_of(each: LabelledObject) -> dict[str, Any]:
    """An object as an annotation of COCO, without its ids."""
    x0, y0, x1, y1 = (round(float(value), 3) for value in each.box)
    result: dict[str, Any] = {
        "category_id": each.class_id + 1,
        "bbox": [x0, y0, round(x1 - x0, 3), round(y1 - y0, 3)],
        "area": round((x1 - x0) * (y1 - y0), 3),
        "iscrowd": int(each.crowd),
    }
    if each.rle is not None:
        result["segmentation"] = each.rle
    elif each.polygons:
        result["segmentation"] = [
            np.round(polygon, 3).ravel().tolist() for polygon in each.polygons
        ]
    return result
