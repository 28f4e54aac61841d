"""What an exported network ends in: labels, logits or probabilities, and how large."""

from __future__ import annotations

from typing import Any, Callable

import keras
import tensorflow as tf

from edge.core.errors import InputError
from kseg.models.layers.sizes import CropLike

ENLARGEMENT = "score_up"  # kseg.models.layers.heads.to_logits names it


Head = Callable[[Any], Any]  # a network's outputs -> those of the file


def labels(logits: Any) -> Any:
    """(B, h, w, C) logits -> (B, h, w) uint8 class ids."""
    return tf.cast(tf.argmax(logits, axis=-1, output_type=tf.int32), tf.uint8)


def logits(logits: Any) -> Any:
    """(B, h, w, C) float32 as they are."""
    return logits


def labels_for_tensorrt(logits: Any) -> Any:
    """As `labels`, by floats: TensorRT casts no int32 to bytes."""
    ids = tf.argmax(logits, axis=-1, output_type=tf.int32)
    return tf.cast(tf.cast(ids, tf.float32), tf.uint8)


# Task -> head -> what it makes of a network's outputs: one tensor, or a dict by role.
HEADS: dict[str, dict[str, Head]] = {
    "semantic": {
        "labels": labels,
        "logits": logits,
        "probabilities": tf.nn.softmax,
    },
}
# Where an .onnx file needs another form.
ONNX_HEADS: dict[str, dict[str, Head]] = {"semantic": {"labels": labels_for_tensorrt}}


def head_of(task: str, name: str) -> str:
    """The head called `name`, or the first of a task where it is "".

    Raises InputError for one that the task does not have.
    """
    known = HEADS[task]
    if name and name not in known:
        raise InputError(f"--head {name}: the task {task} has {', '.join(known)}")
    return name or next(iter(known))


def with_head(model: keras.Model, head: Head) -> Callable[[Any], Any]:
    """The network as a function of float32 images (1, H, W, C) that ends in `head`."""

    def run(image: Any) -> Any:
        return head(model(image, training=False))

    return run


def at_low_resolution(model: keras.Model, size: tuple[int, int]) -> keras.Model:
    """The same network less its last enlargement: (B, H, W, C) -> (B, h, w, classes).

    For images of (height, width) `size`. The predictor enlarges what it gives: scores
    bilinearly, labels to the nearest. What a learned enlargement has learned is lost.
    Raises InputError where the network enlarges nothing at its end, or where its cells
    do not fit `size`.
    """
    last = model.layers[-1]
    layer = next((x for x in model.layers if x.name.startswith(ENLARGEMENT)), None)
    if layer is None or not isinstance(last, CropLike):
        raise InputError(
            f"--low-resolution: {model.name} ends at the picture's own size, or "
            "gives less than the picture; leave it out"
        )
    before = layer.input
    whole = layer.compute_output_shape((1, 64, 64, before.shape[-1]))
    factor = whole[1] // 64
    if size[0] % factor or size[1] % factor:
        nearest = "x".join(str(max(1, round(s / factor)) * factor) for s in size)
        raise InputError(
            f"--low-resolution: {size[0]}x{size[1]} is no multiple of {factor}, the "
            f"stride of the scores; give --size {nearest}"
        )
    height, width = size[0] // factor, size[1] // factor
    scores = keras.layers.Lambda(
        lambda x: x[:, :height, :width],  # what lies beyond is padding
        output_shape=(height, width, before.shape[-1]),
        name="scores",
    )(before)
    return keras.Model(model.inputs, scores, name=model.name)
