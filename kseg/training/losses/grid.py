"""The loss of YOLO v1 (arXiv 1506.02640): five sums of squares over a grid."""

from __future__ import annotations

from typing import Any

from keras import ops

from kseg.models.boxes.iou import iou_and_giou
from kseg.models.boxes.shares import corners, to_shares
from kseg.training.losses.joint import JointLoss
from kseg.training.losses.replicas import sum_over_replicas

COORDINATE_WEIGHT, EMPTY_WEIGHT = 5.0, 0.5


class GridLoss(JointLoss):
    """The five terms of the paper, each a mean over the images of the batch.

    Called with a target and the outputs of `yolo`, both dicts; returns a scalar
    float32. `size` is that of the training crops. The target is that of
    kseg.data.loading.box_targets: `classes` (B, P) int32, -1 for no object and -2 for a
    crowd, and `boxes` (B, P, 4) float32 x0, y0, x1, y1 in pixels.

    An object belongs to the cell of its centre; of several in a cell, to the first. Of
    the cell's boxes, the one with the largest IoU is responsible; of equal ones the
    first. The confidence to learn is its IoU, without a gradient. Boxes of a cell whose
    centre is in a crowd are not trained to be empty.
    """

    def __init__(self, size: tuple[int, int]):
        self.size = size

    def __call__(self, target: dict[str, Any], outputs: dict[str, Any]) -> Any:
        return sum(self.parts(target, outputs).values())

    def parts(self, target: dict[str, Any], outputs: dict[str, Any]) -> dict[str, Any]:
        """The weighted terms by name; their sum is the loss."""
        outputs = {role: ops.cast(x, "float32") for role, x in outputs.items()}
        images, rows, columns, boxes = ops.shape(outputs["confidences"])
        cells = rows * columns
        owned = self.owned(target, rows, columns)
        full, wanted = owned["full"], owned["boxes"]  # (B, S), (B, S, 4)

        found = ops.reshape(outputs["boxes"], (-1, cells, boxes, 4))
        iou, _ = iou_and_giou(corners(found), corners(wanted)[:, :, None])
        responsible = ops.one_hot(ops.argmax(iou, axis=-1), boxes) * full[..., None]
        empty = (1 - responsible) * (1 - owned["ignored"])[..., None]

        places = ops.reshape(outputs["places"], (-1, cells, boxes, 4))
        offsets = wanted_places(wanted, rows, columns)[:, :, None]
        errors = ops.square(places - offsets) * responsible[..., None]
        confidences = ops.reshape(outputs["confidences"], (-1, cells, boxes))
        sure = ops.square(confidences - ops.stop_gradient(iou)) * responsible
        count = outputs["classes"].shape[-1]
        classes = ops.reshape(outputs["classes"], (-1, cells, count))
        labels = ops.one_hot(owned["classes"], count)
        wrong = ops.sum(ops.square(classes - labels), axis=-1) * full
        total = sum_over_replicas(ops.cast(images, "float32"))
        return {
            "centers": COORDINATE_WEIGHT * ops.sum(errors[..., :2]) / total,
            "sides": COORDINATE_WEIGHT * ops.sum(errors[..., 2:]) / total,
            "confidences": ops.sum(sure) / total,
            "empty": EMPTY_WEIGHT * ops.sum(ops.square(confidences) * empty) / total,
            "classes": ops.sum(wrong) / total,
        }

    def owned(self, target: dict[str, Any], rows: Any, columns: Any) -> dict[str, Any]:
        """What each of the S cells has: arrays (B, S, ...) by name.

        `full` is 1 with an object, whose class and box are `classes` (0 without one)
        and `boxes` (cy, cx, h, w in shares). `ignored` is 1 if the cell's centre is in
        a crowd and it has no object.
        """
        classes = ops.convert_to_tensor(target["classes"])
        shares = to_shares(ops.convert_to_tensor(target["boxes"]), self.size)
        cell = cell_of(shares, rows, columns)
        here = ops.one_hot(cell, rows * columns) * mask(classes >= 0)[..., None]
        first = here * mask(ops.cumsum(here, axis=1) == 1)  # (B, P, S)
        full = ops.sum(first, axis=1)
        boxes = ops.matmul(ops.transpose(first, (0, 2, 1)), shares)
        kept = ops.cast(ops.maximum(classes, 0), "float32")[..., None]
        inside = centers_inside(corners(shares), rows, columns)
        crowds = inside * mask(classes == -2)[..., None]
        return {
            "full": full,
            "boxes": boxes,
            "classes": ops.cast(ops.sum(first * kept, axis=1), "int32"),
            "ignored": ops.max(crowds, axis=1) * (1 - full),
        }


def mask(condition: Any) -> Any:
    """True -> 1.0, False -> 0.0."""
    return ops.cast(condition, "float32")


def scaled(shares: Any, rows: Any, columns: Any) -> tuple[Any, Any]:
    """The centres of boxes cy, cx, h, w: y and x in cells."""
    sides = (ops.cast(side, "float32") for side in (rows, columns))
    y, x = (shares[..., axis] * side for axis, side in enumerate(sides))
    return y, x


def cell_of(shares: Any, rows: Any, columns: Any) -> Any:
    """(..., 4) cy, cx, h, w -> the index of the cell of its centre, int32."""
    y, x = (ops.cast(ops.floor(v), "int32") for v in scaled(shares, rows, columns))
    y, x = ops.clip(y, 0, rows - 1), ops.clip(x, 0, columns - 1)
    return y * columns + x


def wanted_places(shares: Any, rows: Any, columns: Any) -> Any:
    """(B, S, 4) cy, cx, h, w of each cell -> y, x in its cell, roots of h and w."""
    y, x = scaled(shares, rows, columns)
    roots = ops.sqrt(ops.maximum(shares[..., 2:], 0.0))
    parts = [y - ops.floor(y), x - ops.floor(x), roots[..., 0], roots[..., 1]]
    return ops.stack(parts, axis=-1)


def centers_inside(boxes: Any, rows: Any, columns: Any) -> Any:
    """(B, P, 4) x0, y0, x1, y1 in shares -> (B, P, S): 1 where a cell's centre is in.

    The S cells are row by row.
    """
    y = (ops.arange(rows, dtype="float32") + 0.5) / ops.cast(rows, "float32")
    x = (ops.arange(columns, dtype="float32") + 0.5) / ops.cast(columns, "float32")
    x0, y0, x1, y1 = (boxes[..., i : i + 1] for i in range(4))
    down, across = mask((y >= y0) & (y < y1)), mask((x >= x0) & (x < x1))
    both = down[..., :, None] * across[..., None, :]
    return ops.reshape(both, (-1, boxes.shape[1], rows * columns))
