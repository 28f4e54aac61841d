"""Hypercolumns: Hariharan, Arbelaez, Girshick and Malik (CVPR 2015)."""

from __future__ import annotations

from typing import Any, Callable

from keras import layers

from kseg.models.encoders.features import Features
from kseg.models.layers.blocks import conv_bn_relu
from kseg.models.layers.heads import to_logits
from kseg.models.layers.upsampling import upsample

WIDTH = 32  # channels of each depth in the hypercolumn


def hypercolumn(
    image: Any,
    num_classes: int,
    encode: Callable[..., Features],
    upsampling: str = "bilinear",
) -> Any:
    """image (B, H, W, C) -> logits (B, H, W, num_classes).

    The features of all depths are upsampled to the size of the finest, concatenated and
    classified pixel by pixel with 1x1 convolutions. As in section 3 of the paper, the
    channels of each depth are reduced before upsampling: both operations are linear, so
    the order does not change the result, and the smaller features cost less.
    """
    features = encode(image)
    finest, *coarser = sorted(features.taps)
    column = [reduce_channels(features, finest)]
    for stride in coarser:
        x = reduce_channels(features, stride)
        column.append(upsample(x, stride // finest, upsampling, f"up{stride}"))
    x = layers.Concatenate(name="column")(column)
    x = conv_bn_relu(x, 2 * WIDTH, kernel=1, name="classify")
    score = layers.Conv2D(num_classes, 1, name="score")(x)
    return to_logits(score, image, finest, upsampling)


def reduce_channels(features: Features, stride: int) -> Any:
    return layers.Conv2D(WIDTH, 1, name=f"narrow{stride}")(features.tap(stride))
