"""Encoders: an image in, its features at several strides out.

Each takes (B, H, W, C) in [0, 255] and returns {stride: tensor (B, H/s, W/s, c)}.
`deepest` asks for the coarsest stride; the image is padded to a multiple of it.
"""

from __future__ import annotations

import sys
import warnings
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import keras
from keras import layers

from kseg.models.layers import conv_bn_relu, to_signed

Taps = dict[int, Any]


def plain(
    image: Any, weights: str = "none", width: int = 16, deepest: int = 16, **_: Any
) -> Taps:
    """Two 3x3 convolutions a stage, 2x2 max pooling between, widths doubling.

    The contracting path of Ronneberger, Fischer and Brox (2015) with same padding and
    batch norm. It has no pretrained weights.
    """
    if weights != "none":
        raise ValueError(
            f"The plain encoder has no pretrained weights, got {weights!r}; "
            "use `--weights none` or `--encoder mobilenetv2`."
        )
    x = to_signed(image, deepest)
    taps, stride = {}, 1
    while True:
        for turn in (1, 2):
            channels = min(width * stride, 16 * width)
            x = conv_bn_relu(x, channels, name=f"down{stride}_{turn}")
        taps[stride] = x  # (H / stride, W / stride)
        if stride == deepest:
            return taps
        x = layers.MaxPooling2D(2, name=f"down{stride}_pool")(x)
        stride *= 2


MOBILENETV2_TAPS = {
    2: "block_1_expand_relu",
    4: "block_3_expand_relu",
    8: "block_6_expand_relu",
    16: "block_13_expand_relu",
    32: "out_relu",
}


def mobilenetv2(
    image: Any, weights: str = "none", alpha: float = 1.0, deepest: int = 32, **_: Any
) -> Taps:
    """MobileNetV2 of `keras.applications` (Sandler et al., 2018), strides 2 to 32.

    Its own preprocessing, pixels to [-1, 1], is in the graph. Grey images are repeated
    into three channels where the weights were trained on colour.
    """
    x = to_signed(image, 32)
    if image.shape[-1] == 1 and weights != "none":
        x = layers.Concatenate(name="grey_to_rgb")([x, x, x])
    network = load_application(keras.applications.MobileNetV2, x, weights, alpha=alpha)
    return {
        stride: network.get_layer(name).output
        for stride, name in MOBILENETV2_TAPS.items()
        if stride <= deepest
    }


def load_application(build: Any, x: Any, weights: str, **options: Any) -> keras.Model:
    """A network of `keras.applications` on the tensor `x`, without its classifier."""
    if weights not in ("none", "imagenet") and not Path(weights).is_file():
        raise ValueError(
            f"`weights` must be imagenet, none or a file, got {weights!r}."
        )
    # Keras writes of its downloads to stdout, where our results go.
    with warnings.catch_warnings(), redirect_stdout(sys.stderr):
        # It says that weights for 224x224 are used at our free size: they are meant.
        warnings.simplefilter("ignore")
        try:
            return build(
                input_tensor=x,
                include_top=False,
                weights=None if weights == "none" else weights,
                **options,
            )
        except Exception as error:
            raise ValueError(weights_complaint(weights, error, options)) from error


def weights_complaint(weights: str, error: Exception, options: dict) -> str:
    reason = str(error).strip().partition("\n")[0]
    if weights == "imagenet":
        return (
            f"ImageNet weights {options} are not to be had ({reason}); without a "
            "network put the file into $KERAS_HOME/models or give `--weights FILE`."
        )
    return f"{weights}: these weights do not fit {options} ({reason})."


ENCODERS = {"plain": plain, "mobilenetv2": mobilenetv2}
