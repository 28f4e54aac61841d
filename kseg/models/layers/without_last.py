"""Leaves out the class of no object."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers


@keras.saving.register_keras_serializable("kseg")
class WithoutLast(layers.Layer):
    """(..., C + 1) -> (..., C), without the last channel."""

    def call(self, x: Any) -> Any:
        return x[..., :-1]

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return (*input_shape[:-1], input_shape[-1] - 1)
