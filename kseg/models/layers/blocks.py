"""Blocks of convolution, batch normalization and ReLU."""

from __future__ import annotations

from typing import Any

from keras import layers

from kseg.models.layers.norm import BatchNorm


def conv_relu(
    x: Any,
    width: int,
    kernel: int = 3,
    strides: int = 1,
    padding: str = "same",
    name: str = "conv",
    batch_norm: bool = False,
) -> Any:
    """Convolution, optional batch normalization instead of the bias, and ReLU."""
    x = layers.Conv2D(
        width,
        kernel,
        strides,
        padding,
        use_bias=not batch_norm,
        kernel_initializer="he_normal",
        name=f"{name}_conv",
    )(x)
    if batch_norm:
        x = BatchNorm(name=f"{name}_bn")(x)
    return layers.ReLU(name=f"{name}_relu")(x)


def conv_bn_relu(
    x: Any, width: int, kernel: int = 3, name: str = "conv", **options: Any
) -> Any:
    """Convolution without bias, batch normalization, ReLU; by default of equal size."""
    return conv_relu(x, width, kernel, name=name, batch_norm=True, **options)


def separable(x: Any, width: int, name: str) -> Any:
    """A 3x3 convolution of each channel, a 1x1 convolution of all, batch norm, ReLU.

    Chollet, "Xception" (CVPR 2017), without an activation between the two.
    """
    x = layers.DepthwiseConv2D(
        3,
        padding="same",
        use_bias=False,
        depthwise_initializer="he_normal",
        name=f"{name}_depthwise",
    )(x)
    return conv_bn_relu(x, width, kernel=1, name=name)
