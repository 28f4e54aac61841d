"""A training step for fine-tuning a tf_keras network."""

from __future__ import annotations

from typing import Any, Callable, Optional

import tensorflow as tf


def training_step(model: Any, loss: Any, optimizer: Any) -> Callable[..., Any]:
    """A function that takes a batch of the training and returns the loss.

    A batch has images, targets and perhaps weights; the target and the outputs of a
    JointLoss are dicts by role.
    """

    @tf.function
    def step(image: Any, target: Any, weight: Optional[Any] = None) -> Any:
        weights = () if weight is None else (weight,)
        with tf.GradientTape() as tape:
            value = loss(target, model(image, training=True), *weights)
        variables = model.trainable_variables
        pairs = zip(tape.gradient(value, variables), variables, strict=True)
        # A clustered kernel is computed from other variables and has no gradient.
        optimizer.apply_gradients((g, v) for g, v in pairs if g is not None)
        return value

    return step
