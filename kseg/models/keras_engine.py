"""A Keras model as an engine, with the same interface as the engines of files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Callable, Optional, Sequence

import keras
import numpy as np

from edge.engines.base import Output, TensorSpec
from kseg.models.layers.sizes import fixed_size

Head = Callable[[Any], Any]  # the network's outputs -> those of the exported model


class KerasEngine:
    """Runs a Keras model: `engine(image)` -> its outputs, in the order of `outputs`.

    With `size` None, images of any size are accepted, unless the model is for one size;
    with (height, width), predictors resize images to it, as for an exported model.
    `head` is one of kseg.deploy.heads, so that the outputs are those of an exported
    model with this head.
    """

    name = "keras"
    threads: Optional[int] = None
    accelerator = ""
    share: Optional[float] = None
    first_millis: Optional[float] = None

    def __init__(
        self,
        model: keras.Model,
        size: Optional[tuple[int, int]] = None,
        head: Optional[Head] = None,
    ):
        self.size = size or fixed_size(model)
        self.channels = model.input_shape[-1]
        shape = (1, *(self.size or (-1, -1)), self.channels)
        self.input = TensorSpec("image", shape, np.dtype(np.float32))
        self._run, outputs = compiled(model, head)
        self.outputs = tuple(spec_of(name, x) for name, x in outputs.items())

    def blank(self) -> np.ndarray:
        """An image (h, w, channels) uint8 of zeros; 64x64 if any size is accepted."""
        return np.zeros((*(self.size or (64, 64)), self.channels), np.uint8)

    def __call__(self, image: np.ndarray) -> tuple[Output, ...]:
        values = self._run(image[None].astype(np.float32))
        return tuple(
            Output(np.asarray(value)[0], spec)
            for value, spec in zip(values, self.outputs, strict=True)
        )


def spec_of(name: str, value: Any) -> TensorSpec:
    """The specification of a symbolic output; unknown sides are -1.

    The batch size is always 1, as some operations lose it.
    """
    sides = (-1 if side is None else int(side) for side in value.shape[1:])
    shape = (1, *sides)
    dtype = np.dtype(keras.backend.standardize_dtype(value.dtype))
    return TensorSpec(name, shape, dtype)


def named_outputs(outputs: Any, model: keras.Model) -> dict[str, Any]:
    """A network's outputs by name: the keys of a dict, or the model's output names."""
    if isinstance(outputs, Mapping):
        return dict(outputs)
    values = outputs if isinstance(outputs, Sequence) else [outputs]
    names = getattr(model, "output_names", None) or ["output"]
    return dict(zip(names, values, strict=True))


def compiled(
    model: keras.Model, head: Optional[Head]
) -> tuple[Callable[[Any], Sequence[Any]], dict[str, Any]]:
    """The network as a function of (1, H, W, C) float32, and its symbolic outputs.

    It is traced once for all sizes, as `model.predict` would build a pipeline for every
    image. Heads need TensorFlow; other backends have none.
    """

    def run(image: Any) -> dict[str, Any]:
        # A model made from a list of inputs warns about a tensor alone.
        given = [image] if isinstance(model.input, list) else image
        outputs = model(given, training=False)
        return named_outputs(outputs if head is None else head(outputs), model)

    shape = (1, None, None, model.input_shape[-1])
    if keras.backend.backend() != "tensorflow":
        image = keras.KerasTensor(shape, dtype="float32", name="image")
        symbols = named_outputs(model.compute_output_spec(image), model)
        to_numpy = keras.ops.convert_to_numpy
        return lambda image: [to_numpy(x) for x in run(image).values()], symbols
    import tensorflow as tf

    names: list[str] = []

    def traced(image: Any) -> list[Any]:
        outputs = run(image)
        names[:] = outputs
        return list(outputs.values())

    signature = [tf.TensorSpec(shape, tf.float32)]
    concrete = tf.function(traced, input_signature=signature).get_concrete_function()
    symbols = dict(zip(names, concrete.structured_outputs, strict=True))
    return lambda image: concrete(tf.constant(image)), symbols
