"""The loss of region proposal networks: objectness and boxes of sampled anchors."""

from __future__ import annotations

from typing import Any

from keras import ops

from kseg.training.losses.boxes import binary_cross_entropy, smooth_l1
from kseg.training.losses.joint import JointLoss
from kseg.training.losses.replicas import sum_over_replicas

BETA = 1 / 9  # of smooth L1


class RpnLoss(JointLoss):
    """Cross-entropy of the objectness of anchors, and smooth L1 of their deltas.

    The target has `anchors` (B, S) int32, indices of sampled anchors, -1 for none;
    `anchor_labels` (B, S) float32, 1 for those of an object; `anchor_deltas` (B, S, 4)
    float32. Both terms are divided by the number of sampled anchors.
    """

    def training_outputs(self, model: Any) -> dict[str, Any]:
        names = ("objectness", "deltas")
        return {name: model.get_layer(name).output for name in names}

    def __call__(self, target: dict[str, Any], outputs: dict[str, Any]) -> Any:
        return sum(self.parts(target, outputs).values())

    def parts(self, target: dict[str, Any], outputs: dict[str, Any]) -> dict[str, Any]:
        """The terms by name; their sum is the loss."""
        target = {name: ops.convert_to_tensor(x) for name, x in target.items()}
        return rpn_terms(target, outputs)


def rpn_terms(target: dict[str, Any], outputs: dict[str, Any]) -> dict[str, Any]:
    """The terms of `RpnLoss`, from objectness (B, A) and deltas (B, A, 4)."""
    anchors, labels = target["anchors"], target["anchor_labels"]
    used = ops.cast(anchors >= 0, "float32")
    count = ops.maximum(sum_over_replicas(ops.sum(used)), 1.0)
    anchors = ops.maximum(anchors, 0)
    logits = ops.take_along_axis(outputs["objectness"], anchors, axis=1)
    deltas = ops.take_along_axis(outputs["deltas"], anchors[..., None], axis=1)
    entropy = binary_cross_entropy(labels, logits) * used
    distance = ops.sum(smooth_l1(deltas - target["anchor_deltas"], BETA), axis=-1)
    return {
        "anchor_scores": ops.sum(entropy) / count,
        "anchor_boxes": ops.sum(distance * labels) / count,
    }
