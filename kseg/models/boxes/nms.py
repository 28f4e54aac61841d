"""Non-maximum suppression with outputs of a fixed size, in Keras operations."""

from __future__ import annotations

from typing import Any, Optional

from keras import ops

from kseg.models.boxes.iou import pairwise_iou

TOGETHER = 512  # boxes of an image, up to which several images are computed at once


def best_first(scores: Any, count: int) -> tuple[Any, Any]:
    """(B, N) -> the indices (B, count) int32 of the highest scores, and these scores.

    The highest is first; of equal scores the lower index is first, on every backend.
    With N under `count` the last places have the index 0 and the score -inf. N may be
    unknown until the network runs.
    """
    # top_k does not keep the order of equal scores on PyTorch; argsort is stable.
    order = ops.argsort(-scores, axis=-1)[:, :count]
    chosen = ops.take_along_axis(scores, order, axis=1)
    size = ops.shape(order)[1]
    if not (isinstance(size, int) and size == count):
        places = [[0, 0], [0, count - size]]
        order = ops.pad(order, places)
        chosen = ops.pad(chosen, places, constant_values=-float("inf"))
    order = ops.reshape(order, (-1, count))  # of a size that is now known
    return ops.cast(order, "int32"), ops.reshape(chosen, (-1, count))


def nms_padded(
    boxes: Any,
    scores: Any,
    iou: float,
    limit: int,
    groups: Optional[Any] = None,
) -> tuple[Any, Any]:
    """The indices (B, limit) int32 of the boxes kept, best first, and their scores.

    `boxes` (B, N, 4) are x0, y0, x1, y1, `scores` (B, N); boxes with a score of -inf do
    not exist. A box is left out if one with a higher score, itself kept and of the same
    group (B, N), has more than `iou` in common with it; of equal scores the lower index
    is first. Places without a box have any index and the score -inf. The result is that
    of edge.predict.boxes.nms. It takes some N * N floats for each image; with N over
    TOGETHER, images are computed one after the other.
    """
    groups = ops.zeros_like(scores, "int32") if groups is None else groups

    def one(image: Any) -> tuple[Any, Any]:
        each = (x[None] for x in image)
        order, ranked = suppressed(*each, iou, limit)
        return order[0], ranked[0]

    if scores.shape[1] > TOGETHER:
        return ops.map(one, (boxes, scores, groups))
    return suppressed(boxes, scores, groups, iou, limit)


def suppressed(
    boxes: Any, scores: Any, groups: Any, iou: float, limit: int
) -> tuple[Any, Any]:
    """`nms_padded` of all images at once."""
    order, ranked = best_first(scores, scores.shape[1])
    boxes = ops.take_along_axis(boxes, order[..., None], axis=1)
    exists = ranked > -float("inf")
    groups = ops.take_along_axis(groups, order, axis=1)
    kept = kept_of_ranked(overlapping(boxes, iou, groups), exists)
    place, chosen = best_first(ops.where(kept, ranked, -float("inf")), limit)
    return ops.take_along_axis(order, place, axis=1), chosen


def overlapping(boxes: Any, iou: float, groups: Any) -> Any:
    """(B, N, 4) -> (B, N, N) float32: 1 where row i, before j, overlaps box j."""
    count = boxes.shape[1]
    over = pairwise_iou(boxes, boxes) > iou
    rank = ops.arange(count)
    over = ops.logical_and(over, rank[:, None] < rank[None, :])
    over = ops.logical_and(over, groups[:, :, None] == groups[:, None, :])
    return ops.cast(over, "float32")


def kept_of_ranked(over: Any, exists: Any) -> Any:
    """Which boxes (B, N) bool remain, from the overlaps of boxes ordered by score.

    A box remains if none that remains overlaps it. Starting from all boxes, this rule
    is applied to all of them at once until nothing changes. Box j depends on boxes
    before it alone, so after j rounds it is decided as if one by one; mostly there are
    few rounds, as long as the longest chain of boxes that decide about each other.
    """

    def changed(kept: Any, before: Any) -> Any:
        return ops.any(ops.not_equal(kept, before))

    def decide(kept: Any, before: Any) -> tuple[Any, Any]:
        rows = ops.cast(kept, "float32")[:, None, :]
        covered = ops.matmul(rows, over)[:, 0] > 0.5
        return ops.logical_and(exists, ops.logical_not(covered)), kept

    none = ops.zeros_like(exists)
    return ops.while_loop(changed, decide, decide(exists, none))[0]
