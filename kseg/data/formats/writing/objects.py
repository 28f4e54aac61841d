"""What a model found in an image, as labelled objects: polygons or boxes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Callable, NamedTuple, Optional

import numpy as np

from edge.model_file.info import ModelInfo
from edge.predict.results import Detections, SemanticMap
from kseg.data.components import LEAST_AREA
from kseg.data.formats.labels import means_background, means_void
from kseg.data.formats.objects import of_box, of_polygons
from kseg.data.formats.writing.outlines import polygon_of, regions_of
from kseg.data.objects_file import LabelledObject

TOLERANCE = 1.0  # pixels


class Limits(NamedTuple):
    """How polygons are made; see `polygon_of`.

    `least_area` is in pixels, or None for the share LEAST_AREA of the image. Polygons
    follow the centres of pixels with `centres`, else their edges.
    """

    tolerance: float = TOLERANCE
    least_area: Optional[float] = None
    centres: bool = False

    def of(self, size: tuple[int, int]) -> Limits:
        """The limits for an image of `size` (height, width), with its least area."""
        if self.least_area is not None:
            return self
        return self._replace(least_area=LEAST_AREA * size[0] * size[1])


@dataclass
class Found:
    """The objects of an image, and how many were left out for their area."""

    objects: list[LabelledObject] = field(default_factory=list)
    specks: int = 0


class WrittenClasses(NamedTuple):
    """The classes that are written, and which of them each class of the model is.

    Background and void have no polygons: their ids are missing in `ids`.
    """

    names: tuple[str, ...]
    colors: tuple[tuple[int, int, int], ...]
    ids: dict[int, int]


def written_classes(info: ModelInfo) -> WrittenClasses:
    """All classes of a model but background and void.

    >>> info = ModelInfo(("background", "cat"), ((0, 0, 0), (9, 9, 9)))
    >>> written_classes(info)
    WrittenClasses(names=('cat',), colors=((9, 9, 9),), ids={1: 0})
    """
    kept = [
        index
        for index, name in enumerate(info.class_names)
        if not (means_background(name) or means_void(name))
    ]
    return WrittenClasses(
        tuple(info.class_names[index] for index in kept),
        tuple(info.colors[index] for index in kept),
        {index: place for place, index in enumerate(kept)},
    )


def objects_of_map(result: SemanticMap, ids: dict[int, int], limits: Limits) -> Found:
    """A polygon for each connected region of a class, the largest first."""
    found = Found()
    limits = limits.of(result.labels.shape)
    sized = []
    for class_id, written in ids.items():
        for region in regions_of(result.labels == class_id, limits.centres):
            if region.area < limits.least_area:
                found.specks += 1
                continue
            polygon = polygon_of(region, limits.tolerance, limits.least_area)
            sized.append((region.area, of_polygons(written, [polygon])))
    found.objects = [one for _, one in sorted(sized, key=lambda each: -each[0])]
    return found


def objects_of_instances(
    result: Detections, ids: dict[int, int], limits: Limits
) -> Found:
    """The polygons of each object: one for each connected part of its mask."""
    found = Found()
    limits = limits.of(result.size)
    for class_id, (rows, columns, mask) in zip(
        result.class_ids, result.masks(), strict=True
    ):
        if int(class_id) not in ids:
            continue
        regions = regions_of(mask, limits.centres)
        kept = [one for one in regions if one.area >= limits.least_area]
        found.specks += not kept
        corner = (columns.start, rows.start)
        parts = [
            polygon_of(one, limits.tolerance, limits.least_area) + corner
            for one in kept
        ]
        if parts:
            found.objects.append(of_polygons(ids[int(class_id)], parts))
    return found


def objects_of_boxes(result: Detections, ids: dict[int, int], limits: Limits) -> Found:
    """The box of each object, clipped to the image."""
    found = Found()
    least = limits.of(result.size).least_area
    height, width = result.size
    boxes = np.clip(result.boxes, 0, np.array([width, height] * 2))
    for class_id, box in zip(result.class_ids, boxes, strict=True):
        x0, y0, x1, y1 = (float(side) for side in box)
        if int(class_id) not in ids:
            continue
        if (x1 - x0) * (y1 - y0) < max(least, np.finfo(np.float32).eps):
            found.specks += 1
            continue
        found.objects.append(of_box(ids[int(class_id)], (x0, y0, x1, y1)))
    return found


# Task -> (result, class ids of the model -> those written, limits) -> objects.
OBJECTS: dict[str, Callable[[Any, dict[int, int], Limits], Found]] = {
    "semantic": objects_of_map,
    "instance": objects_of_instances,
    "detection": objects_of_boxes,
}
