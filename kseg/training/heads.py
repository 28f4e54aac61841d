"""Trains a network with heads that are not part of the saved one."""

from __future__ import annotations

from typing import Any, Optional

from edge.core.errors import InputError
from kseg.core.configs import TrainConfig
from kseg.models.layers.auxiliary_heads import LOGITS
from kseg.training.losses.auxiliary import HeadLosses


def checked_heads(config: TrainConfig) -> tuple[str, ...]:
    """The heads of a configuration. Raises InputError if its network can have none."""
    from kseg.models import MODELS, accepted_options

    given = {"heads": config.training_heads}
    able = [x for x, made in MODELS.items() if accepted_options(made.function, given)]
    if config.training_heads and config.model not in able and config.model in MODELS:
        raise InputError(
            f"--{config.training_heads[0]}: {config.model} has no heads for training; "
            f"use {', '.join(sorted(able, reverse=True))}, or leave the option out"
        )
    return config.training_heads


def with_head_losses(model: Any, config: TrainConfig, loss: Any) -> Any:
    """The network as it is trained: with the losses of its heads, if it has any.

    `model` has the dict of outputs of `kseg.models.layers.auxiliary_heads.with_heads`;
    `loss` is that of its logits. The result computes all outputs in training and else
    the logits. Its graph of layers is the network without heads, and its variables are
    those of this network, followed by those of the heads: optimizer, checkpoints and
    averages treat all alike, and whatever copies the network leaves out the heads.
    """
    if not config.training_heads:
        return model
    import keras

    whole = model
    losses = HeadLosses(
        config.auxiliary, config.boundary, getattr(loss, "class_weights", None)
    )

    class HeadsModel(keras.Model):
        """A functional network with the losses of its heads."""

        def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
            """Returns the logits; in training all outputs by name."""
            if training:
                return whole(inputs, training=True)
            return super().call(inputs, training=training, mask=mask)

        def compute_loss(
            self,
            x: Any = None,
            y: Any = None,
            y_pred: Any = None,
            sample_weight: Optional[Any] = None,
            training: bool = True,
        ) -> Any:
            """Returns the loss of the logits, in training with those of the heads."""
            logits = logits_of(y_pred)
            total = super().compute_loss(x, y, logits, sample_weight, training)
            if logits is y_pred:
                return total
            return total + losses(y, y_pred, loss.pixel_weights(sample_weight))

        def compute_metrics(
            self, x: Any, y: Any, y_pred: Any, sample_weight: Optional[Any] = None
        ) -> Any:
            """Returns the metrics of the logits."""
            return super().compute_metrics(x, y, logits_of(y_pred), sample_weight)

    trained = HeadsModel(model.input, model.output[LOGITS], name=model.name)
    trained.with_heads = whole  # after the layers of the network, so its weights are
    return trained


def logits_of(outputs: Any) -> Any:
    """The logits among the outputs of a network with heads, or `outputs` itself."""
    return outputs[LOGITS] if isinstance(outputs, dict) else outputs


def head_parameters(model: Any) -> int:
    """The number of weights that only training has."""
    if not hasattr(model, "with_heads"):
        return 0
    saved = {layer.name for layer in model.layers}
    heads = (x for x in model.with_heads.layers if x.name not in saved)
    return sum(layer.count_params() for layer in heads)
