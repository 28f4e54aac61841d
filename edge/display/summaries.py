"""Results in words and numbers: for lines of JSON, the browser view, and files."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Iterator, Optional

import cv2
import numpy as np

from edge.core.files import write_json
from edge.core.images import write_mask
from edge.display.colors import color_table
from edge.display.names import written_name
from edge.model_file.info import ModelInfo, class_name
from edge.predict.results import Detections, Instances, SemanticMap

DIGITS = 6  # of the shares
TOLERANCE = 1.0  # pixels between a polygon and the contour that it simplifies


def shares_of(result: SemanticMap, info: ModelInfo) -> dict[str, Any]:
    """The share of the pixels of each class that occurs."""
    shares = result.shares(info)
    return {"shares": {name: round(share, DIGITS) for name, share in shares.items()}}


def counts_of(result: Detections, info: ModelInfo) -> dict[str, Any]:
    """The number of objects of each class that occurs, in order of class id."""
    return {"counts": result.counts(info)}


def objects_of(
    result: Detections, info: ModelInfo, polygons: bool = False
) -> dict[str, Any]:
    """Each object, and the number of objects of each class.

    An object has its class, score, box (x0, y0, x1, y1 in pixels), area in pixels, of
    its mask or else of its box, and `track` if it has one. With `polygons` also the
    outline of the largest part of its mask: a list of x, y.
    """
    objects = []
    for index, area in enumerate(areas_of(result)):
        objects.append(
            {
                "class": class_name(info, int(result.class_ids[index])),
                "score": round(float(result.scores[index]), 4),
                "box": [round(float(side), 2) for side in result.boxes[index]],
                "area": area,
                **track_of(result, index),
            }
        )
    if polygons and isinstance(result, Instances):
        for each, (rows, columns, mask) in zip(objects, result.masks()):
            each["polygon"] = polygon_of(mask, (columns.start, rows.start))
    return {"objects": objects, **counts_of(result, info)}


def areas_of(result: Detections) -> Iterator[float]:
    """The pixels of each mask; without masks, the area of each box."""
    if isinstance(result, Instances):
        for _, _, mask in result.masks():
            yield int(np.count_nonzero(mask))
    else:
        for x0, y0, x1, y1 in result.boxes.tolist():
            yield round((x1 - x0) * (y1 - y0), 1)


def track_of(result: Detections, index: int) -> dict[str, int]:
    """{"track": id} of an object, or {} if it has none."""
    track = 0 if result.track_ids is None else int(result.track_ids[index])
    return {"track": track} if track > 0 else {}


def polygon_of(mask: np.ndarray, corner: tuple[int, int]) -> list[list[int]]:
    """The outline of the largest part of a bool mask (H, W), as x, y of its pixels.

    `corner` x, y is added. An empty mask has no points, and one of less than two rows
    or columns only one or two.

    >>> polygon_of(np.ones((3, 4), bool), (10, 20))
    [[10, 20], [10, 22], [13, 22], [13, 20]]
    """
    contours, _ = cv2.findContours(
        mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
    )
    if not contours:
        return []
    # Parts of one pixel's width have no area, so the number of points decides too.
    largest = max(contours, key=lambda points: (cv2.contourArea(points), len(points)))
    simple = cv2.approxPolyDP(largest, TOLERANCE, True)
    if len(simple) < 3:  # an object of about the size of the tolerance
        simple = cv2.approxPolyDP(largest, 0, True)
    return (simple.reshape(-1, 2) + np.array(corner)).tolist()


def write_labels(
    folder: Path,
    name: str,
    result: SemanticMap,
    info: ModelInfo,
    colored: bool = False,
) -> None:
    """Write the class ids as a grey PNG, or with the colours of `info` as palette."""
    colors = color_table(info).tolist() if colored else None
    write_mask(folder / f"{name}.png", result.labels, colors)


def write_instances(
    folder: Path, name: str, result: Instances, info: ModelInfo, colored: bool = False
) -> None:
    """Write a grey PNG of 16 bits: 0 for no object, k for object k of the result."""
    write_mask(folder / f"{name}.png", result.label_map())


def write_boxes(
    folder: Path, name: str, result: Detections, info: ModelInfo, colored: bool = False
) -> None:
    """Write boxes, classes and scores as JSON; boxes are x0, y0, x1, y1 in pixels."""
    objects = objects_of(result, info)["objects"]
    content = {
        "size": list(result.size),
        "boxes": [each["box"] for each in objects],
        "classes": [each["class"] for each in objects],
        "scores": [each["score"] for each in objects],
    }
    if result.track_ids is not None:
        content["tracks"] = result.track_ids.tolist()
    write_json(folder / f"{name}.json", content, indent=None)


def crossings_text(
    crossings: Optional[dict[str, dict[str, int]]], info: ModelInfo
) -> str:
    """How many objects crossed the line, one line of text for each class.

    >>> info = ModelInfo(class_names=("dog", "cat"), colors=((0, 0, 1),) * 2)
    >>> none, some = {"up": 0, "down": 0}, {"up": 2, "down": 0}
    >>> crossings_text({"dog": some, "cat": none}, info)
    'dog 2 up, 0 down'
    """
    ids = {name: index for index, name in enumerate(info.class_names)}
    lines = []
    for name, counts in (crossings or {}).items():
        if any(counts.values()):
            numbers = ", ".join(f"{number} {way}" for way, number in counts.items())
            shown = written_name(info, ids[name]) if name in ids else name
            lines.append(f"{shown} {numbers}")
    return "\n".join(lines)
