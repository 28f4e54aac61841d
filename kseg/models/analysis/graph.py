"""A network as the list of its layers' calls, and what these cost. Nothing is run.

`trace` gives a Keras model static shapes and writes down each call; the other functions
read that list. Layers are known by the names of their classes, so that Keras is
imported by `trace` alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Iterable, Optional

FLOAT_BYTES = 4
# The attributes with a layer's weights, each used once per position of its output, or
# of its input where the convolution is transposed.
KERNELS = {
    "Conv2D": ("kernel",),
    "Conv2DTranspose": ("kernel",),
    "Dense": ("kernel",),
    "DepthwiseConv2D": ("kernel",),
    "SeparableConv2D": ("depthwise_kernel", "pointwise_kernel"),
}
POOLS = ("AveragePooling2D", "MaxPooling2D")


@dataclass(frozen=True, eq=False)
class Tensor:
    """What a layer gives out. Its shape has the batch, 1, in front."""

    name: str  # of the layer
    shape: tuple[int, ...]

    @property
    def elements(self) -> int:
        return math.prod(self.shape)

    @property
    def is_picture(self) -> bool:
        """Whether it has height and width: (1, H, W, C)."""
        return len(self.shape) == 4


@dataclass(frozen=True, eq=False)
class Step:
    """One call of a layer."""

    layer: Any
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]


@dataclass(frozen=True)
class Graph:
    """A network's calls in an order in which they can run."""

    image: Tensor
    steps: tuple[Step, ...]
    outputs: tuple[Tensor, ...]

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        return self.image, *(out for step in self.steps for out in step.outputs)


def image_of(model: Any) -> Any:
    """The symbol (B, H, W, C) that is the model's input. Raises ValueError."""
    inputs = getattr(model, "inputs", None) or ()
    if len(inputs) != 1 or len(inputs[0].shape) != 4:
        raise ValueError("the model is no graph of layers from one image")
    return inputs[0]


def trace(model: Any, size: tuple[int, int]) -> Graph:
    """The calls that `model` makes for one image of `size` (height, width).

    The layers are the model's own, called once more on symbols. A model used as a layer
    is one step. Raises ValueError for a model that is no graph of layers from one image
    (1, H, W, C), and for a size that one of its layers refuses
    or makes nothing of.
    """
    import keras

    image = image_of(model)
    symbol = keras.Input(batch_shape=(1, *size, image.shape[-1]), dtype=image.dtype)
    known = {id(symbol): Tensor("image", symbol.shape)}
    steps = []

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        result = layer(*args, **kwargs)
        taken, given = map(keras.tree.flatten, ((args, kwargs), result))
        if any(None in x.shape for x in given):
            raise ValueError(f"{layer.name} leaves the size of its output open")
        known.update({id(x): Tensor(layer.name, tuple(x.shape)) for x in given})
        inputs = tuple(known[id(x)] for x in taken if id(x) in known)
        steps.append(Step(layer, inputs, tuple(known[id(x)] for x in given)))
        return result

    # Made anew from its ends, a Sequential too is a graph whose inputs are a list.
    copy = keras.models.clone_model(
        keras.Model(model.inputs, model.outputs),
        input_tensors=[symbol],
        clone_function=lambda layer: layer,
        call_function=call,
    )
    outputs = tuple(known[id(x)] for x in copy.outputs)
    return Graph(known[id(symbol)], tuple(steps), outputs)


def multiply_adds(step: Step) -> int:
    """One multiplication and one addition count 1.

    Convolutions and dense layers count, padded borders included; biases,
    normalisation, activations, pooling and resizing do not.
    """
    kind = known_kind(step.layer, KERNELS)
    if kind is None:
        return 0
    weights = sum(math.prod(getattr(step.layer, name).shape) for name in KERNELS[kind])
    swept = step.inputs[0] if kind == "Conv2DTranspose" else step.outputs[0]
    return math.prod(swept.shape[1:-1]) * weights


def uncounted(graph: Graph) -> list[str]:
    """The layers that hold matrices and that `multiply_adds` knows nothing of."""
    return [
        step.layer.name
        for step in graph.steps
        if not known_kind(step.layer, KERNELS)
        and any(len(weight.shape) > 1 for weight in getattr(step.layer, "weights", ()))
    ]


def parameters(steps: Iterable[Step]) -> int:
    """The weights of the layers called, of a layer called twice once."""
    layers = {id(step.layer): step.layer for step in steps}.values()
    return sum(
        math.prod(weight.shape)
        for layer in layers
        for weight in getattr(layer, "weights", ())
    )


def known_kind(layer: Any, kinds: Iterable[str]) -> Optional[str]:
    """The nearest of the layer's classes that is among `kinds`."""
    names = (cls.__name__ for cls in type(layer).__mro__)
    return next((name for name in names if name in kinds), None)


def overwritten(step: Step, done: Iterable[Tensor]) -> int:
    """Elements of that input of `done` that the output can be written over, or 0.

    Normalisation, activations, dropout and sums can, into an input of the output's
    shape, as one folded into the layer before it does; convolutions and pooling cannot.
    """
    if multiply_adds(step) or known_kind(step.layer, POOLS):
        return 0
    shape = step.outputs[0].shape
    return max((x.elements for x in done if x.shape == shape), default=0)


def training_bytes(graph: Graph) -> int:
    """What the backward pass may ask for: the image and every layer's output."""
    return FLOAT_BYTES * sum(tensor.elements for tensor in graph.tensors)


def inference_bytes(graph: Graph) -> int:
    """The most that tensors alive at one time hold, in the graph's order of calls.

    A tensor lives until its last reader has run, image and outputs to the end; what is
    `overwritten` is taken over instead.
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
