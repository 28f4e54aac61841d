"""The losses of heads that only training has, at strides of the image.

Only Keras: they run on every backend. The target of a cell of `stride` x `stride`
pixels is the number of its labelled pixels of each class. Against these counts, the
cross-entropy of a cell is the sum of those of its pixels with the cell's scores: the
loss of scores that are enlarged to the image by repetition, at a fraction of its cost,
and exact at void.
"""

from __future__ import annotations

from typing import Any, Mapping, Optional, Sequence

import keras
from keras import ops

from edge.core.constants import IGNORE_INDEX
from kseg.models.layers.auxiliary_heads import (
    AUXILIARY_STRIDES,
    BOUNDARY,
    BOUNDARY_STRIDE,
    auxiliary_name,
)
from kseg.training.losses.pixel import over_replicas, split_void
from kseg.training.losses.replicas import replica_share

DISTANCE = 4  # in pixels, of the pixels that count as boundary


class HeadLosses:
    """`auxiliary` and `boundary` times the losses of the heads of a network.

    `losses(mask, outputs, weight)`: mask (B, H, W) integers, the dict of outputs of
    `with_heads`, and weights of the pixels (B, H, W) or None -> scalar float32. The
    auxiliary loss is the sum of `cell_cross_entropy` over both strides, whatever the
    loss of the network, with the same weights of classes and pixels.
    """

    def __init__(
        self,
        auxiliary: float,
        boundary: float,
        class_weights: Optional[Sequence[float]] = None,
        ignore_index: int = IGNORE_INDEX,
    ):
        self.auxiliary, self.boundary = auxiliary, boundary
        self.class_weights, self.ignore_index = class_weights, ignore_index

    def __call__(
        self, mask: Any, outputs: Mapping[str, Any], weight: Optional[Any] = None
    ) -> Any:
        loss = 0.0
        if self.auxiliary:
            loss += self.auxiliary * self.auxiliary_loss(mask, outputs, weight)
        if self.boundary:
            near = near_boundary(mask, DISTANCE, self.ignore_index)
            scores = outputs[BOUNDARY]
            counts = label_counts(
                near, 2, BOUNDARY_STRIDE, scores, ignore_index=self.ignore_index
            )
            loss += self.boundary * balanced_cross_entropy(counts, scores)
        if keras.backend.backend() != "tensorflow":
            return loss
        return replica_share(loss)

    def auxiliary_loss(
        self, mask: Any, outputs: Mapping[str, Any], weight: Optional[Any]
    ) -> Any:
        """The sum of the cross-entropies of the auxiliary heads."""
        valid = ops.cast(ops.not_equal(mask, self.ignore_index), "float32")
        number = over_replicas(ops.sum(valid))
        fine, *coarser = AUXILIARY_STRIDES
        scores = outputs[auxiliary_name(fine)]
        counts = label_counts(
            mask, scores.shape[-1], fine, scores, weight, self.ignore_index
        )
        if self.class_weights is not None:
            counts = counts * ops.convert_to_tensor(self.class_weights, "float32")
        loss = cell_cross_entropy(counts, scores, number)
        for stride in coarser:
            sums = cell_sums(counts, stride // fine)
            loss += cell_cross_entropy(sums, outputs[auxiliary_name(stride)], number)
        return loss


def label_counts(
    mask: Any,
    num_classes: int,
    stride: int,
    scores: Any,
    weight: Optional[Any] = None,
    ignore_index: int = IGNORE_INDEX,
) -> Any:
    """mask (B, H, W), as `scores` (B, h, w, ...) -> counts (B, h, w, classes) float32.

    The pixels of each class in each cell of `stride` x `stride` pixels, or with
    `weight` (B, H, W) the sums of their weights. Void counts for no class, like what
    the last cells have beyond the image.
    """
    label, valid = split_void(mask, ignore_index)
    if weight is not None:
        valid = valid * ops.cast(weight, "float32")
    ones = ops.one_hot(label, num_classes, dtype="float32")
    ones = ones * ops.expand_dims(valid, -1)
    _, height, width, _ = ops.shape(ones)
    _, rows, columns, *_ = ops.shape(scores)
    below, right = rows * stride - height, columns * stride - width
    ones = ops.pad(ones, [[0, 0], [0, below], [0, right], [0, 0]])
    return cell_sums(ones, stride)


def cell_sums(x: Any, stride: int) -> Any:
    """(B, H, W, C) -> sums over squares (B, H / stride, W / stride, C)."""
    return ops.average_pool(x, stride, stride) * float(stride**2)


def cell_cross_entropy(counts: Any, logits: Any, number: Any) -> Any:
    """Sum of -counts * log p over cells and classes, divided by `number` of pixels.

    counts (B, h, w, C) float32, logits (B, h, w, C) -> scalar float32; 0 if `number`
    is 0.
    """
    terms = counts * ops.log_softmax(ops.cast(logits, "float32"), -1)
    return -over_replicas(ops.sum(terms)) / ops.maximum(number, 1.0)


def balanced_cross_entropy(counts: Any, scores: Any) -> Any:
    """Binary cross-entropy in which both classes have half of the weight.

    counts (B, h, w, 2) float32 of other and of boundary pixels, scores (B, h, w, 1)
    -> scalar float32: half the mean of -log p over the boundary pixels of the batch
    plus half that of -log(1 - p) over the others; 0 for a kind without pixels. Few
    pixels are boundary: without balance a network that finds none would be good. Xie
    and Tu, "Holistically-Nested Edge Detection" (ICCV 2015), equation 2, weight by the
    same shares, without the division that makes the sum independent of them.
    """
    score = ops.cast(scores, "float32")
    terms = ops.concatenate([ops.softplus(score), ops.softplus(-score)], -1)
    over_cells = (0, 1, 2)
    total = over_replicas(ops.sum(counts * terms, over_cells))
    number = over_replicas(ops.sum(counts, over_cells))
    return 0.5 * ops.sum(total / ops.maximum(number, 1.0))


def near_boundary(mask: Any, distance: int, ignore_index: int = IGNORE_INDEX) -> Any:
    """mask (B, H, W) -> 1 near a boundary, 0 elsewhere, (B, H, W) int32; void is kept.

    Near are the pixels with another class at most `distance` rows and columns away, as
    in the boundary IoU of `kseg.evaluation`: the border of the image is no boundary,
    nor is that of void.
    """
    mask = ops.cast(mask, "int32")
    void = ops.equal(mask, ignore_index)
    largest = window_maximum(ops.where(void, -1, mask), distance)
    smallest = -window_maximum(ops.where(void, -256, -mask), distance)
    near = ops.cast(smallest < largest, "int32")
    return ops.where(void, ignore_index, near)


def window_maximum(x: Any, distance: int) -> Any:
    """Maximum over the pixels at most `distance` rows and columns away: (B, H, W).

    The windows double with each step, which takes far less time than a pooling.
    """
    whole = 2 * distance + 1
    for axis in (1, 2):
        around = [[0, 0], [0, 0], [0, 0]]
        around[axis] = [distance, distance]
        x = ops.pad(x, around, constant_values=-256)
        length = 1
        while length < whole:
            shift = min(length, whole - length)
            if axis == 1:
                x = ops.maximum(x[:, :-shift], x[:, shift:])
            else:
                x = ops.maximum(x[:, :, :-shift], x[:, :, shift:])
            length += shift
    return x
