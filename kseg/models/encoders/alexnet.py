"""AlexNet as an encoder."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from kseg.models.encoders.weights import with_file
from kseg.models.layers.blocks import conv_relu
from kseg.models.layers.heads import prepare_input
from kseg.models.layers.norm import ENCODER


def alexnet(image: Any, weights: str = "none", deepest: int = 32) -> keras.Model:
    """AlexNet without its classifier, on one GPU: Krizhevsky, "One weird trick" (2014).

    All layers have same padding, so that strides are exact, unlike in the paper, and
    there is no local response normalization. 2,469,696 parameters.
    """
    x = prepare_input(image, 32)
    x = conv_relu(x, 64, 11, strides=4, name=f"{ENCODER}conv1")
    x = pool3(x, f"{ENCODER}pool1")
    x = conv_relu(x, 192, 5, name=f"{ENCODER}conv2")
    x = pool3(x, f"{ENCODER}pool2")
    for index, channels in enumerate((384, 256, 256), 3):
        x = conv_relu(x, channels, name=f"{ENCODER}conv{index}")
    network = keras.Model(image, pool3(x, f"{ENCODER}pool5"))
    return with_file(network, "alexnet", weights)


def pool3(x: Any, name: str, strides: int = 2) -> Any:
    return layers.MaxPooling2D(3, strides, padding="same", name=name)(x)
