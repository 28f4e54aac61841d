"""FCN-32s, 16s and 8s: Long, Shelhamer and Darrell (CVPR 2015).

Scores at stride 32, joined by those of finer taps, enlarged by transposed convolutions
that start as bilinear ones.
"""

from __future__ import annotations

from typing import Any, Callable

from keras import layers

from kseg.models.layers import conv_bn_relu, to_logits, transposed

Encode = Callable[..., dict[int, Any]]


def fcn(
    image: Any, num_classes: int, encode: Encode, finest: int, fc_width: int = 256
) -> Any:
    """image (B, H, W, C) -> logits (B, H, W, num_classes), scores joined to `finest`.

    The scores of the finer taps start at zero, so a finer net starts as the coarser.
    """
    taps = encode(image, deepest=32)
    x = conv_bn_relu(taps[32], fc_width, name="fc6")
    x = layers.Dropout(0.5, name="fc6_dropout")(x)
    x = conv_bn_relu(x, fc_width, kernel=1, name="fc7")
    x = layers.Dropout(0.5, name="fc7_dropout")(x)
    score = layers.Conv2D(num_classes, 1, name="score32")(x)  # (H / 32, W / 32)
    stride = 32
    while stride > finest:
        stride //= 2
        score = transposed(score, 2, name=f"up{stride}")
        skip = layers.Conv2D(
            num_classes, 1, kernel_initializer="zeros", name=f"score{stride}"
        )(taps[stride])
        score = layers.Add(name=f"join{stride}")([score, skip])
    return to_logits(transposed(score, stride, name="up1"), image, 1)


def fcn32s(image: Any, num_classes: int, encode: Encode) -> Any:
    """Scores at stride 32 alone."""
    return fcn(image, num_classes, encode, finest=32)


def fcn16s(image: Any, num_classes: int, encode: Encode) -> Any:
    """Scores of strides 32 and 16."""
    return fcn(image, num_classes, encode, finest=16)


def fcn8s(image: Any, num_classes: int, encode: Encode) -> Any:
    """Scores of strides 32, 16 and 8."""
    return fcn(image, num_classes, encode, finest=8)
