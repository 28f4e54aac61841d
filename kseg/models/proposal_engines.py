"""Keras models that classify proposed boxes, as engines."""

from __future__ import annotations

from typing import Any, Callable, Mapping, Optional

import keras
import numpy as np

from edge.engines.base import Output, TensorSpec
from edge.predict.region_boxes import Warper
from kseg.models.detection.fast_rcnn import parts

Propose = Callable[[np.ndarray], np.ndarray]
SIDE = 64  # of a blank image


class BoxEngine:
    """Base class: `engine(image)` proposes boxes and classifies them.

    `propose` is a function of an image (h, w, C) uint8 that returns boxes (N, 4).
    `passes` counts the passes through the convolutions of the network so far.
    """

    name = "keras"
    threads: Optional[int] = None
    accelerator = ""
    share: Optional[float] = None
    first_millis: Optional[float] = None
    size: Optional[tuple[int, int]] = None

    def __init__(self, model: keras.Model, channels: int, propose: Propose):
        self.channels, self._propose = channels, propose
        self.passes = 0
        shape = (1, -1, -1, channels)
        self.input = TensorSpec("image", shape, np.dtype(np.float32))
        widths = {role: int(x.shape[-1]) for role, x in model.output.items()}
        self.outputs = tuple(
            TensorSpec(role, (1, -1, width), np.dtype(np.float32))
            for role, width in {**widths, "proposals": 4}.items()
        )

    def blank(self) -> np.ndarray:
        """An image (SIDE, SIDE, channels) uint8 of zeros."""
        return np.zeros((SIDE, SIDE, self.channels), np.uint8)

    def propose(self, image: np.ndarray) -> np.ndarray:
        """(h, w, C) uint8 -> boxes (N, 4) float32; the whole image if there is none."""
        boxes = self._propose(image)
        whole = np.float32([[0, 0, image.shape[1], image.shape[0]]])
        return boxes if len(boxes) else whole

    def __call__(self, image: np.ndarray) -> tuple[Output, ...]:
        return self.classify(image, self.propose(image))

    def classify(self, image: np.ndarray, boxes: np.ndarray) -> tuple[Output, ...]:
        """The outputs for boxes (N, 4) of an image, and the boxes themselves."""
        values = {**self.run(image, boxes), "proposals": boxes}
        return tuple(Output(values[spec.name], spec) for spec in self.outputs)

    def run(self, image: np.ndarray, boxes: np.ndarray) -> dict[str, np.ndarray]:
        """Role -> its rows (N, channels) for the boxes."""
        raise NotImplementedError


class FastEngine(BoxEngine):
    """`fast_rcnn`: one pass over the image, then the heads on all boxes."""

    def __init__(self, model: keras.Model, propose: Propose):
        image = model.get_layer("image").output
        super().__init__(model, image.shape[-1], propose)
        backbone, heads = parts(model)
        shape = backbone.output.shape
        self._backbone = traced(backbone, [(1, None, None, self.channels)])
        self._heads = traced(heads, [(1, *shape[1:]), (1, None, 4)])

    def run(self, image: np.ndarray, boxes: np.ndarray) -> dict[str, np.ndarray]:
        self.passes += 1
        features = self._backbone(image[None].astype(np.float32))
        return {k: to_rows(x) for k, x in self._heads(features, boxes[None]).items()}


class CropEngine(BoxEngine):
    """`rcnn`: a pass for every box, or for every `at_once` boxes together."""

    def __init__(
        self,
        model: keras.Model,
        propose: Propose,
        side: int,
        context: int,
        at_once: int = 1,
    ):
        super().__init__(model, model.input_shape[-1], propose)
        self.side, self.context, self.at_once = side, context, at_once
        self._network = traced(model, [(None, side, side, self.channels)])

    def run(self, image: np.ndarray, boxes: np.ndarray) -> dict[str, np.ndarray]:
        crops = Warper(image, self.side, self.context).crops(boxes)
        found: list[Mapping[str, Any]] = []
        for start in range(0, len(boxes), self.at_once):
            self.passes += 1
            part = crops[start : start + self.at_once].astype(np.float32)
            outputs = self._network(part)
            found.append({k: np.asarray(as_numpy(x)) for k, x in outputs.items()})
        return {k: np.concatenate([each[k] for each in found]) for k in found[0]}


def to_rows(value: Any) -> np.ndarray:
    """(1, N, channels) -> (N, channels)."""
    return as_numpy(value)[0]


def as_numpy(value: Any) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(value))


def traced(function: Callable[..., Any], shapes: list[tuple]) -> Callable[..., Any]:
    """A function of tensors as one of float32 arrays of these shapes.

    On TensorFlow it is traced once, for all sizes.
    """

    def run(*inputs: Any) -> Any:
        return function(*(keras.ops.convert_to_tensor(x) for x in inputs))

    if keras.backend.backend() != "tensorflow":
        return run
    import tensorflow as tf

    signature = [tf.TensorSpec(shape, tf.float32) for shape in shapes]
    return tf.function(run, input_signature=signature)
