"""SegNet: Badrinarayanan, Kendall and Cipolla (PAMI 2017)."""

from __future__ import annotations

from typing import Any, Callable

from keras import layers

from kseg.models.encoders.features import Features
from kseg.models.layers.blocks import conv_bn_relu
from kseg.models.layers.heads import to_logits
from kseg.models.layers.upsampling import upsample

CONVOLUTIONS = 3  # the maximum per stage, as in VGG16


def segnet(
    image: Any,
    num_classes: int,
    encode: Callable[..., Features],
    upsampling: str = "unpool",
) -> Any:
    """image (B, H, W, C) -> logits (B, H, W, num_classes).

    The decoder mirrors the encoder and gets only the positions of the maxima of its
    poolings: each stage unpools its features to these positions and has as many
    convolutions as the encoder's; the last one reduces the channels to the next stage.
    The paper's encoder is VGG16 with batch normalization; that of keras.applications
    has none, so only the decoder has it here. Any other `upsampling` does not use the
    positions, as in the variants that the paper compares.
    """
    features = encode(image)
    deepest, *strides = sorted(features.taps, reverse=True)
    x = features.tap(deepest)
    for stride, finer in zip(strides, [*strides[1:], None], strict=True):
        pool = features.pool_for(upsampling, stride)
        x = upsample(x, 2, upsampling, f"up{stride}_enlarge", pool)
        count = min(CONVOLUTIONS, features.depths[stride])
        width = features.tap(stride).shape[-1]
        for number in range(1, count + 1):
            if number == count and finer:
                width = features.tap(finer).shape[-1]
            x = conv_bn_relu(x, width, name=f"up{stride}_{number}")
    score = layers.Conv2D(num_classes, 1, name="score")(x)  # (H / stride, W / stride)
    return to_logits(score, image, stride, upsampling)
