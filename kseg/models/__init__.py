"""Networks by name: `build_model("unet", num_classes=11, encoder="mobilenetv2")`."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any, Callable, Collection

import keras

from edge.model_file.info import InputGeometry
from kseg.models.detection.detr import detr
from kseg.models.detection.instances import instances
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
    """A network's function (image, num_classes, ...) and the tasks that it is for.

    The function returns the network's outputs: logits, or a dict of tensors by role.
    `least_classes` is the smallest number of classes.
    """

    function: Callable[..., Any]
    tasks: tuple[str, ...] = ("semantic",)
    least_classes: int = 2


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
    "instances": Builder(instances, ("instance", "detection"), least_classes=1),
    "detr": Builder(detr, ("detection",), least_classes=1),
}

# Keras uses 0.999 for MobileNetV2, a value for ImageNet: in the few steps of a small
# data set, the running statistics would lag far behind the weights.
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
    """Builds a network: (B, H, W, channels) float32 in [0, 255] -> its task's outputs.

    The output of the semantic task is logits (B, H, W, num_classes) float32. H and W
    are any sizes from the network's stride up; networks of valid convolutions accept
    the sizes that `geometry` returns. `weights` are the encoder's: "imagenet", "none"
    or the path of a file. `options` are passed to the model's and the encoder's
    functions, such as upsampling, width, alpha, strides; None means the default.
    Raises ValueError for unknown names and for options that cannot be combined.
    """
    check_known("model", name, MODELS)
    check_known("encoder", encoder, ENCODERS)
    least = MODELS[name].least_classes
    if num_classes < least:
        raise ValueError(f"`num_classes` must be {least} or more, got {num_classes}.")
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
            raise ValueError(f"{name} does not use an encoder, got {given}.")
    image = keras.Input((None, None, channels), name="image")
    outputs = MODELS[name].function(image, num_classes, **own)
    title = f"{name}_{encoder}" if has_encoder(name) else name
    model = keras.Model(image, outputs, name=title)
    return with_batch_norm(model, batch_norm_momentum, encode.layers)


def check_known(kind: str, value: str, known: Collection[str]) -> None:
    if value not in known:
        raise ValueError(f"`{kind}` must be one of {sorted(known)}, got {value!r}.")


def check_options(what: str, given: dict[str, Any], accepted: Collection[str]) -> None:
    """Raises ValueError for the first option that is not accepted."""
    for option, value in given.items():
        if option not in accepted:
            raise ValueError(f"{what} has no option `{option}`, got {value!r}.")


class EncoderCall:
    """Builds an encoder when the decoder calls it: image (B, H, W, C) -> Features.

    `layers` are then the names of the encoder's layers.
    """

    def __init__(self, encoder: str, weights: str, options: dict[str, Any]):
        self.encoder, self.weights, self.options = encoder, weights, options
        self.layers: set[str] = set()

    def __call__(self, image: Any, **request: Any) -> Features:
        build = ENCODERS[self.encoder]
        network = build(image, weights=self.weights, **request, **self.options)
        self.layers = {layer.name for layer in network.layers}.difference(PREPARING)
        return features_of(network, self.encoder)


def accepted_options(function: Callable, options: dict[str, Any]) -> dict[str, Any]:
    """The `options` that are parameters of `function`."""
    known = inspect.signature(function).parameters
    return {key: value for key, value in options.items() if key in known}


def has_encoder(name: str) -> bool:
    """Whether a model uses an encoder."""
    return "encode" in inspect.signature(MODELS[name].function).parameters


def encoder_layers(model: keras.Model) -> list[keras.layers.Layer]:
    """The layers of the model's encoder."""
    return [layer for layer in model.layers if layer.name.startswith(ENCODER)]


def geometry(model: keras.Model) -> InputGeometry:
    """The input sizes that a model of `build_model` accepts."""
    for layer in model.layers:
        if isinstance(layer, PadToMultiple):
            return InputGeometry(minimum=layer.multiple)
        if isinstance(layer, ValidInput):
            return InputGeometry(
                2, layer.min_input, layer.input_step, layer.valid_border
            )
    raise ValueError(f"{model.name} has no layer that defines its input sizes.")
