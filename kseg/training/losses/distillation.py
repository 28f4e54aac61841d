"""Learning from the probabilities that teachers give to each class.

Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network" (arXiv
1503.02531), for each pixel. Only Keras: it runs on every backend.
"""

from __future__ import annotations

from typing import Any, Optional

import keras
from keras import ops

from kseg.training.losses.pixel import mean_over
from kseg.training.losses.replicas import replica_share
from kseg.training.losses.segmentation import SegmentationLoss

LEAST = 1e-12  # below every probability that a soft label can hold, but for 0


def probabilities_of(soft: Any) -> tuple[Any, Any]:
    """Decodes soft labels, see kseg.data.loading.soft_labels, in the graph.

    (B, H, W, C) uint8, in proportion to the square roots of probabilities ->
    probabilities (B, H, W, C) float32, and (B, H, W) float32, 0 where a pixel has none,
    else 1.
    """
    odds = ops.square(ops.cast(soft, "float32"))
    total = ops.sum(odds, axis=-1, keepdims=True)
    known = ops.cast(total[..., 0] > 0, "float32")
    return odds / ops.maximum(total, 1.0), known


def distillation(soft: Any, logits: Any, temperature: float) -> Any:
    """T^2 KL(q || p) of a student's p = softmax(logits / T), mean over the pixels.

    Soft labels (B, H, W, C) uint8, whose probabilities q the teachers gave at the
    temperature T, and logits (B, H, W, C) of any float type -> scalar float32, >= 0; 0
    if no pixel has soft labels. The derivative by a logit is T (p - q) over the number
    of pixels: T^2 keeps it as large as that of cross-entropy (section 2 of the paper).
    """
    target, known = probabilities_of(soft)
    logits = ops.cast(logits, "float32") / temperature
    difference = ops.log(ops.maximum(target, LEAST)) - ops.log_softmax(logits, axis=-1)
    terms = ops.sum(target * difference, axis=-1)
    return temperature**2 * mean_over(known, terms)


@keras.saving.register_keras_serializable("kseg")
class DistillationLoss(SegmentationLoss):
    """A SegmentationLoss plus `teacher_weight` times `distillation`.

    Soft labels take the place of the sample weights. Without them, as in validation,
    it is the SegmentationLoss. Pixels of void learn from the teachers too.
    """

    def __init__(
        self,
        *args: Any,
        teacher_weight: float = 1.0,
        temperature: float = 2.0,
        **kwargs: Any,
    ):
        super().__init__(*args, **kwargs)
        self.teacher_weight, self.temperature = teacher_weight, temperature

    def pixel_weights(self, sample_weight: Optional[Any]) -> Optional[Any]:
        """None: the sample weights are soft labels."""
        return None

    def total(self, mask: Any, logits: Any, weight: Optional[Any] = None) -> Any:
        """Computes the sum: scalar float32. `weight` are soft labels."""
        loss = super().total(mask, logits)
        if weight is None:
            return loss
        term = self.teacher_weight * distillation(weight, logits, self.temperature)
        if keras.backend.backend() == "tensorflow":
            term = replica_share(term)
        return loss + term

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "teacher_weight": self.teacher_weight,
            "temperature": self.temperature,
        }
