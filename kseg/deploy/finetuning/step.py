"""One step of fine-tuning a network of tf_keras."""

from __future__ import annotations

from typing import Any, Callable, Optional

import tensorflow as tf


def training_step(model: Any, loss: Any, optimizer: Any) -> Callable[..., Any]:
    """A function of a batch of `BatchLoader.training` -> the loss before its step."""

    @tf.function
    def step(image: Any, mask: Any, weight: Optional[Any] = None) -> Any:
        with tf.GradientTape() as tape:
            value = loss(mask, model(image, training=True), weight)
        variables = model.trainable_variables
        pairs = zip(tape.gradient(value, variables), variables, strict=True)
        # A clustered kernel is made of others and has no gradient of its own.
        optimizer.apply_gradients((g, v) for g, v in pairs if g is not None)
        return value

    return step
