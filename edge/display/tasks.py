"""The display functions of each task; a new task adds an entry to these dicts."""

from __future__ import annotations

from functools import partial
from typing import Any, Callable

import numpy as np

from edge.core.errors import InputError
from edge.core.images import format_size, with_channels
from edge.display.draw import draw_semantic
from edge.display.draw_boxes import draw_objects
from edge.display.summaries import (
    counts_of,
    objects_of,
    shares_of,
    write_boxes,
    write_instances,
    write_labels,
)
from edge.display.view import View
from edge.model_file.info import ModelInfo

# (frame (H, W, 3) BGR, result, info, text, view) -> the drawn frame.
DRAW: dict[str, Callable[..., np.ndarray]] = {
    "semantic": draw_semantic,
    "detection": draw_objects,
    "instance": draw_objects,
}


def overlay(
    image: np.ndarray, result: Any, info: ModelInfo, view: View = View(legend=False)
) -> np.ndarray:
    """Draw the result on an image (H, W, 3) uint8 RGB; returns a new image."""
    if image.ndim != 3 or image.shape[2] != 3:
        image = with_channels(image.reshape(*image.shape[:2], -1), 3)
    size = getattr(result, "size", None) or result.labels.shape
    if tuple(size) != image.shape[:2]:
        raise InputError(
            f"the image is {format_size(image.shape[:2])} and its result "
            f"{format_size(size)}; draw a result over the image that it is of"
        )
    bgr = np.ascontiguousarray(image[..., ::-1])
    return np.ascontiguousarray(DRAW[info.task](bgr, result, info, "", view)[..., ::-1])


Summary = Callable[[Any, ModelInfo], dict[str, Any]]

# (result, info) -> the summary for --frames-json.
SUMMARIES: dict[str, Summary] = {
    "semantic": shares_of,
    "detection": objects_of,
    "instance": objects_of,
}

# The same with --polygons, which other tasks do not have.
WITH_POLYGONS: dict[str, Summary] = {"instance": partial(objects_of, polygons=True)}

# What the browser view shows of a result, if it is not the whole summary.
IN_BRIEF: dict[str, Summary] = {"detection": counts_of, "instance": counts_of}

# (folder, name without suffix, result, info, colored): writes a result to a file, with
# the colours of the classes if `colored` and the file can have them.
FRAME_FILES: dict[str, Callable[..., None]] = {
    "semantic": write_labels,
    "detection": write_boxes,
    "instance": write_instances,
}
