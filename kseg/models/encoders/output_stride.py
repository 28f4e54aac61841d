"""Encoders whose last stage keeps the resolution of the stage before.

Chen et al., "Rethinking Atrous Convolution for Semantic Image Segmentation" (DeepLabv3,
2017): the stride of the stage is left out, and the convolutions after it are dilated by
it, so that they see the same pixels with the same weights.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from kseg.models.encoders.features import unpadded

OUTPUT_STRIDES = (16, 32)


def with_output_stride(network: keras.Model, output_stride: int) -> keras.Model:
    """The encoder `network`, or a copy whose coarsest stride is `output_stride`.

    The copy has the same layers, names and weights. Features up to `output_stride` are
    equal. Later ones are those of the network at every second row and column, apart
    from squeeze-and-excitation, whose means are over other cells. Explicit zero padding
    before a stride that is left out becomes same padding. Raises ValueError for a
    stride that is not in OUTPUT_STRIDES.
    """
    if output_stride not in OUTPUT_STRIDES:
        raise ValueError(
            f"`output_stride` must be one of {OUTPUT_STRIDES}, got {output_stride}."
        )
    if output_stride == max(OUTPUT_STRIDES):
        return network
    changes, unused = changed_layers(network, output_stride)

    def clone(layer: layers.Layer) -> layers.Layer:
        return layer.__class__.from_config(
            layer.get_config() | changes.get(layer.name, {})
        )

    def call(layer: layers.Layer, *args: Any, **kwargs: Any) -> Any:
        return args[0] if layer.name in unused else layer(*args, **kwargs)

    copy = keras.models.clone_model(
        network,
        input_tensors=network.inputs,
        clone_function=clone,
        call_function=call,
    )
    copy.set_weights(network.get_weights())
    return copy


def changed_layers(
    network: keras.Model, output_stride: int
) -> tuple[dict[str, dict[str, Any]], set[str]]:
    """Layer -> changed settings, and the layers of zero padding that are left out."""
    changes: dict[str, dict[str, Any]] = {}
    unused: set[str] = set()
    strides: dict[int, int] = {}  # of each tensor of the changed network
    rates: dict[int, int] = {}  # the strides that were left out before each tensor
    made_by: dict[int, Any] = {}
    for step in network.operations:
        sources = step.input if isinstance(step.input, list) else [step.input]
        stride = max((strides.get(id(source), 1) for source in sources), default=1)
        rate = max((rates.get(id(source), 1) for source in sources), default=1)
        factor = step.strides[0] if hasattr(step, "strides") else 1
        settings: dict[str, Any] = {}
        if rate > 1 and max(getattr(step, "kernel_size", (1,))) > 1:
            settings["dilation_rate"] = (rate, rate)
        if stride * factor > output_stride:
            settings |= {"strides": (1, 1), "padding": "same"}
            if unpadded(sources[0], made_by) is not sources[0]:
                unused.add(made_by[id(sources[0])].name)
            rate, factor = rate * factor, 1
        if settings:
            changes[step.name] = settings
        output = id(step.output)
        strides[output], rates[output] = stride * factor, rate
        made_by[output] = step
    return changes, unused
