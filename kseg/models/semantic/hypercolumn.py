"""Hypercolumns: Hariharan, Arbelaez, Girshick and Malik (CVPR 2015)."""

from __future__ import annotations

from typing import Any, Callable

from keras import layers

from kseg.models.encoders.features import Features
from kseg.models.layers.blocks import conv_bn_relu
from kseg.models.layers.heads import to_logits
from kseg.models.layers.upsampling import upsample

WIDTH = 32  # channels that each depth adds to the column


def hypercolumn(
    image: Any,
    num_classes: int,
    encode: Callable[..., Features],
    upsampling: str = "bilinear",
) -> Any:
    """image (B, H, W, C) -> logits (B, H, W, num_classes).

    Activations of every depth are brought to the size of the finest, stacked, and
    classified pixel by pixel with 1x1 convolutions. As in the paper's section 3, each
    depth is narrowed before it is enlarged: both are linear, so their order does not
    matter to what they can express, and the small map is the cheaper one.
    """
    features = encode(image)
    finest, *coarser = sorted(features.taps)
    column = [narrowed(features, finest)]
    for stride in coarser:
        x = narrowed(features, stride)
        column.append(upsample(x, stride // finest, upsampling, f"up{stride}"))
    x = layers.Concatenate(name="column")(column)
    x = conv_bn_relu(x, 2 * WIDTH, kernel=1, name="classify")
    score = layers.Conv2D(num_classes, 1, name="score")(x)
    return to_logits(score, image, finest, upsampling)


def narrowed(features: Features, stride: int) -> Any:
    return layers.Conv2D(WIDTH, 1, name=f"narrow{stride}")(features.tap(stride))
