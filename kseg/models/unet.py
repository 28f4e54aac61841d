"""U-Net in its everyday form: any encoder with taps, same padding, batch norm.

Ronneberger, Fischer and Brox, "U-Net: Convolutional Networks for Biomedical Image
Segmentation" (MICCAI 2015); here borders are padded and enlargement is bilinear.
"""

from __future__ import annotations

from typing import Any, Callable

from keras import layers

from kseg.models.layers import Enlarge, conv_bn_relu, to_logits

LIGHT = 96  # the widest stage of the decoder of an encoder that was made to classify


def unet(image: Any, num_classes: int, encode: Callable[..., dict[int, Any]]) -> Any:
    """image (B, H, W, C) -> logits (B, H, W, num_classes).

    From the deepest tap up: enlarge, join that stride's tap, convolve. An encoder with
    a tap at the image's own size is mirrored, as in the paper. One made to classify has
    none, and its taps are far wider than a decoder needs: 1x1 convolutions narrow them,
    one 3x3 a stage is enough, and the scores are enlarged at the end.
    """
    taps = encode(image)
    mirrored = 1 in taps
    deepest, *strides = sorted(taps, reverse=True)
    x = taps[deepest]
    if not mirrored:
        x = conv_bn_relu(x, LIGHT, kernel=1, name="neck")
    for stride in strides:
        skip = taps[stride]
        width = skip.shape[-1] if mirrored else min(LIGHT, 16 * stride)
        if not mirrored:
            skip = conv_bn_relu(skip, width // 2, kernel=1, name=f"skip{stride}")
        x = Enlarge(2, name=f"up{stride}_resize")(x)
        x = layers.Concatenate(name=f"up{stride}_join")([x, skip])
        for turn in (1, 2) if mirrored else (1,):
            x = conv_bn_relu(x, width, name=f"up{stride}_{turn}")
    score = layers.Conv2D(num_classes, 1, name="score")(x)  # (H / stride, W / stride)
    return to_logits(score, image, stride)
