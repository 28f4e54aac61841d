"""The loss of networks of regions: that of the proposals, and that of the heads.

A step computes the pyramid and the proposals. The loss samples proposals and runs the
heads on them: Ren et al., "Faster R-CNN" (2015), trained as one network, and He et al.,
"Mask R-CNN" (2017), with torchvision's configuration.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
from keras import ops

from kseg.models.boxes.codec import PROPOSAL_WEIGHTS, deltas_between
from kseg.models.boxes.iou import pairwise_areas, pairwise_iou
from kseg.models.boxes.nms import best_first
from kseg.models.boxes.roi_align import interpolation
from kseg.training.losses.boxes import binary_cross_entropy, smooth_l1
from kseg.training.losses.joint import JointLoss
from kseg.training.losses.replicas import sum_over_replicas
from kseg.training.losses.rpn import BETA, rpn_terms

POSITIVE = 0.5  # IoU of a proposal with an object
CROWD_SHARE = 0.5  # of a proposal's area in a crowd, with which it is no background
POSITIVE_SHARE = 0.25  # of the sampled proposals, at most
IGNORED = -2  # in place of the class of a crowd


class Sampled(NamedTuple):
    """Proposals (B, S, 4) that are trained, those of objects first.

    `owners` (B, S) int32 are the indices of their objects; `positive` and `used` (B, S)
    float32 are 1 for proposals of objects, and for all that exist.
    """

    boxes: Any
    owners: Any
    positive: Any
    used: Any


class RegionLoss(JointLoss):
    """The terms of `RpnLoss`, and those of the heads on `sampled` proposals.

    The target is that of `RpnLoss`, and has `classes` (B, G) int32, -1 for no object,
    -2 for a crowd; `boxes` (B, G, 4) float32; `noise` (B, N + G) float32 in [0, 1),
    which decides what is sampled of N proposals and G objects. Networks with masks also
    need `masks` (B, G, m, m) uint8, 255 inside, and `mask_spans` (B, G, 4) float32, the
    boxes that their cells cover.

    Cross-entropy of classes, smooth L1 of the deltas of the own class, both divided by
    the number of sampled proposals, and the mean cross-entropy of the masks of the own
    class. Only proposals of objects have the last two.
    """

    def __init__(self, sampled: int, positive_share: float = POSITIVE_SHARE):
        self.sampled = sampled
        self.quota = max(1, round(sampled * positive_share))
        self.box_head: Any = None
        self.mask_head: Any = None

    def training_outputs(self, model: Any) -> dict[str, Any]:
        layer = model.get_layer
        regions, *levels = layer("box_features").input
        scores = [layer("score_class").output, layer("score_box").output]
        self.box_head = keras.Model([regions, *levels], scores)
        if any(each.name == "mask_logits" for each in model.layers):
            boxes = layer("mask_features").input[0]
            masks = layer("mask_logits").output
            self.mask_head = keras.Model([boxes, *levels], masks)
        proposals, quality = layer("proposals").output
        return {
            "objectness": layer("objectness").output,
            "deltas": layer("deltas").output,
            "proposals": proposals,
            "quality": quality,
            **{f"level{index}": level for index, level in enumerate(levels)},
        }

    def __call__(self, target: dict[str, Any], outputs: dict[str, Any]) -> Any:
        return sum(self.parts(target, outputs).values())

    def parts(self, target: dict[str, Any], outputs: dict[str, Any]) -> dict[str, Any]:
        """The terms by name; their sum is the loss."""
        target = {name: ops.convert_to_tensor(x) for name, x in target.items()}
        levels = [outputs[x] for x in sorted(outputs) if x.startswith("level")]
        sampled = sample_proposals(
            target, outputs["proposals"], outputs["quality"], self.sampled, self.quota
        )
        logits, deltas = self.box_head([sampled.boxes, *levels], training=True)
        terms = rpn_terms(target, outputs)
        terms |= box_terms(target, sampled, logits, deltas)
        if self.mask_head is not None:
            first = Sampled(*(each[:, : self.quota] for each in sampled))
            masks = self.mask_head([first.boxes, *levels], training=True)
            terms["masks"] = mask_term(target, first, masks)
        return terms


def sample_proposals(
    target: dict[str, Any], proposals: Any, quality: Any, count: int, quota: int
) -> Sampled:
    """Samples `count` proposals (B, N, 4), at most `quota` of them of objects.

    `quality` (B, N) is 0 where there is no proposal. The boxes of the objects are
    proposals too. A proposal belongs to the object with which it has the largest IoU,
    if that is POSITIVE or more. It is background otherwise, unless CROWD_SHARE of it is
    in a crowd. The largest random numbers are sampled.
    """
    truth, classes = target["boxes"], target["classes"]
    real = classes >= 0
    boxes = ops.stop_gradient(ops.concatenate([proposals, truth], axis=1))
    exists = ops.concatenate([quality > 0, real], axis=1)
    iou = pairwise_iou(boxes, truth) * ops.cast(real, "float32")[:, None]
    overlap, owners = ops.max(iou, axis=-1), ops.argmax(iou, axis=-1)
    positive = ops.logical_and(exists, overlap >= POSITIVE)
    negative = ops.logical_and(exists, overlap < POSITIVE)
    crowded = share_in_crowds(boxes, truth, classes) >= CROWD_SHARE
    negative = ops.logical_and(negative, ops.logical_not(crowded))
    noise = target["noise"]
    _, ranked = best_first(ops.where(positive, noise, -1.0), quota)
    positive = ops.logical_and(positive, noise >= ranked[:, -1:])
    # Those of objects come first: their numbers are 1 or more.
    key = ops.where(positive, 1 + noise, ops.where(negative, noise, -1.0))
    order, key = best_first(key, count)
    return Sampled(
        ops.take_along_axis(boxes, order[..., None], axis=1),
        ops.take_along_axis(ops.cast(owners, "int32"), order, axis=1),
        ops.cast(key >= 1, "float32"),
        ops.cast(key >= 0, "float32"),
    )


def share_in_crowds(boxes: Any, truth: Any, classes: Any) -> Any:
    """The largest share (B, N) of the area of boxes (B, N, 4) in a crowd of `truth`."""
    common, _ = pairwise_areas(boxes, truth)
    sides = boxes[..., 2:] - boxes[..., :2]
    area = ops.maximum(sides[..., 0] * sides[..., 1], 1e-6)
    crowd = ops.cast(ops.equal(classes, IGNORED), "float32")
    return ops.max(common * crowd[:, None], axis=-1) / area


def box_terms(
    target: dict[str, Any], sampled: Sampled, logits: Any, deltas: Any
) -> dict[str, Any]:
    """The terms of classes (B, S, C + 1) and of their deltas (B, S, 4 (C + 1))."""
    own = own_class(target, sampled, logits.shape[-1])
    count = ops.maximum(sum_over_replicas(ops.sum(sampled.used)), 1.0)
    entropy = -ops.sum(own * ops.log_softmax(logits, axis=-1), axis=-1)
    places = sampled.boxes.shape[1]
    deltas = ops.reshape(deltas, (-1, places, logits.shape[-1], 4))
    deltas = ops.sum(deltas * own[..., None], axis=-2)
    truth = ops.take_along_axis(target["boxes"], sampled.owners[..., None], axis=1)
    wanted = deltas_between(truth, sampled.boxes, PROPOSAL_WEIGHTS)
    # Places without a proposal have no meaningful deltas.
    difference = (deltas - wanted) * sampled.positive[..., None]
    distance = ops.sum(smooth_l1(difference, BETA), axis=-1)
    return {
        "classes": ops.sum(entropy * sampled.used) / count,
        "boxes": ops.sum(distance) / count,
    }


def own_class(target: dict[str, Any], sampled: Sampled, number: int) -> Any:
    """The class of proposals as (B, S, number) float32, one of them 1.

    The background is the first.
    """
    classes = ops.take_along_axis(target["classes"], sampled.owners, axis=1)
    ids = (ops.cast(classes, "int32") + 1) * ops.cast(sampled.positive, "int32")
    return ops.one_hot(ids, number, dtype="float32")


def mask_term(target: dict[str, Any], sampled: Sampled, logits: Any) -> Any:
    """The mean cross-entropy of the masks (B, S, h, w, C + 1) of proposals."""
    own = own_class(target, sampled, logits.shape[-1])
    logits = ops.sum(logits * own[:, :, None, None], axis=-1)
    wanted = mask_targets(target, sampled, logits.shape[-1])
    entropy = ops.mean(binary_cross_entropy(wanted, logits), axis=(-2, -1))
    count = ops.maximum(sum_over_replicas(ops.sum(sampled.positive)), 1.0)
    return ops.sum(entropy * sampled.positive) / count


def mask_targets(target: dict[str, Any], sampled: Sampled, size: int) -> Any:
    """The masks of the objects inside their proposals: (B, S, size, size) in [0, 1].

    They are bilinear at the places of the pixels' centres (RoIAlign, `aligned`).
    """
    masks, spans = target["masks"], target["mask_spans"]
    count, cells = masks.shape[1:3]
    chosen = ops.one_hot(sampled.owners, count, dtype="float32")
    flat = ops.reshape(ops.cast(masks, "float32") / 255, (-1, count, cells * cells))
    # A product, because a gather would need an index for each cell.
    masks = ops.reshape(ops.matmul(chosen, flat), (-1, chosen.shape[1], cells, cells))
    spans = ops.take_along_axis(spans, sampled.owners[..., None], axis=1)
    scale = cells / ops.maximum(spans[..., 2:] - spans[..., :2], 1e-6)
    start = (sampled.boxes[..., :2] - spans[..., :2]) * scale - 0.5
    length = (sampled.boxes[..., 2:] - sampled.boxes[..., :2]) * scale
    rows = interpolation(start[..., 1], length[..., 1], cells, size)
    columns = interpolation(start[..., 0], length[..., 0], cells, size)
    inside = ops.matmul(ops.matmul(rows, masks), ops.transpose(columns, (0, 1, 3, 2)))
    return ops.stop_gradient(inside)
