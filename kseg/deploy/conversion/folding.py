"""A network arranged so that its int8 file has nothing left over."""

from __future__ import annotations

from typing import Any, Optional

import keras
import numpy as np
from keras import ops

from kseg.models.analysis.graph import Step, known_kind, trace

AS_IT_COMES = ("Concatenate", "ValidInput")  # grey made RGB, sizes checked
PASSED_ON = ("PadToMultiple",)  # between normalisation and the first convolutions
CENTRE = 128  # of a byte; int8 keeps x - 128


def without_normalization(
    model: keras.Model, size: tuple[int, int]
) -> Optional[tuple[keras.Model, float]]:
    """The network on images that are (x - 128) * scale already, and that scale.

    None where its normalisation cannot be left out. int8 keeps x - 128 as it is, so
    the file needs no operator for it. What is left, half a level where images are
    scaled to -1..1, the first convolutions add to their biases; in their padding it is
    missing, half a level of 255. As an operator of its own the same half level would
    be lost everywhere: -1..1 has no zero among 256 levels.
    """
    graph = trace(model, size)
    first = next(s for s in graph.steps if not known_kind(s.layer, AS_IT_COMES))
    if not known_kind(first.layer, ("Rescaling",)):
        return None
    scale, offset = np.asarray(first.layer.scale), np.asarray(first.layer.offset)
    readers = readers_of(first, graph.steps)
    if scale.ndim or offset.ndim or not all(map(is_linear_convolution, readers)):
        return None
    left = offset + CENTRE * scale
    if abs(left) > scale:
        return None
    names = {step.layer.name for step in readers}

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        if layer is first.layer:
            return args[0]
        result = layer(*args, **kwargs)
        if layer.name not in names:
            return result
        return result + ops.sum(layer.kernel, axis=(0, 1, 2)) * float(left)

    copy = keras.models.clone_model(
        keras.Model(model.inputs, model.output),
        clone_function=lambda layer: layer,
        call_function=call,
    )
    (image,) = copy.inputs
    return keras.Model(image, copy.output, name=model.name), float(scale)


def is_linear_convolution(step: Step) -> bool:
    """Whether a number can be added behind it as to its bias."""
    layer = step.layer
    linear = getattr(layer, "activation", None) is keras.activations.linear
    return known_kind(layer, ("Conv2D",)) is not None and linear


def readers_of(step: Step, steps: tuple[Step, ...]) -> list[Step]:
    """Who takes the step's output, or what PASSED_ON hands on of it."""
    found = []
    for reader in (each for each in steps if step.outputs[0] in each.inputs):
        passes = known_kind(reader.layer, PASSED_ON)
        found += readers_of(reader, steps) if passes else [reader]
    return found
