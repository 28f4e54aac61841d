"""Losses of all outputs of a network together."""

from __future__ import annotations

from typing import Any


class JointLoss:
    """Base class: `loss(target, outputs)`, both dicts by role, -> a scalar float32.

    `python_code` says that it calls Python in the middle of a step, which XLA of
    TensorFlow cannot compile.
    """

    python_code = False

    def __call__(self, target: dict[str, Any], outputs: dict[str, Any]) -> Any:
        raise NotImplementedError

    def training_outputs(self, model: Any) -> Any:
        """The tensors of `model` that a step of training computes: a dict by role.

        `outputs` of the loss are these. By default they are the network's own. A loss
        that runs the rest of the network on inputs of its own choice keeps that part
        here, as a model of the same layers.
        """
        return model.output
