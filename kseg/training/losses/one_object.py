"""The loss of one object for each image: its class and its box, added."""

from __future__ import annotations

from typing import Any

from keras import ops

from kseg.models.boxes.shares import to_shares
from kseg.training.losses.joint import JointLoss
from kseg.training.losses.replicas import sum_over_replicas

# 50: squared errors in shares of the image are small; with 15, a tenth more boxes are
# still too rough after 30 epochs (kseg benchmark localize).
CLASS_WEIGHT, BOX_WEIGHT = 1.0, 50.0


class OneObjectLoss(JointLoss):
    """Softmax cross-entropy of the class, and squared error of the box.

    Called with a target and the outputs of `localize`, both dicts; returns a scalar
    float32. `size` is that of the training crops. The target is that of
    kseg.data.loading.box_targets: `classes` (B, P) int32, -1 or -2 for no object, and
    `boxes` (B, P, 4) float32 x0, y0, x1, y1 in pixels; the first object counts. The box
    error is the sum over cy, cx, h, w in shares of `size`. Both are means over the
    images with an object, times their weights.
    """

    def __init__(
        self,
        size: tuple[int, int],
        class_weight: float = CLASS_WEIGHT,
        box_weight: float = BOX_WEIGHT,
    ):
        self.size = size
        self.class_weight, self.box_weight = class_weight, box_weight

    def __call__(self, target: dict[str, Any], outputs: dict[str, Any]) -> Any:
        return sum(self.parts(target, outputs).values())

    def parts(self, target: dict[str, Any], outputs: dict[str, Any]) -> dict[str, Any]:
        """The weighted terms by name; their sum is the loss."""
        classes = ops.convert_to_tensor(target["classes"])
        boxes = ops.convert_to_tensor(target["boxes"])
        present = ops.cast(classes >= 0, "float32")
        used = ops.max(present, axis=1)
        first = ops.argmax(present, axis=1)[:, None]
        count = ops.maximum(sum_over_replicas(ops.sum(used)), 1.0)
        label = ops.maximum(ops.take_along_axis(classes, first, axis=1)[:, 0], 0)
        box = ops.take_along_axis(boxes, first[..., None], axis=1)[:, 0]
        logits = ops.cast(outputs["logits"], "float32")[:, 0]
        places = ops.cast(outputs["boxes"], "float32")[:, 0]
        wanted = ops.one_hot(label, logits.shape[-1])
        entropy = -ops.sum(wanted * ops.log_softmax(logits), axis=-1)
        error = ops.sum(ops.square(places - to_shares(box, self.size)), axis=-1)
        return {
            "scores": self.class_weight * ops.sum(entropy * used) / count,
            "boxes": self.box_weight * ops.sum(error * used) / count,
        }
