"""The baseline `dense`: a stack of convolutions at full resolution."""

from __future__ import annotations

from typing import Any

from keras import layers

from kseg.models.layers.blocks import conv_bn_relu
from kseg.models.layers.heads import prepare_input, to_logits

LAYERS = 8


def dense(image: Any, num_classes: int, width: int = 16) -> Any:
    """image (B, H, W, C) -> logits (B, H, W, num_classes).

    Eight 3x3 convolutions of 4 * `width` channels. At equal width, all other networks
    are faster and have a larger receptive field than its 17x17 pixels.
    """
    x = prepare_input(image, 1)
    for index in range(1, LAYERS + 1):
        x = conv_bn_relu(x, 4 * width, name=f"stack{index}")
    score = layers.Conv2D(num_classes, 1, name="score")(x)
    return to_logits(score, image, 1, "nearest")
