"""Weights of an encoder from a file."""

from __future__ import annotations

import warnings
from pathlib import Path

import keras


def with_file(network: keras.Model, encoder: str, weights: str) -> keras.Model:
    """The network with the weights of a file, if one is named."""
    if weights == "imagenet":
        raise ValueError(
            f"the {encoder} encoder has no pretrained weights, got 'imagenet'; use "
            "`--weights none`, or mobilenetv2, vgg16, resnet50 …"
        )
    if weights != "none":
        check_file(weights)
        with warnings.catch_warnings():
            # It warns of every layer before it refuses the file.
            warnings.simplefilter("ignore")
            try:
                network.load_weights(weights)
            except Exception as error:
                raise ValueError(weights_complaint(weights, error, encoder)) from error
    return network


def check_file(weights: str) -> None:
    if not Path(weights).is_file():
        raise ValueError(
            f"`weights` must be imagenet, none or a file, got {weights!r}."
        )


def weights_complaint(weights: str, error: Exception, network: str) -> str:
    reason = str(error).strip().partition("\n")[0].partition(". ")[0]
    if weights == "imagenet":
        return (
            f"ImageNet weights of {network} are not to be had ({reason}); without a "
            "network put the file into $KERAS_HOME/models or give `--weights FILE`."
        )
    return f"{weights}: these weights do not fit {network} ({reason})."
