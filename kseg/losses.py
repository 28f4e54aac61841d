"""Losses over masks of class ids, blind to void. Keras alone: any backend."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

IGNORE_INDEX = 255


def cross_entropy(mask: Any, logits: Any, ignore_index: int = IGNORE_INDEX) -> Any:
    """Mean negative log-likelihood of the true class over the pixels that are not void.

    mask (B, H, W) integers, logits (B, H, W, C) -> scalar float32; 0 where all is void.
    The mean is over the valid pixels of the batch, so padding does not dilute it.
    """
    mask = ops.cast(mask, "int32")
    valid = ops.not_equal(mask, ignore_index)
    label = ops.where(valid, mask, 0)
    loss = ops.sparse_categorical_crossentropy(
        label, ops.cast(logits, "float32"), from_logits=True
    )
    weight = ops.cast(valid, "float32")
    return ops.sum(loss * weight) / ops.maximum(ops.sum(weight), 1.0)


@keras.saving.register_keras_serializable("kseg")
class CrossEntropy(keras.losses.Loss):
    """`cross_entropy` as an object for `compile`."""

    def __init__(
        self,
        ignore_index: int = IGNORE_INDEX,
        name: str = "cross_entropy",
        **kwargs: Any,
    ):
        super().__init__(name=name, **kwargs)
        self.ignore_index = ignore_index

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return cross_entropy(y_true, y_pred, self.ignore_index)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "ignore_index": self.ignore_index}
