"""Objects in one pass: scores and boxes at each cell, and masks from prototypes.

Masks are weighted sums of prototypes: Bolya et al., "YOLACT" (ICCV 2019). The heads
follow Lin et al., "Focal Loss" (ICCV 2017), the levels Lin et al., FPN (CVPR 2017).
"""

from __future__ import annotations

from math import log
from typing import Any, Callable

import keras
from keras import layers

from kseg.models.encoders.features import Features
from kseg.models.layers.blocks import conv_bn_relu, separable
from kseg.models.layers.upsampling import upsample
from kseg.models.necks.fpn import fpn

STRIDES = (8, 16, 32)
WIDTH = 96  # channels of each level
MASK_WIDTH = 64  # channels before the prototypes
PROTOTYPES = 32
ACTIVATIONS = {"coefficients": "tanh"}  # of outputs that have one
FIRST_SCORE = 0.01  # of every cell before training, so that the many empty cells agree


def instances(
    image: Any,
    num_classes: int,
    encode: Callable[..., Features],
    strides: tuple[int, ...] = STRIDES,
    masks: bool = True,
    upsampling: str = "bilinear",
) -> dict[str, Any]:
    """image (B, H, W, C) -> the outputs by role, float32.

    The A cells are those of all levels: the finest first, row by row. `scores`
    (B, A, num_classes) are logits, without a background; `boxes` (B, A, 4) are encoded
    as kseg.models.boxes.codec describes; `coefficients` (B, A, K) in [-1, 1] and
    `prototypes` (B, h, w, K), not negative, give the logits of masks as their product;
    h and w are those of the image, padded to a multiple of the coarsest stride, over
    half the finest stride. Without `masks` there are neither coefficients nor
    prototypes. Raises ValueError for strides that the encoder does not have.
    """
    features = encode(image, deepest=max(strides))
    taps = {stride: features.tap(stride) for stride in strides}
    levels = fpn(taps, WIDTH, separable, upsampling)
    roles: dict[str, list[Any]] = {"scores": [], "boxes": [], "coefficients": []}
    for stride, x in levels.items():
        scored = tower(x, f"class{stride}")
        bias = keras.initializers.Constant(-log((1 - FIRST_SCORE) / FIRST_SCORE))
        output = predict(scored, num_classes, f"score{stride}", bias_initializer=bias)
        roles["scores"].append(output)
        placed = tower(x, f"place{stride}")
        roles["boxes"].append(predict(placed, 4, f"box{stride}"))
        if masks:
            roles["coefficients"].append(
                predict(placed, PROTOTYPES, f"coefficient{stride}")
            )
    outputs = {
        role: joined(each, role, ACTIVATIONS.get(role, "linear"))
        for role, each in roles.items()
        if each
    }
    if masks:
        outputs["prototypes"] = prototypes(levels, features, min(strides), upsampling)
    return outputs


def tower(x: Any, name: str) -> Any:
    """Two separable convolutions (B, h, w, WIDTH)."""
    for number in (1, 2):
        x = separable(x, WIDTH, f"{name}_{number}")
    return x


def predict(x: Any, channels: int, name: str, **options: Any) -> Any:
    """A 1x1 convolution, as one row for each cell: (B, h * w, channels)."""
    x = layers.Conv2D(channels, 1, name=name, **options)(x)
    return layers.Reshape((-1, channels), name=f"{name}_rows")(x)


def joined(rows: list[Any], role: str, activation: str) -> Any:
    """The rows of all levels, in their order: (B, A, channels) float32.

    The activation is the last operator, so that an int8 file has its fixed scale.
    """
    if len(rows) > 1:
        rows = [layers.Concatenate(axis=1, name=f"{role}_join")(rows)]
    return layers.Activation(activation, dtype="float32", name=role)(rows[0])


def prototypes(
    levels: dict[int, Any], features: Features, stride: int, upsampling: str
) -> Any:
    """(B, h, w, PROTOTYPES) at half the finest `stride`, from the finest level.

    The encoder's features at that stride, where it has them, give the detail.
    """
    x = separable(levels[stride], MASK_WIDTH, "mask1")
    x = upsample(x, 2, upsampling, "mask_enlarge")
    if stride // 2 in features.taps:
        skip = features.tap(stride // 2)
        skip = conv_bn_relu(skip, MASK_WIDTH, kernel=1, name="mask_lateral")
        x = layers.Add(name="mask_sum")([x, skip])
    x = separable(x, MASK_WIDTH, "mask2")
    x = layers.Conv2D(PROTOTYPES, 1, name="prototype")(x)
    return layers.ReLU(dtype="float32", name="prototypes")(x)
