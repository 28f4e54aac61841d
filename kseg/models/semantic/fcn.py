"""FCN-32s, 16s and 8s: Long, Shelhamer and Darrell (CVPR 2015).

A classifier's fully connected layers become convolutions and score the image at stride
32; scores of finer taps join them, and transposed convolutions that start as bilinear
ones enlarge the sum. On VGG16 with 21 classes the three have the paper's 136,152,917,
134,815,994 and 134,489,759 parameters.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Callable, Optional

from keras import layers

from kseg.models.encoders.features import Features
from kseg.models.layers.blocks import conv_relu
from kseg.models.layers.heads import to_logits
from kseg.models.layers.upsampling import upsample

Encode = Callable[..., Features]

# Kernel of fc6, and channels of fc6 and fc7, as the classifiers had them. GoogLeNet's
# had no such layers; those of the other encoders are small ones of ours.
CLASSIFIERS = {"vgg16": (7, 4096), "alexnet": (6, 4096), "googlenet": (0, 0)}
OURS = (3, 256)


def fcn(
    image: Any,
    num_classes: int,
    encode: Encode,
    finest: int,
    upsampling: str = "transposed",
    fc_width: Optional[int] = None,
) -> Any:
    """image (B, H, W, C) -> logits (B, H, W, num_classes).

    Scores of stride 32 and of every finer one down to `finest` are summed. Those of the
    finer taps start at zero, so a finer net starts as the coarser.
    """
    features = encode(image, deepest=32)
    x = classifier(features, fc_width)
    score = layers.Conv2D(num_classes, 1, name="score32")(x)  # (H / 32, W / 32)
    stride = 32
    while stride > finest:
        stride //= 2
        score = upsample(score, 2, upsampling, f"up{stride}")
        skip = layers.Conv2D(
            num_classes, 1, kernel_initializer="zeros", name=f"score{stride}"
        )(features.pooled(stride))
        score = layers.Add(name=f"join{stride}")([score, skip])
    return to_logits(score, image, stride, upsampling)


def classifier(features: Features, fc_width: Optional[int]) -> Any:
    """The coarsest features through fc6 and fc7, made convolutions, with dropout."""
    x = features.tap(32)
    kernel, width = CLASSIFIERS.get(features.encoder, OURS)
    if not kernel:
        if fc_width:
            raise ValueError(f"{features.encoder} has no fc6 for `fc_width` to set")
        return layers.Dropout(0.4, name="dropout")(x)
    for name, size in (("fc6", kernel), ("fc7", 1)):
        norm = features.normalized
        x = conv_relu(x, fc_width or width, size, name=name, batch_norm=norm)
        x = layers.Dropout(0.5, name=f"{name}_dropout")(x)
    return x


fcn32s = partial(fcn, finest=32)
fcn16s = partial(fcn, finest=16)
fcn8s = partial(fcn, finest=8)
