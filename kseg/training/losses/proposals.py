"""The losses of networks that classify proposals: R-CNN and Fast R-CNN."""

from __future__ import annotations

from typing import Any

from keras import ops

from kseg.training.losses.joint import JointLoss
from kseg.training.losses.replicas import sum_over_replicas


class ClassLoss(JointLoss):
    """The cross-entropy of the classes of proposals: their mean in the batch.

    The target's `classes` (B, N) int32 are 0 for the background, k + 1 for class k, and
    negative for places that do not count. The output `scores` (B, N, C + 1) or (B * N,
    C + 1) are logits.
    """

    def __call__(self, target: dict[str, Any], outputs: dict[str, Any]) -> Any:
        return sum(self.parts(target, outputs).values())

    def parts(self, target: dict[str, Any], outputs: dict[str, Any]) -> dict[str, Any]:
        """The terms by name; their sum is the loss."""
        classes = ops.reshape(ops.convert_to_tensor(target["classes"]), (-1,))
        counted = ops.cast(classes >= 0, "float32")
        count = ops.maximum(sum_over_replicas(ops.sum(counted)), 1.0)
        logits = rows(outputs["scores"], outputs["scores"].shape[-1])
        wanted = ops.one_hot(ops.maximum(classes, 0), logits.shape[-1])
        entropy = ops.logsumexp(logits, axis=-1) - ops.sum(wanted * logits, axis=-1)
        terms = {"scores": ops.sum(entropy * counted) / count}
        return terms | self.more(target, outputs, wanted, count)

    def more(
        self, target: dict[str, Any], outputs: dict[str, Any], wanted: Any, count: Any
    ) -> dict[str, Any]:
        """Other terms, from `wanted` (M, C + 1), 1 for the class of each proposal."""
        return {}


class ProposalLoss(ClassLoss):
    """Fast R-CNN's loss: also the smooth L1 loss of the moves of the own class.

    The output `boxes` (B, N, 4 (C + 1)) and the target `moves` (B, N, 4) are encoded as
    edge.predict.region_boxes describes. Only proposals with an object have a loss of
    their box; its sum is divided by the number of all proposals that count.
    """

    def more(
        self, target: dict[str, Any], outputs: dict[str, Any], wanted: Any, count: Any
    ) -> dict[str, Any]:
        moves = rows(ops.convert_to_tensor(target["moves"]), 4)
        found = ops.reshape(rows(outputs["boxes"], 4), (-1, wanted.shape[-1], 4))
        classes = ops.reshape(ops.convert_to_tensor(target["classes"]), (-1,))
        real = ops.cast(classes > 0, "float32")
        own = wanted[..., None] * real[:, None, None]
        return {"boxes": ops.sum(own * smooth_l1(found - moves[:, None])) / count}


def rows(values: Any, width: int) -> Any:
    """(..., width) -> (M, width) float32."""
    return ops.reshape(ops.cast(values, "float32"), (-1, width))


def smooth_l1(difference: Any) -> Any:
    """d squared / 2 where |d| < 1, |d| - 1/2 elsewhere: Girshick (ICCV 2015)."""
    size = ops.absolute(difference)
    return ops.where(size < 1, 0.5 * ops.square(size), size - 0.5)
