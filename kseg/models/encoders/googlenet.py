"""GoogLeNet as an encoder."""

from __future__ import annotations

from typing import Any, Sequence

import keras
from keras import layers

from kseg.models.encoders.alexnet import pool3
from kseg.models.encoders.weights import with_file
from kseg.models.layers.blocks import conv_bn_relu
from kseg.models.layers.heads import prepare_input
from kseg.models.layers.norm import ENCODER

# Szegedy et al. (2015), table 1: channels of 1x1, 3x3 reduction, 3x3, 5x5 reduction,
# 5x5 and pooling projection; None is a pooling that halves the resolution.
INCEPTIONS = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "pool3": None,
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "pool4": None,
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}


def googlenet(image: Any, weights: str = "none", deepest: int = 32) -> keras.Model:
    """GoogLeNet: Szegedy et al., "Going Deeper with Convolutions" (CVPR 2015).

    Batch normalization (Ioffe and Szegedy, 2015) replaces the biases, the local
    response normalization and the auxiliary classifiers; without any of these, the
    network hardly learns.
    """
    x = prepare_input(image, 32)
    x = conv_bn_relu(x, 64, 7, strides=2, name=f"{ENCODER}conv1")
    x = pool3(x, f"{ENCODER}pool1")
    x = conv_bn_relu(x, 64, 1, name=f"{ENCODER}conv2_reduce")
    x = conv_bn_relu(x, 192, name=f"{ENCODER}conv2")
    x = pool3(x, f"{ENCODER}pool2")
    for name, widths in INCEPTIONS.items():
        name = ENCODER + name
        x = inception(x, widths, name) if widths else pool3(x, name)
    return with_file(keras.Model(image, x), "googlenet", weights)


def inception(x: Any, widths: Sequence[int], name: str) -> Any:
    """Four parallel branches, 1x1, 3x3, 5x5 and pooling, concatenated."""
    one, reduce3, three, reduce5, five, pool = widths
    branch3 = conv_bn_relu(x, reduce3, 1, name=f"{name}_3x3_reduce")
    branch5 = conv_bn_relu(x, reduce5, 1, name=f"{name}_5x5_reduce")
    branches = [
        conv_bn_relu(x, one, 1, name=f"{name}_1x1"),
        conv_bn_relu(branch3, three, 3, name=f"{name}_3x3"),
        conv_bn_relu(branch5, five, 5, name=f"{name}_5x5"),
        conv_bn_relu(pool3(x, f"{name}_pool", 1), pool, 1, name=f"{name}_pool_proj"),
    ]
    return layers.Concatenate(name=f"{name}_join")(branches)
