"""Loads the weights of an encoder from a file."""

from __future__ import annotations

import warnings
from pathlib import Path

import keras


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
                network.load_weights(weights)
            except Exception as error:
                raise ValueError(weights_error(weights, error, encoder)) from error
    return network


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
            "that is set), or set `weights` to none or a file."
        )
    return f"{weights}: the weights do not fit {network} ({reason})."
