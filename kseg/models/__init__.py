"""Networks by name: `build_model("unet", num_classes=11, encoder="mobilenetv2")`."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from typing import Any, Callable, Collection, Mapping, Optional

import keras

from edge.model_file.info import InputGeometry
from kseg.models.detection.detr import detr
from kseg.models.detection.fast_rcnn import fast_rcnn
from kseg.models.detection.instances import instances
from kseg.models.detection.localize import localize
from kseg.models.detection.mask_rcnn import faster_rcnn, mask_rcnn
from kseg.models.detection.rcnn import input_size as size_of_rcnn
from kseg.models.detection.rcnn import rcnn
from kseg.models.detection.rpn import rpn
from kseg.models.detection.yolo import input_size as size_of_yolo
from kseg.models.detection.yolo import yolo
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
    `least_classes` is the smallest number of classes. `input_size` is a function of the
    same options that returns the only input size (height, width), or None for any.
    `inputs` are the shapes, without the batch, of what the function takes besides the
    image, by name.
    """

    function: Callable[..., Any]
    tasks: tuple[str, ...] = ("semantic",)
    least_classes: int = 2
    input_size: Callable[..., Optional[tuple[int, int]]] = lambda **options: None
    inputs: Mapping[str, tuple[Optional[int], ...]] = field(default_factory=dict)


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
    "localize": Builder(localize, ("detection",), least_classes=1),
    "yolo": Builder(yolo, ("detection",), least_classes=1, input_size=size_of_yolo),
    "rpn": Builder(rpn, ("detection",), least_classes=1),
    "faster_rcnn": Builder(faster_rcnn, ("detection",), least_classes=1),
    "mask_rcnn": Builder(mask_rcnn, ("instance",), least_classes=1),
    "fast_rcnn": Builder(fast_rcnn, ("detection",), 1, inputs={"proposals": (None, 4)}),
    "rcnn": Builder(rcnn, ("detection",), least_classes=1, input_size=size_of_rcnn),
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
    The input of `fast_rcnn` is a dict of the image and the proposals (B, N, 4); `rcnn`
    takes squares of the side `crop`.
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
    sides = MODELS[name].input_size(**own) or (None, None)
    image = keras.Input((*sides, channels), name="image")
    others = {
        key: keras.Input(shape, name=key) for key, shape in MODELS[name].inputs.items()
    }
    outputs = MODELS[name].function(image, num_classes, **own, **others)
    title = f"{name}_{encoder}" if has_encoder(name) else name
    inputs = {"image": image, **others} if others else image
    model = keras.Model(inputs, outputs, name=title)
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

    `layers` are then the names of the encoder's layers that have no prefix yet.
    """

    def __init__(self, encoder: str, weights: str, options: dict[str, Any]):
        self.encoder, self.weights, self.options = encoder, weights, options
        self.layers: set[str] = set()

    def __call__(self, image: Any, **request: Any) -> Features:
        build = ENCODERS[self.encoder]
        network = build(image, weights=self.weights, **request, **self.options)
        names = {layer.name for layer in network.layers}.difference(PREPARING)
        self.layers = {name for name in names if not name.startswith(ENCODER)}
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
