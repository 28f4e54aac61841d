"""Layers of networks that look at regions of an image: proposals, features, objects.

Their results have a fixed number of boxes; places without one have the score 0. Boxes
are x0, y0, x1, y1 in pixels of the input, and no gradient reaches them. They are
computed in float32 whatever the precision of the network.
"""

from __future__ import annotations

from typing import Any, Sequence

import keras
from keras import layers, ops

from kseg.models.boxes.anchors import ANCHOR_SCALE, RATIOS, rpn_anchors
from kseg.models.boxes.codec import ANCHOR_WEIGHTS, PROPOSAL_WEIGHTS, apply_deltas
from kseg.models.boxes.nms import best_first, nms_padded
from kseg.models.boxes.roi_align import roi_align_levels

NONE = -float("inf")  # the score of a place without a box
LEAST_SIDE = 1e-3  # pixels of a proposal


class FloatLayer(layers.Layer):
    """A layer in float32 whose constructor's arguments are its configuration."""

    arguments: tuple[str, ...] = ()

    def __init__(self, dtype: Any = "float32", **kwargs: Any):
        super().__init__(dtype=dtype, **kwargs)

    def get_config(self) -> dict[str, Any]:
        own = {name: getattr(self, name) for name in self.arguments}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable("kseg")
class Proposals(FloatLayer):
    """The boxes of a region proposal network: (B, N, 4), and scores (B, N) in [0, 1].

    Called with the image, the objectness (B, A) and the deltas (B, A, 4) of all anchors
    and the features (B, h, w, C) of each level. Of each level the `before` best are
    kept, boxes with an overlap above `nms` are left out, and the `after` best of all
    levels remain, best first: `counts` is (before, after), in training
    `training_counts`. N is known when the size of the image is.
    """

    arguments = ("strides", "counts", "training_counts", "scale", "ratios", "nms")

    def __init__(
        self,
        strides: Sequence[int],
        counts: Sequence[int],
        training_counts: Sequence[int],
        scale: float = ANCHOR_SCALE,
        ratios: Sequence[float] = RATIOS,
        nms: float = 0.7,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.strides, self.counts = tuple(strides), tuple(counts)
        self.training_counts = tuple(training_counts)
        self.scale, self.ratios, self.nms = scale, tuple(ratios), nms

    def call(
        self,
        image: Any,
        objectness: Any,
        deltas: Any,
        levels: Sequence[Any],
        training: Any = None,
    ) -> tuple[Any, Any]:
        before, after = self.training_counts if training else self.counts
        grids = [ops.shape(level)[1:3] for level in levels]
        anchors = rpn_anchors(grids, self.strides, self.scale, self.ratios)
        objectness, deltas = (ops.stop_gradient(x) for x in (objectness, deltas))
        found, first = [], 0
        for rows, columns in grids:
            last = first + rows * columns * len(self.ratios)
            order, scores = best_first(objectness[:, first:last], before)
            moves = ops.take_along_axis(deltas[:, first:last], order[..., None], axis=1)
            boxes = ops.take(anchors[first:last], order, axis=0)
            found.append((apply_deltas(moves, boxes, ANCHOR_WEIGHTS), scores))
            first = last
        boxes, scores = (ops.stack(x, axis=1) for x in zip(*found, strict=True))
        boxes = clipped(boxes, image)
        scores = where_large(boxes, scores, LEAST_SIDE)
        return self.suppressed(boxes, scores, min(before, after), after)

    def suppressed(
        self, boxes: Any, scores: Any, limit: int, after: int
    ) -> tuple[Any, Any]:
        """Boxes (B, L, K, 4) and logits (B, L, K) of levels -> the best of all."""
        _, count, before = scores.shape
        flat = ops.reshape(boxes, (-1, before, 4))
        order, logits = nms_padded(
            flat, ops.reshape(scores, (-1, before)), self.nms, limit
        )
        boxes = ops.take_along_axis(flat, order[..., None], axis=1)
        boxes = ops.reshape(boxes, (-1, count * limit, 4))
        order, logits = best_first(ops.reshape(logits, (-1, count * limit)), after)
        boxes = ops.take_along_axis(boxes, order[..., None], axis=1)
        exists = ops.cast(logits > NONE, "float32")
        return boxes * exists[..., None], ops.sigmoid(logits) * exists

    def compute_output_spec(
        self,
        image: Any,
        objectness: Any,
        deltas: Any,
        levels: Sequence[Any],
        training: Any = None,
    ) -> tuple[Any, Any]:
        # In training there is another number of boxes.
        count = None if image.shape[1] is None else self.counts[1]
        batch = image.shape[0]
        return (
            keras.KerasTensor((batch, count, 4), "float32"),
            keras.KerasTensor((batch, count), "float32"),
        )


@keras.saving.register_keras_serializable("kseg")
class RegionFeatures(FloatLayer):
    """RoIAlign of boxes (B, N, 4) on the levels (B, h, w, C): (B, N, size, size, C).

    Each box is computed from the level of its size; see `roi_align_levels`.
    """

    arguments = ("strides", "size")

    def __init__(self, strides: Sequence[int], size: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.strides, self.size = tuple(strides), size

    def call(self, boxes: Any, levels: Sequence[Any]) -> Any:
        return roi_align_levels(levels, self.strides, boxes, self.size)

    def compute_output_spec(self, boxes: Any, levels: Sequence[Any]) -> Any:
        channels = levels[0].shape[-1]
        shape = (*boxes.shape[:2], self.size, self.size, channels)
        return keras.KerasTensor(shape, "float32")


@keras.saving.register_keras_serializable("kseg")
class RegionObjects(FloatLayer):
    """The objects of an image: boxes (B, D, 4), scores (B, D), class_ids (B, D) int32.

    Called with the image, the logits (B, N, C + 1) of the background and the classes,
    the deltas (B, N, 4 (C + 1)) of each of them, proposals (B, N, 4) and their scores.
    Every class of a proposal with a probability over `least` is a candidate; of the
    best `candidates`, those that overlap a better one of their class by more than `nms`
    are left out, and the best `count` remain, best first.
    """

    arguments = ("count", "candidates", "least", "nms")

    def __init__(
        self,
        count: int,
        candidates: int = 1000,
        least: float = 0.05,
        nms: float = 0.5,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.count, self.candidates = count, candidates
        self.least, self.nms = least, nms

    def call(
        self, image: Any, logits: Any, deltas: Any, proposals: Any, scores: Any
    ) -> tuple[Any, Any, Any]:
        probabilities = ops.softmax(logits)[..., 1:]
        number, classes = proposals.shape[1], probabilities.shape[-1]
        wanted = ops.logical_and(probabilities > self.least, scores[..., None] > 0)
        values = ops.where(wanted, probabilities, NONE)
        limit = min(self.candidates, number * classes)
        order, values = best_first(ops.reshape(values, (-1, number * classes)), limit)
        rows, class_ids = order // classes, order % classes
        deltas = ops.reshape(deltas, (-1, number * (classes + 1), 4))
        own = rows * (classes + 1) + class_ids + 1
        boxes = apply_deltas(
            ops.take_along_axis(deltas, own[..., None], axis=1),
            ops.take_along_axis(proposals, rows[..., None], axis=1),
            PROPOSAL_WEIGHTS,
        )
        boxes = clipped(boxes, image)
        values = where_large(boxes, values, LEAST_SIDE)
        order, values = nms_padded(boxes, values, self.nms, self.count, class_ids)
        exists = values > NONE
        boxes = ops.take_along_axis(boxes, order[..., None], axis=1)
        class_ids = ops.take_along_axis(class_ids, order, axis=1)
        return (
            boxes * ops.cast(exists, "float32")[..., None],
            ops.where(exists, values, 0.0),
            class_ids * ops.cast(exists, "int32"),
        )

    def compute_output_spec(
        self, image: Any, logits: Any, deltas: Any, proposals: Any, scores: Any
    ) -> tuple[Any, Any, Any]:
        # The number is known where the size of the image is, so that the layers after
        # this one also take another number in training.
        shape = (image.shape[0], None if image.shape[1] is None else self.count)
        return (
            keras.KerasTensor((*shape, 4), "float32"),
            keras.KerasTensor(shape, "float32"),
            keras.KerasTensor(shape, "int32"),
        )


@keras.saving.register_keras_serializable("kseg")
class JoinBoxes(layers.Layer):
    """(B, N, h, w, C) -> (B * N, h, w, C), so that convolutions take it."""

    def call(self, x: Any) -> Any:
        return ops.reshape(x, (-1, *x.shape[2:]))

    def compute_output_shape(self, shape: tuple) -> tuple:
        batch, count, *rest = shape
        return None if None in (batch, count) else batch * count, *rest


@keras.saving.register_keras_serializable("kseg")
class SplitBoxes(layers.Layer):
    """[(B * N, h, w, C), boxes (B, N, 4)] -> (B, N, h, w, C)."""

    def call(self, inputs: list[Any]) -> Any:
        x, boxes = inputs
        return ops.reshape(x, (-1, ops.shape(boxes)[1], *x.shape[1:]))

    def compute_output_shape(self, shapes: list[tuple]) -> tuple:
        x, boxes = shapes
        return *boxes[:2], *x[1:]


@keras.saving.register_keras_serializable("kseg")
class OwnClass(FloatLayer):
    """Masks (B, D, h, w, C + 1) of all classes, class_ids (B, D) -> (B, D, h, w).

    The first of the masks is the background's.
    """

    def call(self, masks: Any, class_ids: Any) -> Any:
        chosen = ops.one_hot(class_ids + 1, masks.shape[-1], dtype="float32")
        return ops.sum(masks * chosen[:, :, None, None], axis=-1)

    def compute_output_spec(self, masks: Any, class_ids: Any) -> Any:
        return keras.KerasTensor(masks.shape[:-1], "float32")


def clipped(boxes: Any, image: Any) -> Any:
    """Boxes (..., 4) limited to the image (B, H, W, C)."""
    height, width = (ops.cast(side, "float32") for side in ops.shape(image)[1:3])
    return ops.clip(boxes, 0.0, ops.stack([width, height, width, height]))


def where_large(boxes: Any, scores: Any, least: float) -> Any:
    """The scores (...) of boxes (..., 4) with sides of `least` pixels, else NONE."""
    sides = boxes[..., 2:] - boxes[..., :2]
    return ops.where(ops.all(sides >= least, axis=-1), scores, NONE)
