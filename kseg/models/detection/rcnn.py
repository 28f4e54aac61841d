"""R-CNN: a pass of a classifier for each proposed box.

Girshick, Donahue, Darrell and Malik, "Rich feature hierarchies for accurate object
detection and semantic segmentation" (CVPR 2014).
"""

from __future__ import annotations

from math import prod
from typing import Any, Callable, Optional

from keras import layers

from kseg.models.detection.fast_rcnn import (
    FC_WIDTH,
    FC_WIDTHS,
    dense_layers,
    scored,
)
from kseg.models.encoders.features import Features

CROP = 32  # side of a warped box, in pixels
STRIDE = 16  # of the last convolution; its features are pooled once more
FEATURES, POOLED = "fc7_dropout", "pooled_rows"  # layers whose outputs are features


def input_size(crop: int = CROP, **_: Any) -> tuple[int, int]:
    """The only input size (height, width), that of the warped boxes."""
    return crop, crop


def rcnn(
    image: Any,
    num_classes: int,
    encode: Callable[..., Features],
    crop: int = CROP,
    fc_width: Optional[int] = None,
) -> dict[str, Any]:
    """Warped boxes (B, crop, crop, C) -> the outputs by role, float32.

    `scores` (B, num_classes + 1) are the logits that the network is fine-tuned with,
    the background first. `margins` (B, num_classes) are linear classifiers of the last
    features, and `boxes` (B, 4 * (num_classes + 1)) the moves of each class, a linear
    function of the pooled features of convolutions. The last two are not trained by
    gradients: see kseg.training.detection.rcnn. Raises ValueError for a crop that is
    too small for the encoder.
    """
    found = encode(image, deepest=STRIDE)
    if crop <= STRIDE:
        raise ValueError(f"`crop` must be over {STRIDE} pixels, got {crop}.")
    x = found.tap(STRIDE)
    if x.shape[1] >= 4:  # the last pooling of VGG16 and AlexNet
        x = layers.MaxPooling2D(2, name="pooled")(x)
    pooled = layers.Reshape((prod(x.shape[1:]),), name=POOLED)(x)
    x = dense_layers(pooled, fc_width or FC_WIDTHS.get(found.encoder, FC_WIDTH))
    return {
        "scores": scored(x, num_classes + 1, 0.01, "score", "scores"),
        "margins": linear(x, num_classes, "score_margin", "margins"),
        "boxes": linear(pooled, 4 * (num_classes + 1), "score_box", "boxes"),
    }


def linear(x: Any, channels: int, layer: str, role: str) -> Any:
    """A dense layer of zeros that gradients do not change: (B, channels) float32."""
    fixed = layers.Dense(
        channels, kernel_initializer="zeros", trainable=False, name=layer
    )
    return layers.Activation("linear", dtype="float32", name=role)(fixed(x))
