"""Loads the weights of an encoder from a file."""

from __future__ import annotations

import warnings
from pathlib import Path

import keras
from keras import layers


def with_file(network: keras.Model, encoder: str, weights: str) -> keras.Model:
    """Returns the network, with weights loaded from a file unless `weights` is "none".

    Raises ValueError for "imagenet" and for a file that is missing or does not fit.
    """
    if weights == "imagenet":
        raise ValueError(
            f"The encoder {encoder} has no pretrained weights, got 'imagenet'; use "
            "`weights` none, or an encoder such as mobilenetv2, vgg16 or resnet50."
        )
    if weights != "none":
        check_file(weights)
        with warnings.catch_warnings():
            # Keras warns about every layer before it raises the error.
            warnings.simplefilter("ignore")
            try:
                load_weights(network, weights)
            except Exception as error:
                raise ValueError(weights_error(weights, error, encoder)) from error
    return network


def load_weights(network: keras.Model, weights: str) -> None:
    """Loads a file whose batch normalizations are `BatchNorm` or, as before, Keras's.

    Files of weights name layers by their classes.
    """
    try:
        network.load_weights(weights)
    except ValueError:
        older = keras.models.clone_model(network, clone_function=with_keras_norm)
        older.load_weights(weights)
        network.set_weights(older.get_weights())


def with_keras_norm(layer: layers.Layer) -> layers.Layer:
    normalizes = isinstance(layer, layers.BatchNormalization)
    made = layers.BatchNormalization if normalizes else layer.__class__
    return made.from_config(layer.get_config())


def check_file(weights: str) -> None:
    if not Path(weights).is_file():
        raise ValueError(
            f"`weights` must be imagenet, none or a file, got {weights!r}."
        )


def weights_error(weights: str, error: Exception, network: str) -> str:
    """The message for weights that cannot be loaded."""
    reason = str(error).strip().partition("\n")[0].partition(". ")[0]
    if weights == "imagenet":
        return (
            f"ImageNet weights of {network} cannot be loaded ({reason}); without "
            "internet access, put the file into ~/.keras/models ($KERAS_HOME/models if "
            "that is set) or give it to `weights` (--weights); `none` does without"
        )
    return f"{weights}: the weights do not fit {network} ({reason})."
