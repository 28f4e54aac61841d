"""A training step for fine-tuning a tf_keras network."""

from __future__ import annotations

from typing import Any, Callable, Optional

import tensorflow as tf


def training_step(model: Any, loss: Any, optimizer: Any) -> Callable[..., Any]:
    """A function that takes a batch of `BatchLoader.training` and returns the loss."""

    @tf.function
    def step(image: Any, mask: Any, weight: Optional[Any] = None) -> Any:
        with tf.GradientTape() as tape:
            value = loss(mask, model(image, training=True), weight)
        variables = model.trainable_variables
        pairs = zip(tape.gradient(value, variables), variables, strict=True)
        # A clustered kernel is computed from other variables and has no gradient.
        optimizer.apply_gradients((g, v) for g, v in pairs if g is not None)
        return value

    return step
