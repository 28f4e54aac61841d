"""The optimizer of training. Keras alone: any backend."""

from __future__ import annotations

from typing import Any, Optional

import keras
from keras import ops

from kseg.models.layers import ENCODER


@keras.saving.register_keras_serializable("kseg")
class AdamW(keras.optimizers.AdamW):
    """AdamW (Loshchilov and Hutter, 2019) that makes a share of the encoder's updates.

    `encoder_rate` in (0, 1] scales what a step changes, weight decay included. Scaling
    the gradients would change nothing: Adam divides by their running size.
    """

    def __init__(self, *args: Any, encoder_rate: float = 1.0, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.encoder_rate = encoder_rate

    def apply(self, grads: Any, trainable_variables: Optional[Any] = None) -> None:
        variables = trainable_variables or self._trainable_variables
        slow = [v for v in variables if v.path.startswith(ENCODER)]
        if self.encoder_rate == 1:
            slow = []
        before = [ops.copy(variable) for variable in slow]
        super().apply(grads, trainable_variables)
        for variable, old in zip(slow, before, strict=True):
            variable.assign(old + self.encoder_rate * (variable - old))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "encoder_rate": self.encoder_rate}
