"""Mean IoU as a Keras metric."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from edge.core.constants import IGNORE_INDEX
from kseg.models.layers.fused import count_cells, on_processor

DIGIT = 2**24  # the metric's counters are two int32 digits of this base


@keras.saving.register_keras_serializable("kseg")
class MeanIoU(keras.metrics.Metric):
    """Mean IoU over all pixels since the last reset, as in `iou_per_class`.

    Takes masks (B, H, W) of class ids and logits (B, H, W, C). A float32 counter cannot
    count beyond 2**24 pixels, and JAX has no int64 by default, so each count is stored
    as two int32 digits.
    """

    def __init__(
        self,
        num_classes: int,
        ignore_index: int = IGNORE_INDEX,
        name: str = "mean_iou",
        **kwargs: Any,
    ):
        super().__init__(name=name, **kwargs)
        self.num_classes, self.ignore_index = num_classes, ignore_index
        shape = (num_classes, num_classes)
        self.low = self.add_weight(shape, "zeros", dtype="int32", name="low")
        self.high = self.add_weight(shape, "zeros", dtype="int32", name="high")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Adds a batch. Raises ValueError if a `sample_weight` is given."""
        if sample_weight is not None:
            raise ValueError(
                "MeanIoU does not support sample_weight; mark pixels as void instead"
            )
        low = self.low + self.count(y_true, y_pred)
        self.high.assign(self.high + low // DIGIT)
        self.low.assign(low % DIGIT)

    def count(self, y_true: Any, y_pred: Any) -> Any:
        """The confusion matrix (C, C) int32 of a batch."""
        classes = self.num_classes
        if on_processor():
            return count_cells(y_true, y_pred, classes, self.ignore_index)
        mask = ops.reshape(ops.cast(y_true, "int32"), [-1])
        labels = ops.reshape(ops.cast(ops.argmax(y_pred, axis=-1), "int32"), [-1])
        cell = mask * classes + labels
        # One extra cell counts void and is removed.
        cell = ops.where(ops.equal(mask, self.ignore_index), classes**2, cell)
        counts = ops.segment_sum(ops.ones_like(cell), cell, classes**2 + 1)[:-1]
        return ops.reshape(counts, (classes, classes))

    def result(self) -> Any:
        matrix = ops.cast(self.high, "float32") * DIGIT + ops.cast(self.low, "float32")
        hits = ops.diagonal(matrix)
        union = ops.sum(matrix, 0) + ops.sum(matrix, 1) - hits
        present = ops.cast(union > 0, "float32")
        iou = hits / ops.maximum(union, 1.0)
        return ops.sum(iou * present) / ops.maximum(ops.sum(present), 1.0)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "ignore_index": self.ignore_index,
        }
