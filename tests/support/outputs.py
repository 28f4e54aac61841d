"""Outputs of networks of objects, and an engine that gives them for any image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from edge.engines.base import Output, TensorSpec
from edge.predict.boxes import anchor_grid, encode_boxes

Quantization = tuple[float, int]  # scale and zero point


class FixedOutputs:
    """Returns `arrays` by name, whatever the image; `quantized` are their scales."""

    name, threads, accelerator = "test", 1, ""
    share = first_millis = None
    channels = 3
    input = TensorSpec("image", (1, -1, -1, 3), np.dtype(np.uint8))

    def __init__(
        self,
        arrays: Mapping[str, np.ndarray],
        size: tuple[int, int] | None = None,
        quantized: Mapping[str, Quantization] = {},
    ):
        self.size = size
        self.values = list(arrays.values())
        self.outputs = tuple(
            TensorSpec(name, (1, *x.shape), x.dtype, *quantized.get(name, (0.0, 0)))
            for name, x in arrays.items()
        )

    def blank(self) -> np.ndarray:
        return np.zeros((*(self.size or (64, 64)), self.channels), np.uint8)

    def __call__(self, image: Any) -> tuple[Output, ...]:
        return tuple(map(Output, self.values, self.outputs))


def quantize(values: np.ndarray, scale: float, zero_point: int) -> np.ndarray:
    """float values -> uint8 with a scale and zero point."""
    return np.clip(np.rint(values / scale) + zero_point, 0, 255).astype(np.uint8)


def outputs(
    found: Sequence[tuple[int, int, float, Any]],
    size: tuple[int, int] = (64, 64),
    strides: Sequence[int] = (8, 16, 32),
    empty: float = 0.0,
    classes: int = 3,
) -> dict[str, np.ndarray]:
    """Scores and boxes with objects (cell, class, score, box in input pixels).

    The other scores are `empty`.
    """
    centers, sides = anchor_grid(size, strides)
    scores = np.full((len(sides), classes), empty, np.float32)
    boxes = np.zeros((len(sides), 4), np.float32)
    for cell, label, score, box in found:
        scores[cell, label] = score
        boxes[cell] = encode_boxes(np.float32([box]), centers[[cell]], sides[[cell]])
    return {"scores": scores, "boxes": boxes}
