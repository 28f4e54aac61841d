"""Colours of class ids."""

from __future__ import annotations

from dataclasses import replace
from typing import FrozenSet

import cv2
import numpy as np

from edge.model_file.info import ModelInfo


def color_table(info: ModelInfo, order: str = "RGB") -> np.ndarray:
    """(256, 3) uint8: the colour of each id; black for void and unused ids."""
    table = np.zeros((256, 3), np.uint8)
    table[: len(info.colors)] = info.colors
    return table if order == "RGB" else np.ascontiguousarray(table[:, ::-1])


def colored(labels: np.ndarray, info: ModelInfo, order: str = "RGB") -> np.ndarray:
    """(H, W) uint8 class ids -> (H, W, 3) uint8 colours."""
    return cv2.applyColorMap(labels, color_table(info, order)[:, None])


def hide_classes(info: ModelInfo, hidden: FrozenSet[int]) -> ModelInfo:
    """The metadata with hidden classes in black, which is not drawn."""
    colors = enumerate(info.colors)
    return replace(
        info, colors=tuple((0, 0, 0) if i in hidden else c for i, c in colors)
    )
