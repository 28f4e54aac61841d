"""Batch norm in one operation, and copies of networks: with it, or in float32."""

from __future__ import annotations

import re
from typing import Any, Collection

import keras
from keras import layers, ops

from kseg.models.layers.fused import normalize_batch

FUSED = ("float32", "bfloat16", "float16")  # what fused batch norm takes
ENCODER = "encoder_"  # how the names of an encoder's layers begin


@keras.saving.register_keras_serializable("kseg")
class BatchNorm(layers.BatchNormalization):
    """Keras's own over the last axis, in one operation while TensorFlow trains it.

    Weights, configuration and inference are those of the parent class. Under a
    `tf.distribute` strategy each replica normalizes its own images, and the running
    statistics move by the mean of theirs: Keras would let each replica's drift apart.
    """

    def add_weight(self, *args: Any, trainable: bool = True, **options: Any) -> Any:
        if not trainable:
            options["aggregation"] = "mean"
        return super().add_weight(*args, trainable=trainable, **options)

    def call(self, x: Any, training: Any = None, mask: Any = None) -> Any:
        fused = keras.backend.backend() == "tensorflow" and x.dtype in FUSED
        if not (training and self.trainable and fused):
            return super().call(x, training=training, mask=mask)
        gamma = self.gamma if self.scale else ops.ones_like(self.moving_mean)
        beta = self.beta if self.center else ops.zeros_like(self.moving_mean)
        y, mean, variance = normalize_batch(x, gamma, beta, self.epsilon)
        for moving, value in (
            (self.moving_mean, mean),
            (self.moving_variance, variance),
        ):
            moving.assign(moving * self.momentum + value * (1 - self.momentum))
        return y


def with_batch_norm(
    model: keras.Model, momentum: float, encoder: Collection[str] = ()
) -> keras.Model:
    """The same network and weights, its batch norms made `BatchNorm` of `momentum`.

    The names of the layers in `encoder` get ENCODER in front. Those that Keras made up
    for them, whose counter runs over all models of a process, are counted anew.
    """
    counts: dict[str, int] = {}

    def name_of(layer: layers.Layer) -> str:
        if layer.name not in encoder:
            return layer.name
        kind = re.sub("(?<=[a-z0-9])(?=[A-Z])", "_", type(layer).__name__).lower()
        if not re.fullmatch(rf"{kind}(_\d+)?", layer.name):
            return ENCODER + layer.name
        counts[kind] = counts.get(kind, 0) + 1
        return f"{ENCODER}{kind}_{counts[kind]}"

    def clone(layer: layers.Layer) -> layers.Layer:
        config = {**layer.get_config(), "name": name_of(layer)}
        if not isinstance(layer, layers.BatchNormalization):
            return layer.__class__.from_config(config)
        return BatchNorm.from_config({**config, "momentum": momentum})

    copy = keras.models.clone_model(model, clone_function=clone)
    copy.set_weights(model.get_weights())
    return copy


def as_float32(model: keras.Model) -> keras.Model:
    """The same network in float32 with weights of its own, whatever it was trained in.

    Its outputs have the same structure. Loss and optimizer are not taken along.
    """

    def clone(layer: layers.Layer) -> layers.Layer:
        return layer.__class__.from_config({**layer.get_config(), "dtype": "float32"})

    copy = keras.models.clone_model(model, clone_function=clone)
    copy.set_weights(model.get_weights())
    # A clone of a compiled model is compiled.
    return keras.Model(copy.inputs, copy.output, name=model.name)
