"""The loss of networks that find objects: scores, boxes and masks together."""

from __future__ import annotations

from typing import Any, Sequence

import numpy as np
from keras import ops

from kseg.models.boxes.codec import decode
from kseg.models.boxes.iou import iou_and_giou
from kseg.training.losses.boxes import mask_loss, quality_focal
from kseg.training.losses.joint import JointLoss
from kseg.training.losses.replicas import sum_over_replicas

BOX_WEIGHT, MASK_WEIGHT = 2.0, 1.0  # the scores' is 1


class ObjectLoss(JointLoss):
    """Quality focal loss of scores, GIoU loss of boxes, and a loss of masks.

    Called with a target and the network's outputs, both dicts; returns a scalar
    float32. `centers` (A, 2) and `sides` (A,) are those of the anchors at the size of
    the training crops. The target has:

    - `classes` (B, A) int32: the class of the cell's object, -1 for none, -2 where the
      loss does not count;
    - `boxes` (B, A, 4) float32 x0, y0, x1, y1 in pixels, of cells with an object;
    - `mask_cells` (B, P) int32: cells whose masks are trained, -1 for none;
    - `mask_boxes` (B, P, 4) float32: regions around their objects, x0, y0, x1, y1 in
      cells of the prototypes;
    - `masks` (B, P, n, n) uint8: their masks at n x n points of these regions.

    Masks are compared at points that are closer than the cells of the prototypes, as
    predictions are enlarged. A mask in whole cells would lose what small objects have:
    at stride 2, the AP of perfect ones on scenes of 128x128 is 0.75.

    The last three are absent for networks without masks. All sums are divided by the
    number of cells with an object in the whole batch, at least 1.
    """

    def __init__(self, centers: Sequence[Any], sides: Sequence[float]):
        self.centers, self.sides = np.float32(centers), np.float32(sides)

    def __call__(self, target: dict[str, Any], outputs: dict[str, Any]) -> Any:
        return sum(self.parts(target, outputs).values())

    def parts(self, target: dict[str, Any], outputs: dict[str, Any]) -> dict[str, Any]:
        """The weighted terms by name; their sum is the loss."""
        outputs = {role: ops.cast(x, "float32") for role, x in outputs.items()}
        target = {name: ops.convert_to_tensor(x) for name, x in target.items()}
        classes = target["classes"]
        positive = ops.cast(classes >= 0, "float32")
        count = ops.maximum(sum_over_replicas(ops.sum(positive)), 1.0)
        predicted = decode(outputs["boxes"], self.centers, self.sides)
        iou, giou = iou_and_giou(predicted, target["boxes"])
        quality = ops.stop_gradient(iou) * positive
        num_classes = outputs["scores"].shape[-1]
        wanted = ops.one_hot(ops.maximum(classes, 0), num_classes)
        focal = quality_focal(quality[..., None] * wanted, outputs["scores"])
        counted = ops.cast(classes != -2, "float32")[..., None]
        terms = {
            "scores": ops.sum(focal * counted) / count,
            "boxes": BOX_WEIGHT * ops.sum((1 - giou) * positive) / count,
        }
        if "prototypes" in outputs:
            terms["masks"] = MASK_WEIGHT * self.mask_term(target, outputs)
        return terms

    def mask_term(self, target: dict[str, Any], outputs: dict[str, Any]) -> Any:
        """The mean loss of the masks of `mask_cells`."""
        cells = target["mask_cells"]
        used = ops.cast(cells >= 0, "float32")
        rows = ops.maximum(cells, 0)[..., None]
        weights = ops.take_along_axis(outputs["coefficients"], rows, axis=1)
        prototypes = outputs["prototypes"]
        _, height, width, channels = prototypes.shape
        flat = ops.reshape(prototypes, (-1, height * width, channels))
        logits = ops.matmul(weights, ops.transpose(flat, (0, 2, 1)))
        logits = ops.reshape(logits, (-1, cells.shape[1], height, width))
        masks = ops.cast(target["masks"], "float32")
        points = sample(logits, target["mask_boxes"], masks.shape[-1])
        loss = mask_loss(masks, points)
        count = ops.maximum(sum_over_replicas(ops.sum(used)), 1.0)
        return ops.sum(loss * used) / count


def sample(maps: Any, boxes: Any, count: int) -> Any:
    """Values of maps (..., h, w) at count x count points of boxes, bilinear.

    `boxes` (..., 4) x0, y0, x1, y1 are in cells; the points are the centres of equal
    parts of a box. Beyond the centres of the outermost cells their values go on, as
    they do where predictions are enlarged. Returns (..., count, count).
    """
    height, width = maps.shape[-2:]
    steps = (ops.arange(count, dtype="float32") + 0.5) / count

    def weights(start: Any, end: Any, cells: int) -> Any:
        """(..., 1) and (..., 1) -> (..., count, cells), the share of each cell."""
        places = ops.clip(start + (end - start) * steps - 0.5, 0.0, cells - 1.0)
        distance = places[..., None] - ops.arange(cells, dtype="float32")
        return ops.relu(1.0 - ops.absolute(distance))

    x0, y0, x1, y1 = (boxes[..., i : i + 1] for i in range(4))
    rows, columns = weights(y0, y1, height), weights(x0, x1, width)
    return ops.matmul(ops.matmul(rows, maps), ops.swapaxes(columns, -1, -2))
