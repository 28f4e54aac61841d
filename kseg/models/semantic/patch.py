"""A patch classifier, and the equivalent fully convolutional network.

Long, Shelhamer and Darrell (CVPR 2015), section 3.1: a fully connected layer over
(h, w, c) features is a convolution with a kernel of (h, w). In one pass, the
convolutional network computes the scores of the classifier for a window that slides
over the image in steps of the stride.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from kseg.models.layers.blocks import conv_bn_relu
from kseg.models.layers.sizes import ValidInput
from kseg.models.layers.upsampling import upsample

WINDOW, STRIDE = 46, 8  # side of a patch and distance between patches, in pixels


def patch_classifier(
    num_classes: int, channels: int = 3, width: int = 16
) -> keras.Model:
    """(B, 46, 46, channels) in [0, 255] -> scores (B, num_classes) of the centre.

    Three valid 3x3 convolutions with 2x2 pooling, then two Dense layers.
    """
    x = image = keras.Input((WINDOW, WINDOW, channels), name="patch")
    x = layers.Rescaling(1 / 127.5, offset=-1, name="rescale")(x)
    for index in range(3):
        name = f"stage{index}"
        x = conv_bn_relu(x, 2 * width << index, padding="valid", name=name)
        x = layers.MaxPooling2D(2, name=f"{name}_pool")(x)
    x = layers.Flatten(name="flatten")(x)  # 4 * 4 * 8 * width
    x = layers.Dense(16 * width, activation="relu", name="fc1")(x)
    x = layers.Dropout(0.5, name="fc1_dropout")(x)
    return keras.Model(image, layers.Dense(num_classes, name="score")(x), name="patch")


def convolutionalized(classifier: keras.Model, image: Any) -> Any:
    """Applies a sequential classifier to `image` (B, H, W, C) as convolutions.

    The result has (side - window) / stride + 1 scores along each side. Flatten is
    removed, the Dense layer after it becomes a convolution of the flattened size, later
    ones become 1x1 convolutions, and other layers are copied. The weights are the same.
    """
    x, kernel = image, (1, 1)
    for layer in classifier.layers[1:]:
        if isinstance(layer, layers.Flatten):
            kernel = layer.input.shape[1:3]
            continue
        dense = isinstance(layer, layers.Dense)
        copy = as_convolution(layer, kernel) if dense else copy_of(layer)
        x = copy(x)
        shapes = [weight.shape for weight in copy.weights]
        weights = zip(layer.get_weights(), shapes, strict=True)
        copy.set_weights([weight.reshape(shape) for weight, shape in weights])
        kernel = (1, 1) if dense else kernel
    return x


def as_convolution(dense: layers.Dense, kernel: tuple[int, int]) -> layers.Conv2D:
    return layers.Conv2D(
        dense.units, kernel, activation=dense.activation, name=dense.name
    )


def copy_of(layer: layers.Layer) -> layers.Layer:
    return layer.__class__.from_config(layer.get_config())


def patch(
    image: Any, num_classes: int, width: int = 16, upsampling: str = "nearest"
) -> Any:
    """image (B, H, W, C) -> logits (B, H - 38, W - 38, num_classes).

    H and W are 46 + 8 k; each 8x8 square gets the scores of the patch around it. With
    an `upsampling` that interpolates between squares, the output loses one more square
    on each side: H and W are 62 + 8 k, and the output is H - 54, W - 54.
    """
    around = 0 if upsampling == "nearest" else STRIDE
    border = (WINDOW - STRIDE) // 2 + around
    x = ValidInput(WINDOW + 2 * around, STRIDE, border, name="valid")(image)
    classifier = patch_classifier(num_classes, image.shape[-1], width)
    score = convolutionalized(classifier, x)
    x = upsample(score, STRIDE, upsampling, "score_up")
    return layers.Cropping2D(around, dtype="float32", name="logits")(x)
