"""The plain encoder: U-Net's contracting path."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from kseg.models.encoders.weights import with_file
from kseg.models.layers.blocks import conv_bn_relu
from kseg.models.layers.heads import prepare_input
from kseg.models.layers.norm import ENCODER


def plain(
    image: Any, weights: str = "none", width: int = 16, deepest: int = 16
) -> keras.Model:
    """Two 3x3 convolutions per stage, 2x2 max pooling between stages, doubling widths.

    The contracting path of Ronneberger, Fischer and Brox (2015) with same padding and
    batch normalization. `deepest` is the coarsest stride.
    """
    x = prepare_input(image, deepest)
    stride = 1
    while True:
        for number in (1, 2):
            channels = min(width * stride, 16 * width)
            x = conv_bn_relu(x, channels, name=f"{ENCODER}down{stride}_{number}")
        if stride == deepest:
            return with_file(keras.Model(image, x), "plain", weights)
        x = layers.MaxPooling2D(2, name=f"{ENCODER}down{stride}_pool")(x)
        stride *= 2
