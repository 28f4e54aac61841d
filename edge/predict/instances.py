"""Instance segmentation: objects with masks, as sums of prototypes (YOLACT).

The logits of an object's mask are the product of its coefficients and the prototypes of
the image (Bolya, Zhou, Xiao and Lee, 2019). They are computed around its box only.
"""

from __future__ import annotations

from typing import ClassVar, Tuple

import numpy as np

from edge.core.errors import InputError
from edge.engines.base import Output
from edge.predict.base import Placement
from edge.predict.boxes import Size
from edge.predict.detection import Found, ObjectPredictor, scale_to_image
from edge.predict.results import Instances

MARGIN = 1  # cells around a box, for the interpolation at its edges


class InstancePredictor(ObjectPredictor[Instances]):
    """Predicts the boxes and masks of objects.

    Two more outputs: "coefficients" (A, K) in [-1, 1], and "prototypes" (h, w, K) of at
    least 0, which cover the input.
    """

    roles: ClassVar[Tuple[str, ...]] = ("scores", "boxes", "coefficients", "prototypes")
    cell_roles: ClassVar[Tuple[str, ...]] = ("boxes", "coefficients")

    def decode(
        self, outputs: Tuple[Output, ...], placement: Placement, confidence: bool
    ) -> Instances:
        with self.stages.stage("postprocess"):
            found = self.find(outputs, placement)
            coefficients, prototypes = (
                outputs[self.indices[role]] for role in ("coefficients", "prototypes")
            )
            return with_masks(found, coefficients, prototypes, placement)

    def _check_shapes(self, outputs: Tuple[Output, ...]) -> None:
        super()._check_shapes(outputs)
        coefficients, prototypes = (
            outputs[self.indices[role]].raw for role in ("coefficients", "prototypes")
        )
        shapes = list(coefficients.shape), list(prototypes.shape)
        if (len(shapes[0]), len(shapes[1])) != (2, 3) or shapes[0][-1] != shapes[1][-1]:
            raise InputError(
                f"outputs coefficients and prototypes are {shapes[0]} and {shapes[1]}; "
                "they must be [cells, K] and [rows, columns, K]"
            )


def with_masks(
    found: Found, coefficients: Output, prototypes: Output, placement: Placement
) -> Instances:
    """The objects with the logits of their masks, at the prototypes' resolution."""
    grid = prototypes.raw.shape[:2]
    boxes = found.detections.boxes
    cells, spans = mask_cells(boxes, grid, found.padded, placement)
    weights = coefficients.dequantize(found.rows).astype(np.float32, copy=False)
    crops = tuple(
        mask_logits(prototypes, weight, *cell)
        for weight, cell in zip(weights, cells.tolist())
    )
    return Instances(
        boxes,
        found.detections.class_ids,
        found.detections.scores,
        found.detections.size,
        mask_crops=crops,
        mask_spans=spans,
    )


def mask_cells(
    boxes: np.ndarray, grid: Size, padded: Size, placement: Placement
) -> Tuple[np.ndarray, np.ndarray]:
    """The cells of the prototypes around boxes (N, 4), and the pixels that they cover.

    `grid` are the (rows, columns) of prototypes, which cover the `padded` input.
    Returns (N, 4) int64 left, top, right, bottom in cells, at most the grid, and (N, 4)
    float32 x0, y0, x1, y1 in image pixels.
    """
    y, x = np.float32(padded) / np.float32(grid) * scale_to_image(placement)
    pixels = np.float32([x, y, x, y])  # of the image, for each cell
    cells = boxes / pixels
    cells = np.hstack([np.floor(cells[:, :2]) - MARGIN, np.ceil(cells[:, 2:]) + MARGIN])
    cells = np.clip(cells, 0, np.float32([grid[1], grid[0]] * 2))
    return cells.astype(np.int64), (cells * pixels).astype(np.float32)


def mask_logits(
    prototypes: Output,
    weights: np.ndarray,
    left: int,
    top: int,
    right: int,
    bottom: int,
) -> np.ndarray:
    """The logits (h, w) float32 of a mask in cells: prototypes times weights (K,).

    Stored integers are multiplied as they are, and the sum is brought to scale.
    """
    crop = prototypes.raw[top:bottom, left:right]
    spec = prototypes.spec
    values = crop.reshape(-1, crop.shape[2]).astype(np.float32)
    if spec.scale:
        weights = weights * np.float32(spec.scale)
    logits = values @ weights
    if spec.scale and spec.zero_point:
        logits -= np.float32(spec.zero_point) * weights.sum()
    return logits.reshape(crop.shape[:2])
