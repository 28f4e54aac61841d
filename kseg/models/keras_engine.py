"""A Keras model behind the interface of edge.engines."""

from __future__ import annotations

from typing import Any, Optional

import keras
import numpy as np


class KerasEngine:
    """`engine(image) -> output`: scores, or labels where `labels` asks for them.

    `size` None takes pictures as they are; (height, width) makes the Segmenter bring
    them to that size, as an exported model of it would have them.
    """

    name = "keras"
    threads: Optional[int] = None

    def __init__(
        self,
        model: keras.Model,
        size: Optional[tuple[int, int]] = None,
        labels: bool = False,
    ):
        self.size, self.labels = size, labels
        self.channels = model.input_shape[-1]
        self._run = compiled(model, labels)

    def __call__(self, image: np.ndarray) -> np.ndarray:
        return np.asarray(self._run(image[None].astype(np.float32)))[0]


def compiled(model: keras.Model, labels: bool) -> Any:
    """The model as a function of (1, H, W, C) float32, traced once for all sizes.

    A loop over `model.predict` would build a pipeline for every picture.
    """

    def run(image: Any) -> Any:
        logits = model(image, training=False)
        return keras.ops.argmax(logits, axis=-1) if labels else logits

    if keras.backend.backend() != "tensorflow":
        return lambda image: keras.ops.convert_to_numpy(run(image))
    import tensorflow as tf

    shape = (1, None, None, model.input_shape[-1])
    return tf.function(run, input_signature=[tf.TensorSpec(shape, tf.float32)])
