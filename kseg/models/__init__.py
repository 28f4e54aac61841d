"""Networks by name: `build_model("unet", num_classes=11, encoder="mobilenetv2")`."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any, Callable, Collection

import keras

from edge.model_file.info import InputGeometry
from kseg.models.encoders import ENCODERS
from kseg.models.encoders.features import PREPARING, Features, features_of
from kseg.models.layers.norm import ENCODER, with_batch_norm
from kseg.models.layers.sizes import PadToMultiple, ValidInput
from kseg.models.semantic.dense import dense
from kseg.models.semantic.fcn import fcn8s, fcn16s, fcn32s
from kseg.models.semantic.hypercolumn import hypercolumn
from kseg.models.semantic.patch import patch
from kseg.models.semantic.segnet import segnet
from kseg.models.semantic.unet import unet, unet_paper


@dataclass(frozen=True)
class Builder:
    """A network: a function of an image and a number of classes, and its task.

    It gives the network's outputs: logits, or a dict of tensors by their roles.
    """

    function: Callable[..., Any]
    task: str = "semantic"


MODELS: dict[str, Builder] = {
    "fcn32s": Builder(fcn32s),
    "fcn16s": Builder(fcn16s),
    "fcn8s": Builder(fcn8s),
    "unet": Builder(unet),
    "unet_paper": Builder(unet_paper),
    "segnet": Builder(segnet),
    "hypercolumn": Builder(hypercolumn),
    "dense": Builder(dense),
    "patch": Builder(patch),
}

# Keras gives MobileNetV2 0.999, ImageNet's: with the few steps of a small data set
# the running statistics then lag far behind the weights.
BATCH_NORM_MOMENTUM = 0.95


def build_model(
    name: str,
    num_classes: int,
    encoder: str = "plain",
    channels: int = 3,
    weights: str = "none",
    batch_norm_momentum: float = BATCH_NORM_MOMENTUM,
    **options: Any,
) -> keras.Model:
    """The network: (B, H, W, channels) float32 in [0, 255] -> what its task has.

    The semantic task has logits (B, H, W, C).

    H and W are free, from the network's stride up; what `geometry` says of networks of
    valid convolutions differs. `weights` are the encoder's: "imagenet", "none" or a
    file. `options` are those of the model's and the encoder's functions: upsampling,
    fc_width, width, alpha; None is as good as left out. Raises ValueError for names
    that are not known and for what does not go together.
    """
    check_known("model", name, MODELS)
    check_known("encoder", encoder, ENCODERS)
    if num_classes < 2:
        raise ValueError(f"`num_classes` must be 2 or more, got {num_classes}.")
    if channels not in (1, 3):
        raise ValueError(f"`channels` must be 1 (grey) or 3 (RGB), got {channels}.")
    options = {key: value for key, value in options.items() if value is not None}
    own = accepted_options(MODELS[name].function, options)
    encode = EncoderCall(encoder, weights, accepted_options(ENCODERS[encoder], options))
    if has_encoder(name):
        check_options(f"{name} on {encoder}", options, {*own, *encode.options})
        own["encode"] = encode
    else:
        check_options(name, options, own)
        if (encoder, weights) != ("plain", "none"):
            given = f"weights {weights}" if encoder == "plain" else f"encoder {encoder}"
            raise ValueError(f"{name} has layers of its own and takes no {given}")
    image = keras.Input((None, None, channels), name="image")
    outputs = MODELS[name].function(image, num_classes, **own)
    title = f"{name}_{encoder}" if has_encoder(name) else name
    model = keras.Model(image, outputs, name=title)
    return with_batch_norm(model, batch_norm_momentum, encode.layers)


def check_known(kind: str, value: str, known: Collection[str]) -> None:
    if value not in known:
        raise ValueError(f"`{kind}` must be one of {sorted(known)}, got {value!r}.")


def check_options(what: str, given: dict[str, Any], taken: Collection[str]) -> None:
    """Raises ValueError for the first option that would do nothing."""
    for option, value in given.items():
        if option not in taken:
            raise ValueError(f"{what} takes no `{option}`, got {value!r}")


class EncoderCall:
    """What a decoder calls: image (B, H, W, C) -> Features; knows its layers' names."""

    def __init__(self, encoder: str, weights: str, options: dict[str, Any]):
        self.encoder, self.weights, self.options = encoder, weights, options
        self.layers: set[str] = set()

    def __call__(self, image: Any, **request: Any) -> Features:
        build = ENCODERS[self.encoder]
        network = build(image, weights=self.weights, **request, **self.options)
        self.layers = {layer.name for layer in network.layers}.difference(PREPARING)
        return features_of(network, self.encoder)


def accepted_options(function: Callable, options: dict[str, Any]) -> dict[str, Any]:
    """Those of `options` that are parameters of `function`."""
    known = inspect.signature(function).parameters
    return {key: value for key, value in options.items() if key in known}


def has_encoder(name: str) -> bool:
    """Whether a model is built on an encoder, or has layers of its own."""
    return "encode" in inspect.signature(MODELS[name].function).parameters


def encoder_layers(model: keras.Model) -> list[keras.layers.Layer]:
    """The layers that are the encoder's."""
    return [layer for layer in model.layers if layer.name.startswith(ENCODER)]


def geometry(model: keras.Model) -> InputGeometry:
    for layer in model.layers:
        if isinstance(layer, PadToMultiple):
            return InputGeometry(minimum=layer.multiple)
        if isinstance(layer, ValidInput):
            return InputGeometry(2, layer.least, layer.step, layer.border)
    raise ValueError(f"{model.name} says nothing of its sizes")
