"""Encoders of keras.applications."""

from __future__ import annotations

import sys
import warnings
from contextlib import redirect_stdout
from typing import Any

import keras
from keras import layers

from kseg.models.encoders.output_stride import with_output_stride
from kseg.models.encoders.weights import check_file, weights_error
from kseg.models.layers.heads import prepare_input

# Preprocessing of Caffe's weights: subtract each channel's mean over ImageNet.
CAFFE = {"scale": 1.0, "offset": (-123.68, -116.779, -103.939)}
# Preprocessing of PyTorch's weights: also divide by the standard deviation.
TORCH = {
    "scale": (1 / (255 * 0.229), 1 / (255 * 0.224), 1 / (255 * 0.225)),
    "offset": (-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225),
}


def vgg16(image: Any, weights: str = "none", deepest: int = 32) -> keras.Model:
    """VGG16 (Simonyan and Zisserman, 2015): 13 convolutions, five 2x2 poolings."""
    x = prepare_input(as_rgb(image), 32, **CAFFE)
    return from_bgr(load_application(keras.applications.VGG16, x, weights), weights)


def resnet50(
    image: Any, weights: str = "none", deepest: int = 32, output_stride: int = 32
) -> keras.Model:
    """ResNet50 (He et al., 2016), version 1."""
    x = prepare_input(as_rgb(image), output_stride, **CAFFE)
    network = load_application(keras.applications.ResNet50, x, weights)
    return with_output_stride(from_bgr(network, weights), output_stride)


def mobilenetv2(
    image: Any,
    weights: str = "none",
    alpha: float = 1.0,
    deepest: int = 32,
    output_stride: int = 32,
) -> keras.Model:
    """MobileNetV2 (Sandler et al., 2018), any width multiplier `alpha`."""
    x = prepare_input(as_rgb(image), output_stride)
    build = keras.applications.MobileNetV2
    network = load_application(build, x, weights, alpha=alpha)
    return with_output_stride(network, output_stride)


def mobilenetv3(
    image: Any,
    weights: str = "none",
    alpha: float = 1.0,
    deepest: int = 32,
    output_stride: int = 32,
) -> keras.Model:
    """MobileNetV3-Large (Howard et al., 2019): squeeze-and-excite, hard swish."""
    options = {"alpha": alpha, "include_preprocessing": False}
    x = prepare_input(as_rgb(image), output_stride)
    build = keras.applications.MobileNetV3Large
    network = load_application(build, x, weights, **options)
    return with_output_stride(network, output_stride)


def efficientnetv2b0(
    image: Any, weights: str = "none", deepest: int = 32, output_stride: int = 32
) -> keras.Model:
    """EfficientNetV2-B0 (Tan and Le, 2021)."""
    x = prepare_input(as_rgb(image), output_stride, **TORCH)
    build = keras.applications.EfficientNetV2B0
    network = load_application(build, x, weights, include_preprocessing=False)
    return with_output_stride(network, output_stride)


def as_rgb(image: Any) -> Any:
    """Repeats a grey image in the three channels that pretrained weights need."""
    if image.shape[-1] == 3:
        return image
    return layers.Concatenate(name="grey_to_rgb")([image] * 3)


def from_bgr(network: keras.Model, weights: str) -> keras.Model:
    """Reverses the first kernel of pretrained weights that expect BGR images."""
    if weights != "none":
        first = next(x for x in network.layers if isinstance(x, layers.Conv2D))
        kernel, *rest = first.get_weights()
        first.set_weights([kernel[:, :, ::-1], *rest])
    return network


def load_application(build: Any, x: Any, weights: str, **options: Any) -> keras.Model:
    """A network of `keras.applications` on the tensor `x`, without its classifier."""
    if weights not in ("none", "imagenet"):
        check_file(weights)
    if options.get("alpha", 1) <= 0:
        raise ValueError(f"`alpha` must be above 0, got {options['alpha']}.")
    # Keras reports downloads on stdout, which is for results.
    with warnings.catch_warnings(), redirect_stdout(sys.stderr):
        # Keras warns that weights for 224x224 are used at another size.
        warnings.simplefilter("ignore")
        try:
            return build(
                input_tensor=x,
                include_top=False,
                weights=None if weights == "none" else weights,
                **options,
            )
        except Exception as error:
            alpha = f" alpha {options['alpha']}" if "alpha" in options else ""
            known = build.__name__ + alpha
            raise ValueError(weights_error(weights, error, known)) from error
