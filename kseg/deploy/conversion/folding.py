"""Folds the input normalization into the first convolutions, for int8 files."""

from __future__ import annotations

from typing import Any, Optional

import keras
import numpy as np
from keras import ops

from kseg.models.analysis.graph import Step, known_kind, trace

BEFORE_SCALING = ("Concatenate", "ValidInput")  # grey to RGB, size check
PASS_THROUGH = ("PadToMultiple",)  # between normalization and first convolutions
ZERO_POINT = 128  # of uint8; int8 stores x - 128


def without_normalization(
    model: keras.Model, size: tuple[int, int]
) -> Optional[tuple[keras.Model, float]]:
    """The network for images given as (x - 128) * scale, and that scale.

    Returns None if the normalization cannot be folded. int8 stores x - 128, so the
    file needs no operator for it. The remaining offset (half a level for images scaled
    to -1..1) is added to the biases of the first convolutions. In their padding it is
    missing, an error of half a level of 255. A separate operator would lose the same
    half level everywhere, because 256 levels of -1..1 do not include zero.
    """
    graph = trace(model, size)
    first = next(s for s in graph.steps if not known_kind(s.layer, BEFORE_SCALING))
    if not known_kind(first.layer, ("Rescaling",)):
        return None
    scale, offset = np.asarray(first.layer.scale), np.asarray(first.layer.offset)
    readers = readers_of(first, graph.steps)
    if scale.ndim or offset.ndim or not all(map(is_linear_convolution, readers)):
        return None
    remainder = offset + ZERO_POINT * scale
    if abs(remainder) > scale:
        return None
    names = {step.layer.name for step in readers}

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        if layer is first.layer:
            return args[0]
        result = layer(*args, **kwargs)
        if layer.name not in names:
            return result
        return result + ops.sum(layer.kernel, axis=(0, 1, 2)) * float(remainder)

    copy = keras.models.clone_model(
        keras.Model(model.inputs, model.output),
        clone_function=lambda layer: layer,
        call_function=call,
    )
    (image,) = copy.inputs
    return keras.Model(image, copy.output, name=model.name), float(scale)


def is_linear_convolution(step: Step) -> bool:
    """Whether a constant added to the step's output can be folded into its bias."""
    layer = step.layer
    linear = getattr(layer, "activation", None) is keras.activations.linear
    return known_kind(layer, ("Conv2D",)) is not None and linear


def readers_of(step: Step, steps: tuple[Step, ...]) -> list[Step]:
    """The steps that read a step's output, also through PASS_THROUGH layers."""
    found = []
    for reader in (each for each in steps if step.outputs[0] in each.inputs):
        passes = known_kind(reader.layer, PASS_THROUGH)
        found += readers_of(reader, steps) if passes else [reader]
    return found
