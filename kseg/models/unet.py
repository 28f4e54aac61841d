"""U-Net in its everyday form: any encoder with taps, same padding, batch norm.

Ronneberger, Fischer and Brox, "U-Net: Convolutional Networks for Biomedical Image
Segmentation" (MICCAI 2015); here borders are padded and enlargement is bilinear.
"""

from __future__ import annotations

from typing import Any, Callable

from keras import layers

from kseg.models.layers import Enlarge, conv_bn_relu, to_logits

MAX_WIDTH = 128  # of the decoder; pretrained taps are wider than it needs


def unet(image: Any, num_classes: int, encode: Callable[..., dict[int, Any]]) -> Any:
    """image (B, H, W, C) -> logits (B, H, W, num_classes).

    From the deepest tap up: enlarge, join the tap of that stride, two convolutions.
    Where the encoder's finest tap is coarser than the image, the scores are enlarged.
    """
    taps = encode(image)
    strides = sorted(taps, reverse=True)
    x = taps[strides[0]]
    for stride in strides[1:]:
        skip = taps[stride]
        width = min(skip.shape[-1], MAX_WIDTH, 16 * stride)
        x = Enlarge(2, name=f"up{stride}_resize")(x)
        x = layers.Concatenate(name=f"up{stride}_join")([x, skip])
        x = conv_bn_relu(x, width, name=f"up{stride}_1")  # (H / stride, W / stride)
        x = conv_bn_relu(x, width, name=f"up{stride}_2")
    score = layers.Conv2D(num_classes, 1, name="score")(x)
    return to_logits(score, image, strides[-1])
