"""Encoders: an image in, its features at several strides out.

Each is a function of the image (B, H, W, C) in [0, 255] that returns a network whose
output is the coarsest features. What decoders take from it is read off its layers: the
last features before each halving are that stride's tap.
"""

from __future__ import annotations

import sys
import warnings
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Sequence

import keras
from keras import layers

from kseg.models.layers import conv_bn_relu, conv_relu, prepared

PREPARING = ("image", "grey_to_rgb", "rescale", "pad")  # layers before the encoder's


@dataclass(frozen=True)
class Features:
    """What an encoder offers to decoders.

    `taps`: stride s -> features (B, H / s, W / s, c). `pools`: stride -> what went into
    the 2x2 max pooling there, and what came out. `depths`: stride -> convolutions.
    `normalized` says whether it has batch norm.
    """

    encoder: str
    taps: dict[int, Any]
    pools: dict[int, tuple[Any, Any]]
    depths: dict[int, int]
    normalized: bool

    @property
    def deepest(self) -> int:
        return max(self.taps)

    def tap(self, stride: int) -> Any:
        """The features at `stride`. Raises ValueError where there are none."""
        if stride not in self.taps:
            raise ValueError(
                f"{self.encoder} has no tap at stride {stride}; "
                f"it has {', '.join(map(str, sorted(self.taps)))}"
            )
        return self.taps[stride]

    def pool(self, stride: int) -> tuple[Any, Any]:
        """Input and output of the pooling at `stride`. Raises ValueError without."""
        if stride not in self.pools:
            raise ValueError(
                f"{self.encoder} has no 2x2 max pooling at stride {stride}, so there "
                "are no positions to unpool to; take another `upsampling`, or "
                "plain or vgg16"
            )
        return self.pools[stride]

    def pooled(self, stride: int) -> Any:
        """What a 2x2 pooling gave at `stride`, or else the tap there."""
        if stride // 2 in self.pools:
            return self.pools[stride // 2][1]
        return self.tap(stride)


def features_of(network: keras.Model, encoder: str) -> Features:
    """Reads taps, pools and depths off a functional network."""
    strides: dict[int, int] = {}
    made_by: dict[int, Any] = {}
    features = Features(encoder, {}, {}, {}, has_batch_norm(network))
    for step in network.operations:
        sources = step.input if isinstance(step.input, list) else [step.input]
        stride = max((strides.get(id(source), 1) for source in sources), default=1)
        factor = step.strides[0] if hasattr(step, "strides") else 1
        if factor > 1:
            source = unpadded(sources[0], made_by)
            if made_by[id(source)].name not in PREPARING:
                features.taps[stride] = source
            if isinstance(step, layers.MaxPooling2D) and step.pool_size == (2, 2):
                features.pools[stride] = source, step.output
        stride *= factor
        if isinstance(step, layers.Conv2D):
            features.depths[stride] = features.depths.get(stride, 0) + 1
        strides[id(step.output)], made_by[id(step.output)] = stride, step
    features.taps[strides[id(network.output)]] = network.output
    return features


def has_batch_norm(network: keras.Model) -> bool:
    return any(isinstance(x, layers.BatchNormalization) for x in network.layers)


def unpadded(x: Any, made_by: dict[int, Any]) -> Any:
    """The tensor before the explicit padding of some networks' convolutions."""
    while isinstance(made_by[id(x)], layers.ZeroPadding2D):
        x = made_by[id(x)].input
    return x


# --- our own ---


def plain(
    image: Any, weights: str = "none", width: int = 16, deepest: int = 16
) -> keras.Model:
    """Two 3x3 convolutions a stage, 2x2 max pooling between, widths doubling.

    The contracting path of Ronneberger, Fischer and Brox (2015) with same padding and
    batch norm. `deepest` is the coarsest stride.
    """
    x = prepared(image, deepest)
    stride = 1
    while True:
        for turn in (1, 2):
            channels = min(width * stride, 16 * width)
            x = conv_bn_relu(x, channels, name=f"down{stride}_{turn}")
        if stride == deepest:
            return with_file(keras.Model(image, x), "plain", weights)
        x = layers.MaxPooling2D(2, name=f"down{stride}_pool")(x)
        stride *= 2


def alexnet(image: Any, weights: str = "none", deepest: int = 32) -> keras.Model:
    """AlexNet in one tower: Krizhevsky, "One weird trick" (2014), less the classifier.

    Same padding instead of the paper's mixture, so that strides are exact; no local
    response normalization. 2,469,696 parameters.
    """
    x = prepared(image, 32)
    x = conv_relu(x, 64, 11, strides=4, name="conv1")
    x = pool3(x, "pool1")
    x = conv_relu(x, 192, 5, name="conv2")
    x = pool3(x, "pool2")
    for index, channels in enumerate((384, 256, 256), 3):
        x = conv_relu(x, channels, name=f"conv{index}")
    network = keras.Model(image, pool3(x, "pool5"))
    return with_file(network, "alexnet", weights)


def pool3(x: Any, name: str, strides: int = 2) -> Any:
    return layers.MaxPooling2D(3, strides, padding="same", name=name)(x)


# Szegedy et al. (2015), table 1: channels of 1x1, of 3x3 (reduced to, then), of 5x5
# (reduced to, then), behind the pooling; None halves.
INCEPTIONS = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "pool3": None,
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "pool4": None,
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}


def googlenet(image: Any, weights: str = "none", deepest: int = 32) -> keras.Model:
    """GoogLeNet: Szegedy et al., "Going Deeper with Convolutions" (CVPR 2015).

    Batch norm (Ioffe and Szegedy, 2015) stands in for the biases, the local response
    normalization and the auxiliary classifiers, without which it hardly learns.
    """
    x = prepared(image, 32)
    x = conv_bn_relu(x, 64, 7, strides=2, name="conv1")
    x = pool3(x, "pool1")
    x = conv_bn_relu(x, 64, 1, name="conv2_reduce")
    x = conv_bn_relu(x, 192, name="conv2")
    x = pool3(x, "pool2")
    for name, widths in INCEPTIONS.items():
        x = inception(x, widths, name) if widths else pool3(x, name)
    return with_file(keras.Model(image, x), "googlenet", weights)


def inception(x: Any, widths: Sequence[int], name: str) -> Any:
    """Four branches side by side: 1x1, 3x3, 5x5 and pooling, stacked."""
    one, reduce3, three, reduce5, five, pool = widths
    branch3 = conv_bn_relu(x, reduce3, 1, name=f"{name}_3x3_reduce")
    branch5 = conv_bn_relu(x, reduce5, 1, name=f"{name}_5x5_reduce")
    branches = [
        conv_bn_relu(x, one, 1, name=f"{name}_1x1"),
        conv_bn_relu(branch3, three, 3, name=f"{name}_3x3"),
        conv_bn_relu(branch5, five, 5, name=f"{name}_5x5"),
        conv_bn_relu(pool3(x, f"{name}_pool", 1), pool, 1, name=f"{name}_pool_proj"),
    ]
    return layers.Concatenate(name=f"{name}_join")(branches)


def with_file(network: keras.Model, encoder: str, weights: str) -> keras.Model:
    """The network with the weights of a file, if one is named."""
    if weights == "imagenet":
        raise ValueError(
            f"the {encoder} encoder has no pretrained weights, got 'imagenet'; use "
            "`--weights none`, or mobilenetv2, vgg16, resnet50 …"
        )
    if weights != "none":
        check_file(weights)
        with warnings.catch_warnings():
            # It warns of every layer before it refuses the file.
            warnings.simplefilter("ignore")
            try:
                network.load_weights(weights)
            except Exception as error:
                raise ValueError(weights_complaint(weights, error, encoder)) from error
    return network


# --- those of keras.applications ---

# Those of Caffe's heritage: each channel's mean over ImageNet is taken away.
CAFFE = {"scale": 1.0, "offset": (-123.68, -116.779, -103.939)}
# Those of torch's: and it is divided by the standard deviation.
TORCH = {
    "scale": (1 / (255 * 0.229), 1 / (255 * 0.224), 1 / (255 * 0.225)),
    "offset": (-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225),
}


def vgg16(image: Any, weights: str = "none", deepest: int = 32) -> keras.Model:
    """VGG16 (Simonyan and Zisserman, 2015): 13 convolutions, five 2x2 poolings."""
    x = prepared(as_rgb(image), 32, **CAFFE)
    return from_bgr(load_application(keras.applications.VGG16, x, weights), weights)


def resnet50(image: Any, weights: str = "none", deepest: int = 32) -> keras.Model:
    """ResNet50 (He et al., 2016), version 1."""
    x = prepared(as_rgb(image), 32, **CAFFE)
    return from_bgr(load_application(keras.applications.ResNet50, x, weights), weights)


def mobilenetv2(
    image: Any, weights: str = "none", alpha: float = 1.0, deepest: int = 32
) -> keras.Model:
    """MobileNetV2 (Sandler et al., 2018), any width multiplier `alpha`."""
    x = prepared(as_rgb(image), 32)
    return load_application(keras.applications.MobileNetV2, x, weights, alpha=alpha)


def mobilenetv3(
    image: Any, weights: str = "none", alpha: float = 1.0, deepest: int = 32
) -> keras.Model:
    """MobileNetV3-Large (Howard et al., 2019): squeeze-and-excite, hard swish."""
    options = {"alpha": alpha, "include_preprocessing": False}
    x = prepared(as_rgb(image), 32)
    return load_application(keras.applications.MobileNetV3Large, x, weights, **options)


def efficientnetv2b0(
    image: Any, weights: str = "none", deepest: int = 32
) -> keras.Model:
    """EfficientNetV2-B0 (Tan and Le, 2021)."""
    x = prepared(as_rgb(image), 32, **TORCH)
    build = keras.applications.EfficientNetV2B0
    return load_application(build, x, weights, include_preprocessing=False)


def as_rgb(image: Any) -> Any:
    """Grey is repeated into the three channels that weights for colour want."""
    if image.shape[-1] == 3:
        return image
    return layers.Concatenate(name="grey_to_rgb")([image] * 3)


def from_bgr(network: keras.Model, weights: str) -> keras.Model:
    """Weights made for blue, green, red: their first kernel is turned, not pictures."""
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
            alpha = f" alpha {options['alpha']}" if "alpha" in options else ""
            known = build.__name__ + alpha
            raise ValueError(weights_complaint(weights, error, known)) from error


def check_file(weights: str) -> None:
    if not Path(weights).is_file():
        raise ValueError(
            f"`weights` must be imagenet, none or a file, got {weights!r}."
        )


def weights_complaint(weights: str, error: Exception, network: str) -> str:
    reason = str(error).strip().partition("\n")[0].partition(". ")[0]
    if weights == "imagenet":
        return (
            f"ImageNet weights of {network} are not to be had ({reason}); without a "
            "network put the file into $KERAS_HOME/models or give `--weights FILE`."
        )
    return f"{weights}: these weights do not fit {network} ({reason})."


ENCODERS = {
    "plain": plain,
    "alexnet": alexnet,
    "vgg16": vgg16,
    "googlenet": googlenet,
    "resnet50": resnet50,
    "mobilenetv2": mobilenetv2,
    "mobilenetv3": mobilenetv3,
    "efficientnetv2b0": efficientnetv2b0,
}
