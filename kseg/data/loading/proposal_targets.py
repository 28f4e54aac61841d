"""The targets of networks that classify given boxes: a sample of the proposals."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, Callable

import numpy as np
import tensorflow as tf

from edge.predict.boxes import iou_matrix
from edge.predict.region_boxes import Warper, encode_moves
from kseg.core.configs import TrainConfig
from kseg.data.loading.cell_targets import FINE_SIDE, crop_of
from kseg.data.sample import Dataset, Objects

SAMPLES = 64  # proposals of an image
POSITIVE = 0.25  # the largest share of them with an object
HIT = 0.5  # the least overlap (IoU) of those
UNUSED = -1  # in place of a class: the proposal does not count
STRIDES, FINE_STRIDES = (16,), (2, 4, 8, 16)  # fast_rcnn's; crops under FINE_SIDE
# R-CNN's input: a square that shows the box, and what is around it.
# The paper's side is 227; AlexNet has same padding here, and 224 is a multiple of 32.
SIDES = {"alexnet": 224, "vgg16": 224}  # by encoder
SIDE = 32
CONTEXT = 16 / 227  # the paper's 16 pixels, as a share of the side


@dataclass(frozen=True)
class ProposalTargets:
    """Makes samples of the proposals of a crop of `size`, as Fast R-CNN does.

    - `proposals` (SAMPLES, 4) float32 x0, y0, x1, y1 in pixels of the crop;
    - `classes` (SAMPLES,) int32: 0 for the background, k + 1 for class k, UNUSED in
      places without a proposal;
    - `moves` (SAMPLES, 4) float32: from a proposal to its object, encoded as
      edge.predict.region_boxes describes; 0 for the background.

    At most POSITIVE of them have an IoU of HIT or more with an object; objects
    themselves count as proposals too. The others have an IoU below, `background` or
    more as far as there are enough, so that they are the difficult ones.
    """

    size: tuple[int, int]
    background: float = 0.1

    def blank(self) -> dict[str, np.ndarray]:
        """The target of an image without proposals."""
        height, width = self.size
        whole = np.float32([0, 0, width, height])
        return {
            "proposals": np.tile(whole, (SAMPLES, 1)),
            "classes": np.full(SAMPLES, UNUSED, np.int32),
            "moves": np.zeros((SAMPLES, 4), np.float32),
        }

    def of(
        self, objects: Objects, random: np.random.Generator
    ) -> dict[str, np.ndarray]:
        """The target of a crop's objects and proposals; `random` chooses the sample."""
        assert objects.proposals is not None
        target = self.blank()
        real = np.flatnonzero(~objects.crowd)
        truth = objects.boxes[real]
        boxes = np.concatenate([objects.proposals, truth])
        overlaps = iou_matrix(boxes, truth)
        best = overlaps.max(axis=1, initial=0)
        hits = np.flatnonzero(best >= HIT)
        hits = random.permutation(hits)[: round(SAMPLES * POSITIVE)]
        free = ~covered(boxes, objects.boxes[objects.crowd])
        hard = np.flatnonzero((best < HIT) & (best >= self.background) & free)
        easy = np.flatnonzero((best < self.background) & free)
        others = np.concatenate([random.permutation(hard), random.permutation(easy)])
        chosen = np.concatenate([hits, others[: SAMPLES - len(hits)]]).astype(np.int64)
        target["proposals"][: len(chosen)] = boxes[chosen]
        target["classes"][: len(chosen)] = 0
        if len(hits):
            owner = overlaps[hits].argmax(axis=1)
            classes = objects.class_ids[real][owner] + 1
            target["classes"][: len(hits)] = classes
            target["moves"][: len(hits)] = encode_moves(truth[owner], boxes[hits])
        return target


def covered(boxes: np.ndarray, crowds: np.ndarray) -> np.ndarray:
    """(N,) bool: whether half of a box or more is in a crowd's box."""
    low = np.maximum(boxes[:, None, :2], crowds[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], crowds[None, :, 2:])
    inside = np.maximum(high - low, 0).prod(axis=-1)
    area = (boxes[:, 2:] - boxes[:, :2]).prod(axis=-1)
    return inside.max(axis=1, initial=0) >= HIT * area


def fast_strides(config: TrainConfig, data: Dataset) -> tuple[int, ...]:
    """The strides of fast_rcnn's features: --strides, or finer ones for small crops."""
    fine = max(crop_of(config, data)) < FINE_SIDE
    return config.strides or (FINE_STRIDES if fine else STRIDES)


def unrecorded_strides(size: tuple[int, int]) -> tuple[int, ...]:
    """The strides of older runs, which do not record them, by the size of crops."""
    return (4,) if max(size) < FINE_SIDE else STRIDES


def warp_of(config: TrainConfig) -> tuple[int, int]:
    """R-CNN's input: the side of the square, and its pixels around the box."""
    side = SIDES.get(config.encoder, SIDE)
    return side, round(CONTEXT * side)


def fast_targets(config: TrainConfig, data: Dataset) -> ProposalTargets:
    """What makes the targets of `fast_rcnn`."""
    return ProposalTargets(crop_of(config, data))


def rcnn_targets(config: TrainConfig, data: Dataset) -> ProposalTargets:
    """What makes the targets of `rcnn`: the background is anything but an object."""
    return ProposalTargets(crop_of(config, data), background=0.0)


Inputs = Callable[[Any, dict[str, Any]], tuple[Any, dict[str, Any]]]


def with_proposals(config: TrainConfig) -> Inputs:
    """Images and targets of a batch -> fast_rcnn's inputs, and the other targets."""

    def change(images: Any, target: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        others = {**target}
        return {"image": images, "proposals": others.pop("proposals")}, others

    return change


def warped(config: TrainConfig) -> Inputs:
    """Images (B, h, w, C) and targets -> crops (B * SAMPLES, side, side, C), targets.

    The targets keep their shape.
    """
    side, context = warp_of(config)
    warp = partial(warp_all, side=side, context=context)

    def change(images: Any, target: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        others = {**target}
        boxes = others.pop("proposals")
        crops = tf.numpy_function(warp, [images, boxes], tf.float32)
        return tf.ensure_shape(crops, (None, side, side, images.shape[-1])), others

    return change


def warp_all(
    images: np.ndarray, boxes: np.ndarray, side: int, context: int
) -> np.ndarray:
    """(B, h, w, C) float32, (B, N, 4) -> (B * N, side, side, C) float32."""
    crops = [
        Warper(image, side, context).crops(each)
        for image, each in zip(images, boxes, strict=True)
    ]
    return np.concatenate(crops)
