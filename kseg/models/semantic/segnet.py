"""SegNet: Badrinarayanan, Kendall and Cipolla (PAMI 2017)."""

from __future__ import annotations

from typing import Any, Callable

from keras import layers

from kseg.models.encoders.features import Features
from kseg.models.layers.blocks import conv_bn_relu
from kseg.models.layers.heads import to_logits
from kseg.models.layers.upsampling import upsample

CONVOLUTIONS = 3  # a stage at most: VGG16's


def segnet(
    image: Any,
    num_classes: int,
    encode: Callable[..., Features],
    upsampling: str = "unpool",
) -> Any:
    """image (B, H, W, C) -> logits (B, H, W, num_classes).

    The encoder mirrored, and nothing handed over but the positions of its maxima: each
    stage puts its features where they were and convolves as often as the encoder did;
    the last convolution narrows to the next stage. The paper's encoder is vgg16, with
    batch norm, which keras.applications' has not: here the decoder alone has it. With
    another `upsampling` not even the positions are kept, as in the paper's comparison.
    """
    features = encode(image)
    deepest, *strides = sorted(features.taps, reverse=True)
    x = features.tap(deepest)
    for stride, finer in zip(strides, [*strides[1:], None], strict=True):
        pool = features.pool_for(upsampling, stride)
        x = upsample(x, 2, upsampling, f"up{stride}_enlarge", pool)
        count = min(CONVOLUTIONS, features.depths[stride])
        width = features.tap(stride).shape[-1]
        for turn in range(1, count + 1):
            if turn == count and finer:
                width = features.tap(finer).shape[-1]
            x = conv_bn_relu(x, width, name=f"up{stride}_{turn}")
    score = layers.Conv2D(num_classes, 1, name="score")(x)  # (H / stride, W / stride)
    return to_logits(score, image, stride, upsampling)
