"""A network as a list of its layers' calls, and their cost. Nothing is computed.

`trace` calls a Keras model on symbols of static shapes and records each call; the other
functions analyse this list. Layers are identified by the names of their classes, so
that only `trace` imports Keras.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Iterable, Optional

FLOAT_BYTES = 4
# The attributes with the weights of a layer. Each weight is used once per position of
# the output, or of the input of transposed convolutions.
KERNELS = {
    "Conv2D": ("kernel",),
    "Conv2DTranspose": ("kernel",),
    "Dense": ("kernel",),
    "DepthwiseConv2D": ("kernel",),
    "SeparableConv2D": ("depthwise_kernel", "pointwise_kernel"),
}
# Layers whose weights are not multiplied with their input.
ADDED = ("LearnedQueries",)
POOLS = ("AveragePooling2D", "MaxPooling2D")


@dataclass(frozen=True, eq=False)
class Tensor:
    """An output of a layer. The first axis of its shape is the batch, of size 1."""

    name: str  # of the layer
    shape: tuple[int, ...]

    @property
    def elements(self) -> int:
        return math.prod(self.shape)

    @property
    def is_spatial(self) -> bool:
        """Whether it has height and width, (1, H, W, C)."""
        return len(self.shape) == 4


@dataclass(frozen=True, eq=False)
class Step:
    """One call of a layer."""

    layer: Any
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]


@dataclass(frozen=True)
class Graph:
    """The calls of a network, in an order in which they can run."""

    image: Tensor
    steps: tuple[Step, ...]
    outputs: tuple[Tensor, ...]

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        return self.image, *(out for step in self.steps for out in step.outputs)


def image_of(model: Any) -> Any:
    """The model's input symbol (B, H, W, C); other inputs are no images.

    Raises ValueError if the model is not a graph of layers with one image as input.
    """
    images = [x for x in getattr(model, "inputs", None) or () if len(x.shape) == 4]
    if len(images) != 1:
        raise ValueError("the model is not a graph of layers with one image as input")
    return images[0]


def symbol_of(model: Any, given: Any, size: tuple[int, int]) -> Any:
    """A symbol of one image of `size`, or of another input with 1 for free sides."""
    import keras

    own = tuple(side or 1 for side in given.shape[1:])
    image = given is image_of(model)
    shape = (1, *size, given.shape[-1]) if image else (1, *own)
    return keras.Input(batch_shape=shape, dtype=given.dtype)


def trace(model: Any, size: tuple[int, int]) -> Graph:
    """Records the calls that `model` makes for one image of `size` (height, width).

    The model's own layers are called once more on symbols. A model used as a layer is
    one step. Free sides of other inputs are 1: `fast_rcnn` gets one proposal. Raises
    ValueError if the model is not a graph of layers with one image as input, and for a
    size that one of its layers rejects.
    """
    import keras

    symbols = [symbol_of(model, given, size) for given in model.inputs]
    image = image_of(model)
    symbol = next(x for x, y in zip(symbols, model.inputs, strict=True) if y is image)
    known = {
        id(x): Tensor("image" if x is symbol else given.name, x.shape)
        for x, given in zip(symbols, model.inputs, strict=True)
    }
    steps = []

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        result = layer(*args, **kwargs)
        arguments, outputs = map(keras.tree.flatten, ((args, kwargs), result))
        if any(None in x.shape for x in outputs):
            raise ValueError(f"{layer.name} has an output of unknown size")
        known.update({id(x): Tensor(layer.name, tuple(x.shape)) for x in outputs})
        inputs = tuple(known[id(x)] for x in arguments if id(x) in known)
        steps.append(Step(layer, inputs, tuple(known[id(x)] for x in outputs)))
        return result

    # Rebuilt from its inputs and outputs, a Sequential model is a functional one.
    copy = keras.models.clone_model(
        keras.Model(model.inputs, model.outputs),
        input_tensors=symbols,
        clone_function=lambda layer: layer,
        call_function=call,
    )
    outputs = tuple(known[id(x)] for x in copy.outputs)
    return Graph(known[id(symbol)], tuple(steps), outputs)


def multiply_adds(step: Step) -> int:
    """The multiply-adds of a call, where a multiplication and an addition count as 1.

    Convolutions, dense layers and the two products of attention are counted, padding
    included; biases, normalization, activations, pooling and resizing are not.
    """
    if known_kind(step.layer, ("Attend",)):
        (_, queries, channels), (_, keys, _) = (x.shape for x in step.inputs[:2])
        return 2 * queries * keys * channels
    kind = known_kind(step.layer, KERNELS)
    if kind is None:
        return 0
    weights = sum(math.prod(getattr(step.layer, name).shape) for name in KERNELS[kind])
    swept = step.inputs[0] if kind == "Conv2DTranspose" else step.outputs[0]
    # The first axis is the image, or the boxes of the image.
    return math.prod(swept.shape[:-1]) * weights


def uncounted(graph: Graph) -> list[str]:
    """The names of layers with weight matrices that `multiply_adds` does not count."""
    return [
        step.layer.name
        for step in graph.steps
        if not known_kind(step.layer, (*KERNELS, *ADDED))
        and any(len(weight.shape) > 1 for weight in getattr(step.layer, "weights", ()))
    ]


def parameters(steps: Iterable[Step]) -> int:
    """The number of weights of the layers; layers called twice are counted once."""
    layers = {id(step.layer): step.layer for step in steps}.values()
    return sum(
        math.prod(weight.shape)
        for layer in layers
        for weight in getattr(layer, "weights", ())
    )


def known_kind(layer: Any, kinds: Iterable[str]) -> Optional[str]:
    """The name of the layer's class, or of its nearest base class, among `kinds`."""
    names = (cls.__name__ for cls in type(layer).__mro__)
    return next((name for name in names if name in kinds), None)


def overwritten(step: Step, done: Iterable[Tensor]) -> int:
    """Elements of the input among `done` that the output can overwrite, or 0.

    Normalization, activations, dropout and sums can overwrite an input of the output's
    shape, as if they were fused into the layer before; convolutions and pooling cannot.
    """
    if multiply_adds(step) or known_kind(step.layer, POOLS):
        return 0
    shape = step.outputs[0].shape
    return max((x.elements for x in done if x.shape == shape), default=0)


def training_bytes(graph: Graph) -> int:
    """The memory of the image and all layer outputs, kept for the backward pass."""
    return FLOAT_BYTES * sum(tensor.elements for tensor in graph.tensors)


def inference_bytes(graph: Graph) -> int:
    """The peak memory of the tensors needed at the same time, in the order of calls.

    A tensor is freed after the last step that reads it, unless it is `overwritten`;
    image and outputs are kept to the end.
    """
    last_reader = {x: at for at, step in enumerate(graph.steps) for x in step.inputs}
    kept = {graph.image, *graph.outputs}
    alive = peak = graph.image.elements
    for at, step in enumerate(graph.steps):
        inputs = dict.fromkeys(step.inputs)  # each once
        done = [x for x in inputs if last_reader[x] == at and x not in kept]
        made = sum(out.elements for out in step.outputs)
        peak = max(peak, alive + made - overwritten(step, done))
        alive += made - sum(x.elements for x in done)
    return FLOAT_BYTES * peak
