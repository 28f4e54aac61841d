"""One object for each image: its class and its box, from pooled features."""

from __future__ import annotations

from typing import Any, Callable

from keras import layers

from kseg.models.encoders.features import Features

STRIDE = 32  # of the features that are pooled
WIDTH = 256  # of the dense layer


def localize(
    image: Any, num_classes: int, encode: Callable[..., Features]
) -> dict[str, Any]:
    """image (B, H, W, C) -> the outputs by role, float32, one row for each image.

    `scores` (B, 1, num_classes) are probabilities, `boxes` (B, 1, 4) are cy, cx, h, w
    in shares of the padded image. `logits` (B, 1, num_classes) are those of the scores,
    for the loss.
    """
    x = encode(image, deepest=STRIDE).tap(STRIDE)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    x = layers.Dense(WIDTH, "relu", kernel_initializer="he_normal", name="fc")(x)
    x = layers.Reshape((1, WIDTH), name="row")(x)
    logits = layers.Dense(num_classes, dtype="float32", name="logits")(x)
    place = layers.Dense(4, name="place")(x)
    return {
        "scores": layers.Softmax(dtype="float32", name="scores")(logits),
        "boxes": layers.Activation("sigmoid", dtype="float32", name="boxes")(place),
        "logits": logits,
    }
