"""Faster R-CNN and Mask R-CNN: the class, box and mask of each proposed region.

Ren et al., "Faster R-CNN" (NeurIPS 2015); He et al., "Mask R-CNN" (ICCV 2017). With the
encoder resnet50 and the default options, layers and sizes are those of torchvision.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Callable, Sequence

from keras import layers

from kseg.models.boxes.anchors import ANCHOR_SCALE
from kseg.models.detection.region_layers import OwnClass, RegionObjects
from kseg.models.detection.region_parts import (
    COUNTS,
    FC_WIDTH,
    STRIDES,
    TRAINING_COUNTS,
    box_head,
    mask_head,
    proposals,
    pyramid,
)
from kseg.models.encoders.features import Features

DETECTIONS = 100


def faster_rcnn(
    image: Any,
    num_classes: int,
    encode: Callable[..., Features],
    strides: Sequence[int] = STRIDES,
    fc_width: int = FC_WIDTH,
    upsampling: str = "nearest",
    anchor_scale: float = ANCHOR_SCALE,
    counts: Sequence[int] = COUNTS,
    training_counts: Sequence[int] = TRAINING_COUNTS,
    frozen: bool = False,
    masks: bool = False,
) -> dict[str, Any]:
    """image (B, H, W, C) -> the 100 best objects, best first.

    `boxes` (B, 100, 4) float32 x0, y0, x1, y1 in pixels of the input; `scores` (B, 100)
    float32 in [0, 1], 0 for a place without an object; `class_ids` (B, 100) int32. With
    `masks` also `masks` (B, 100, 28, 28) float32: logits of the object's own class in
    its box. `num_classes` does not count the background, which the heads add first.

    Dense layers have `fc_width` units, levels and masks a quarter as many channels.
    Anchors have sides of `anchor_scale` strides. `counts` are the proposals of each
    level before suppression and of the image after it. `frozen` is for pretrained
    encoders: see `pyramid`.
    """
    levels = pyramid(image, encode, strides, fc_width // 4, upsampling, frozen)
    regions, quality = proposals(image, levels, counts, training_counts, anchor_scale)
    logits, deltas = box_head(levels, strides, regions, num_classes, fc_width)
    found = RegionObjects(DETECTIONS, name="objects")
    boxes, scores, class_ids = found(image, logits, deltas, regions, quality)
    outputs = {
        "boxes": layers.Identity(dtype="float32", name="boxes")(boxes),
        "scores": layers.Identity(dtype="float32", name="scores")(scores),
        "class_ids": layers.Identity(dtype="int32", name="class_ids")(class_ids),
    }
    if masks:
        every = mask_head(levels, strides, boxes, num_classes)
        outputs["masks"] = OwnClass(name="masks")(every, class_ids)
    return outputs


mask_rcnn = partial(faster_rcnn, masks=True)
