"""The loss of DETR: objects are first assigned to queries, then compared with them."""

from __future__ import annotations

from typing import Any

from keras import ops

from kseg.models.boxes.iou import iou_and_giou
from kseg.training.losses.assignment import assign
from kseg.training.losses.joint import JointLoss
from kseg.training.losses.replicas import sum_over_replicas

CLASS_WEIGHT, L1_WEIGHT, GIOU_WEIGHT = 1.0, 5.0, 2.0  # of costs and losses
NONE_WEIGHT = 0.1  # of queries without an object, which are most
CROWD = -2  # class of a target that counts neither as an object nor as background


class DetrLoss(JointLoss):
    """Cross-entropy of classes, L1 and generalized IoU of boxes: Carion et al. (2020).

    Called with a target and the outputs of `training_outputs` of
    kseg.models.detection.detr; returns a scalar float32. `size` (height, width) is that
    of the training crops. The target has, for at most T objects of an image,

    - `classes` (B, T) int32: the class of an object, -1 for none, -2 for a crowd;
    - `boxes` (B, T, 4) float32 x0, y0, x1, y1 in pixels.

    For each of the L decoder layers each object gets the query at which the sum of the
    costs is least: -p of its class, 5 times the L1 distance of the boxes as cy, cx, h,
    w in shares of the crop, -2 times their generalized IoU. The cross-entropy is the
    weighted mean over all queries; those without an object belong to the last class,
    with a weight of 0.1, or 0 if the centre of their box is in a crowd. L1 and 1 - GIoU
    are summed over the assigned queries and divided by their number in the whole batch.
    The losses of all layers are added up.
    """

    python_code = True  # `assign` calls SciPy, so XLA cannot compile it

    def __init__(self, size: tuple[int, int]):
        self.size = size

    def training_outputs(self, model: Any) -> dict[str, Any]:
        from kseg.models.detection.detr import training_outputs

        return training_outputs(model)

    def __call__(self, target: dict[str, Any], outputs: dict[str, Any]) -> Any:
        return sum(self.parts(target, outputs).values())

    def parts(self, target: dict[str, Any], outputs: dict[str, Any]) -> dict[str, Any]:
        """The weighted terms by name; their sum is the loss."""
        layers = len(outputs) // 2
        logits = all_layers(outputs, "logits", layers)
        boxes = all_layers(outputs, "boxes", layers)
        target = {name: ops.convert_to_tensor(x) for name, x in target.items()}
        target = {name: ops.repeat(x, layers, axis=0) for name, x in target.items()}
        classes = ops.cast(target["classes"], "int32")
        chosen = self.assigned(logits, boxes, classes, target["boxes"])
        found = ops.cast(chosen >= 0, "float32")
        own = ops.maximum(chosen, 0)
        none = logits.shape[-1] - 1
        wanted = ops.take_along_axis(classes, own, axis=1)
        wanted = ops.one_hot(ops.where(chosen >= 0, wanted, none), none + 1)
        entropy = -ops.sum(wanted * ops.log_softmax(logits), axis=-1)
        weights = self.weights(found, boxes, target["boxes"], classes)
        truth = ops.take_along_axis(target["boxes"], own[..., None], axis=1)
        distance, overlap = self.compare(boxes, truth)
        count = ops.maximum(sum_over_replicas(ops.sum(found)) / layers, 1.0)
        return {
            "classes": CLASS_WEIGHT * weighted_mean(entropy, weights, layers),
            "l1": L1_WEIGHT * ops.sum(distance * found) / count,
            "giou": GIOU_WEIGHT * ops.sum((1 - overlap) * found) / count,
        }

    def assigned(self, logits: Any, boxes: Any, classes: Any, truth: Any) -> Any:
        """The target of each query (N, Q) int32, -1 for none, without gradients."""
        logits, boxes = ops.stop_gradient(logits), ops.stop_gradient(boxes)
        distance, overlap = self.compare(boxes[:, :, None], truth[:, None])
        probabilities = ops.transpose(ops.softmax(logits), (0, 2, 1))
        own = ops.maximum(classes, 0)[..., None]
        own = ops.take_along_axis(probabilities, own, axis=1)  # (N, T, Q)
        cost = L1_WEIGHT * distance - GIOU_WEIGHT * overlap
        cost = cost - CLASS_WEIGHT * ops.transpose(own, (0, 2, 1))
        return assign(cost, classes >= 0)

    def compare(self, boxes: Any, truth: Any) -> tuple[Any, Any]:
        """(..., 4) shares and (..., 4) pixels -> L1 distance and generalized IoU."""
        height, width = self.size
        x0, y0, x1, y1 = ops.unstack(truth, 4, axis=-1)
        cy, cx, h, w = ops.unstack(boxes, 4, axis=-1)
        pairs = (
            (cy, (y0 + y1) / (2 * height)),
            (cx, (x0 + x1) / (2 * width)),
            (h, (y1 - y0) / height),
            (w, (x1 - x0) / width),
        )
        distance = sum(ops.absolute(ours - theirs) for ours, theirs in pairs)
        x, y, w, h = width * cx, height * cy, width * w / 2, height * h / 2
        corners = ops.stack([x - w, y - h, x + w, y + h], axis=-1)
        return distance, iou_and_giou(corners, truth)[1]

    def weights(self, found: Any, boxes: Any, truth: Any, classes: Any) -> Any:
        """The weight of each query in the cross-entropy, (N, Q)."""
        y, x = boxes[..., 0:1] * self.size[0], boxes[..., 1:2] * self.size[1]
        x0, y0, x1, y1 = (truth[:, None, :, i] for i in range(4))
        inside = (x >= x0) & (x < x1) & (y >= y0) & (y < y1)
        in_crowd = ops.any(inside & (classes == CROWD)[:, None], axis=-1)
        none = NONE_WEIGHT * (1 - ops.cast(in_crowd, "float32"))
        return ops.stop_gradient(found + (1 - found) * none)


def all_layers(outputs: dict[str, Any], name: str, layers: int) -> Any:
    """`name`1, `name`2, ... of L layers (B, ...) -> (B * L, ...) float32.

    The layers of an image are one after the other.
    """
    each = [ops.cast(outputs[f"{name}{n + 1}"], "float32") for n in range(layers)]
    stacked = ops.stack(each, axis=1)
    return ops.reshape(stacked, (-1, *stacked.shape[2:]))


def weighted_mean(values: Any, weights: Any, layers: int) -> Any:
    """The weighted mean over the batch, added up over layers: (B * L, Q) -> scalar."""

    def sums(x: Any) -> Any:
        return ops.sum(ops.reshape(x, (-1, layers, x.shape[1])), axis=(0, 2))

    total = ops.maximum(sum_over_replicas(sums(weights)), 1e-6)
    return ops.sum(sums(values * weights) / total)
