"""Measures drawing objects on a frame, part by part, on one core.

    kseg benchmark drawing
    kseg benchmark drawing --objects 100 --frame 1080x1920

The objects are those of a generated scene. Masks are enlarged from a grid of a quarter
of the frame's resolution, as a network gives them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any, Callable, Optional, Sequence

import cv2
import numpy as np

from benchmarks.results import JSON_HELP, option, show
from edge.core.images import format_size
from edge.core.timing import time_in_turns
from edge.display.draw_boxes import draw_objects
from edge.display.tasks import SUMMARIES
from edge.display.view import View
from edge.model_file.info import ModelInfo
from edge.predict.results import Instances
from edge.video import scenes
from kseg.cli.parser import parse
from kseg.core.options import Output, Size
from kseg.data.objects import objects_of_map

GRID = 4  # pixels of the frame for each cell of a mask


@dataclass(frozen=True)
class DrawingConfig:
    """Options of `kseg benchmark drawing`."""

    objects: int = option(20, "number of objects")
    frame: Size = option((540, 960), "size of the frame in pixels")
    rounds: int = option(50, "rounds of measurement")
    json: Output = option("", JSON_HELP)


def main(argv: Optional[Sequence[str]] = None) -> None:
    config = parse(DrawingConfig, "kseg benchmark drawing", __doc__, argv)
    show(drawing_speed(config), drawing_table, config.json)


def drawing_speed(config: DrawingConfig) -> dict[str, Any]:
    """Median milliseconds of each kind of drawing."""
    cv2.setNumThreads(1)  # as in the camera loop
    frame, result, info = scene_result(config.objects, config.frame)
    nothing = View(masks=False, boxes=False, legend=False)
    views = {
        "copy of the frame": nothing,
        "boxes and labels": View(masks=False, legend=False),
        "masks": View(boxes=False, legend=False),
        "outlines": View(opacity=0, boxes=False, legend=False, outlines=True),
        "all but outlines": View(),
        "all": View(outlines=True),
    }
    calls: dict[str, Callable[[], Any]] = {
        name: partial(draw_objects, frame, result, info, "30.0 fps", view)
        for name, view in views.items()
    }
    calls["summary"] = partial(SUMMARIES[info.task], result, info)
    times = time_in_turns(calls, config.rounds)
    return {
        "objects": len(result),
        "frame": config.frame,
        "millis": {name: round(median(values), 3) for name, values in times.items()},
    }


def scene_result(
    count: int, size: tuple[int, int]
) -> tuple[np.ndarray, Instances, ModelInfo]:
    """A frame (H, W, 3) BGR of `size`, and the `count` objects that are in it."""
    info = ModelInfo(scenes.CLASSES[1:], scenes.COLORS[1:], task="instance")
    small = tuple(-(-side // GRID) for side in size)
    image, instances, class_ids = scenes.scene_objects(0, 1, small, count=count)
    objects = objects_of_map(instances, class_ids)
    assert objects.masks is not None
    boxes = objects.boxes * GRID
    result = Instances(
        boxes,
        objects.class_ids,
        np.linspace(0.99, 0.31, len(boxes), dtype=np.float32),
        size,
        np.arange(1, len(boxes) + 1, dtype=np.int32),
        tuple(np.where(mask, 4, -4).astype(np.float32) for mask in objects.masks),
        boxes,
    )
    frame = cv2.resize(image, size[::-1], interpolation=cv2.INTER_CUBIC)
    return np.ascontiguousarray(frame[..., ::-1]), result, info


def drawing_table(figures: dict[str, Any]) -> str:
    """The results as text."""
    lines = [f"{figures['objects']} objects at {format_size(figures['frame'])}"]
    lines += [f"{name:20}{ms:8.2f} ms" for name, ms in figures["millis"].items()]
    return "\n".join(lines)
