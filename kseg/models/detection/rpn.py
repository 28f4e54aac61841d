"""Region proposal network: boxes of anything, from three anchors at each cell.

Ren, He, Girshick and Sun, "Faster R-CNN" (NeurIPS 2015), on the feature pyramid of Lin
et al. (CVPR 2017).
"""

from __future__ import annotations

from typing import Any, Callable, Sequence

import keras
from keras import layers, ops

from kseg.models.boxes.anchors import ANCHOR_SCALE
from kseg.models.detection.region_layers import FloatLayer
from kseg.models.detection.region_parts import (
    FC_WIDTH,
    STRIDES,
    TRAINING_COUNTS,
    proposals,
    pyramid,
)
from kseg.models.encoders.features import Features

DETECTIONS = 100


def rpn(
    image: Any,
    num_classes: int,
    encode: Callable[..., Features],
    strides: Sequence[int] = STRIDES,
    fc_width: int = FC_WIDTH,
    upsampling: str = "nearest",
    anchor_scale: float = ANCHOR_SCALE,
    before: int = TRAINING_COUNTS[0],
    frozen: bool = False,
) -> dict[str, Any]:
    """image (B, H, W, C) -> the best 100 proposals, in the form of objects.

    `boxes` (B, 100, 4) float32 x0, y0, x1, y1 in pixels of the input; `scores` (B, 100)
    float32 in [0, 1], 0 for a place without a box; `class_ids` (B, 100) int32, all 0:
    `num_classes` is 1. Levels have `fc_width` / 4 channels; anchors have sides of
    `anchor_scale` strides; of each level the best `before` boxes are compared with each
    other. `frozen` is for pretrained encoders: see `pyramid`.
    """
    levels = pyramid(image, encode, strides, fc_width // 4, upsampling, frozen)
    counts = (before, DETECTIONS)
    boxes, scores = proposals(image, levels, counts, counts, anchor_scale)
    return {
        "boxes": layers.Identity(dtype="float32", name="boxes")(boxes),
        "scores": layers.Identity(dtype="float32", name="scores")(scores),
        "class_ids": OneClass(name="class_ids")(scores),
    }


@keras.saving.register_keras_serializable("kseg")
class OneClass(FloatLayer):
    """Scores (B, N) -> class ids (B, N) int32, all 0."""

    def call(self, scores: Any) -> Any:
        return ops.zeros_like(scores, dtype="int32")

    def compute_output_spec(self, scores: Any) -> Any:
        return keras.KerasTensor(scores.shape, "int32")
