"""Heads of exported networks: labels, logits or probabilities, and their resolution."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Callable

import keras
import tensorflow as tf

from edge.core.errors import InputError
from edge.model_file.info import ModelInfo
from kseg.models.layers.sizes import CropLike

UPSAMPLING = "score_up"  # kseg.models.layers.heads.to_logits names it


BOX_ROLES = ("scores", "boxes")  # outputs of the head boxes

Head = Callable[[Any], Any]  # the network's outputs -> the file's outputs


def labels(logits: Any) -> Any:
    """(B, h, w, C) logits -> (B, h, w) uint8 class ids."""
    return tf.cast(tf.argmax(logits, axis=-1, output_type=tf.int32), tf.uint8)


def logits(logits: Any) -> Any:
    """(B, h, w, C) float32, unchanged."""
    return logits


def labels_for_tensorrt(logits: Any) -> Any:
    """As `labels`, cast through float32: TensorRT cannot cast int32 to uint8."""
    ids = tf.argmax(logits, axis=-1, output_type=tf.int32)
    return tf.cast(tf.cast(ids, tf.float32), tf.uint8)


def raw(outputs: dict[str, Any]) -> dict[str, Any]:
    """The outputs of objects by role, with scores in (0, 1] in place of logits."""
    return {**outputs, "scores": tf.sigmoid(outputs["scores"])}


def boxes(outputs: dict[str, Any]) -> dict[str, Any]:
    """As `raw`, without masks: scores and boxes, for MediaPipe's ObjectDetector."""
    return {role: raw(outputs)[role] for role in BOX_ROLES}


def listed(outputs: dict[str, Any]) -> dict[str, Any]:
    """The outputs of files of the kind "boxes", without those that only a loss uses."""
    return {role: outputs[role] for role in ("scores", "boxes")}


# Task -> head -> function of the network's outputs: one tensor, or a dict by role.
HEADS: dict[str, dict[str, Head]] = {
    "semantic": {
        "labels": labels,
        "logits": logits,
        "probabilities": tf.nn.softmax,
    },
    "instance": {"raw": raw, "boxes": boxes},
    "detection": {"raw": raw, "boxes": boxes},
}
# Kind of decoder -> its heads, in place of its task's; see edge.predict.tasks.KINDS.
KIND_HEADS: dict[str, dict[str, Head]] = {
    "boxes": {"raw": listed},
    "regions": {"raw": logits},
}
# Head -> what it changes in the metadata of a file. MediaPipe stretches images.
CHANGES: dict[str, dict[str, Any]] = {
    "boxes": {"task": "detection", "resize": "stretch"}
}
# Head -> the outputs of the network that it uses, where these are not all of them.
USED_ROLES: dict[str, tuple[str, ...]] = {"boxes": BOX_ROLES}
# Kind of decoder -> why such a network is not exported.
NOT_EXPORTED: dict[str, str] = {
    "fast_rcnn": "it needs the boxes of selective search, which is no part of the "
    "network; use it in Keras, or train instances for a device",
    "rcnn": "it runs once for each of hundreds of boxes, which is too slow for a "
    "device; use it in Keras, or train instances for a device",
}
# Heads that differ in .onnx files.
ONNX_HEADS: dict[str, dict[str, Head]] = {"semantic": {"labels": labels_for_tensorrt}}


def heads_of(info: ModelInfo) -> dict[str, Head]:
    """The heads by name that a network's files can have; the first is the default."""
    kind, of_task = info.decoder.get("kind", ""), HEADS[info.task]
    if kind:  # MediaPipe decodes boxes of anchors only
        of_task = {k: v for k, v in of_task.items() if k not in CHANGES}
    return KIND_HEADS.get(kind, of_task)


def head_name(info: ModelInfo, name: str) -> str:
    """The head `name` of a network; its first head for "".

    Raises InputError for an unknown name.
    """
    known = heads_of(info)
    if name and name not in known:
        raise InputError(
            f"--head {name}: not known for {info.task}; use {', '.join(known)}"
        )
    return name or next(iter(known))


def info_with_head(info: ModelInfo, name: str) -> ModelInfo:
    """The metadata of a network's files with the head `name`.

    >>> info = ModelInfo(("disc",), ((0, 0, 1),), task="instance")
    >>> info_with_head(info, "boxes").task
    'detection'
    """
    return replace(info, head=name, **CHANGES.get(name, {}))


def part_for_head(model: keras.Model, name: str) -> keras.Model:
    """The part of a network that the head `name` uses; most use all of it."""
    roles = USED_ROLES.get(name, ())
    if not set(model.output_names) - set(roles) or not roles:
        return model
    outputs = {role: model.output[role] for role in roles}
    return keras.Model(model.input, outputs, name=model.name)


def with_head(model: keras.Model, head: Head) -> Callable[[Any], Any]:
    """The network as a function of float32 images (1, H, W, C) that ends in `head`."""

    def run(image: Any) -> Any:
        return head(model(image, training=False))

    return run


def at_low_resolution(model: keras.Model, size: tuple[int, int]) -> keras.Model:
    """The network without its last upsampling: (B, H, W, C) -> (B, h, w, classes).

    `size` is the (height, width) of the images. The predictor resizes the output
    instead: scores bilinearly, labels by nearest neighbour. The weights of a learned
    upsampling are not used. Raises InputError if the network does not end in an
    upsampling, or if `size` is not a multiple of its factor.
    """
    last = model.layers[-1]
    layer = next((x for x in model.layers if x.name.startswith(UPSAMPLING)), None)
    if layer is None or not isinstance(last, CropLike):
        raise InputError(
            f"--low-resolution: {model.name} does not end in an upsampling to the "
            "image's size; leave out --low-resolution"
        )
    before = layer.input
    whole = layer.compute_output_shape((1, 64, 64, before.shape[-1]))
    factor = whole[1] // 64
    if size[0] % factor or size[1] % factor:
        nearest = "x".join(str(max(1, round(s / factor)) * factor) for s in size)
        raise InputError(
            f"--low-resolution: {size[0]}x{size[1]} is not a multiple of {factor}, the "
            f"stride of the scores; use --size {nearest}"
        )
    height, width = size[0] // factor, size[1] // factor
    scores = keras.layers.Lambda(
        lambda x: x[:, :height, :width],  # the rest is padding
        output_shape=(height, width, before.shape[-1]),
        name="scores",
    )(before)
    return keras.Model(model.inputs, scores, name=model.name)
