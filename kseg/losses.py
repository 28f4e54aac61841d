"""Losses over masks of class ids, blind to void. Keras alone: any backend."""

from __future__ import annotations

from typing import Any, Optional

import keras
from keras import ops

IGNORE_INDEX = 255


def cross_entropy(
    mask: Any,
    logits: Any,
    ignore_index: int = IGNORE_INDEX,
    weight: Optional[Any] = None,
) -> Any:
    """Mean negative log-likelihood of the true class over the pixels that are not void.

    mask (B, H, W) integers, logits (B, H, W, C) -> scalar float32; 0 where all is void.
    The mean is over the valid pixels of the batch, so padding does not dilute it.

    `weight` (B, H, W) multiplies each pixel's term. The sum is still divided by how
    many pixels are valid, not by their weights: the energy of the U-Net paper
    (Ronneberger et al. 2015, equation 1) is the plain sum of w(x) log p(x), in which a
    border that weighs more takes nothing away from other pixels. Raises ValueError for
    a weight of another rank than the mask's, which would be spread over it unasked.
    """
    mask = ops.cast(mask, "int32")
    valid = ops.not_equal(mask, ignore_index)
    label = ops.where(valid, mask, 0)
    loss = ops.sparse_categorical_crossentropy(
        label, ops.cast(logits, "float32"), from_logits=True
    )
    if weight is not None:
        if len(weight.shape) != len(mask.shape):
            raise ValueError(
                f"`weight` needs the shape of the mask, {tuple(mask.shape)}, "
                f"got {tuple(weight.shape)}."
            )
        loss = loss * ops.cast(weight, "float32")
    counted = ops.cast(valid, "float32")
    return ops.sum(loss * counted) / ops.maximum(ops.sum(counted), 1.0)


@keras.saving.register_keras_serializable("kseg")
class CrossEntropy(keras.losses.Loss):
    """`cross_entropy` as an object for `compile`; `sample_weight` is its weight."""

    def __init__(
        self,
        ignore_index: int = IGNORE_INDEX,
        name: str = "cross_entropy",
        **kwargs: Any,
    ):
        super().__init__(name=name, **kwargs)
        self.ignore_index = ignore_index

    def __call__(
        self, y_true: Any, y_pred: Any, sample_weight: Optional[Any] = None
    ) -> Any:
        # Keras would multiply what `call` returns by the weights: a mean by a map.
        with keras.name_scope(self.name):
            return cross_entropy(y_true, y_pred, self.ignore_index, sample_weight)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return cross_entropy(y_true, y_pred, self.ignore_index)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "ignore_index": self.ignore_index}
