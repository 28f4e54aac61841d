"""The display functions of each task; a new task adds an entry to these dicts."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, Optional

import numpy as np

from edge.core.errors import InputError
from edge.core.images import format_size, with_channels, write_mask
from edge.display.colors import color_table
from edge.display.draw import draw_semantic
from edge.display.view import View
from edge.model_file.info import ModelInfo
from edge.predict.results import SemanticMap

DIGITS = 6  # of the shares

# (frame (H, W, 3) BGR, result, info, text, view) -> the drawn frame.
DRAW: dict[str, Callable[..., np.ndarray]] = {"semantic": draw_semantic}


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


def shares_of(result: SemanticMap, info: ModelInfo) -> dict[str, Any]:
    """The share of the pixels of each class that occurs."""
    shares = result.shares(info)
    return {"shares": {name: round(share, DIGITS) for name, share in shares.items()}}


# (result, info) -> the summary for --frames-json and the browser view.
SUMMARIES: dict[str, Callable[[Any, ModelInfo], dict[str, Any]]] = {
    "semantic": shares_of
}


def write_labels(
    folder: Path, name: str, result: SemanticMap, info: Optional[ModelInfo] = None
) -> None:
    """Write the class ids as a grey PNG, or with the colours of `info` as palette."""
    colors = None if info is None else color_table(info).tolist()
    write_mask(folder / f"{name}.png", result.labels, colors)


# (folder, name without suffix, result, info for the colours): writes a result.
FRAME_FILES: dict[str, Callable[..., None]] = {"semantic": write_labels}
