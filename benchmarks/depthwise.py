"""Times the depthwise convolutions of a network with JAX, in both forms.

    export KERAS_BACKEND=jax
    kseg benchmark depthwise
    kseg benchmark depthwise --size 176x240 --batch-size 4

Keras asks XLA for a grouped convolution; kseg's layer sums shifted copies of its input.
Each runs forward and backward on noise, in alternating rounds, and the median counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import Any, Callable, Optional, Sequence

from benchmarks.results import JSON_HELP, option, show
from edge.core.errors import InputError
from edge.core.timing import time_in_turns
from kseg.cli.parser import parse
from kseg.core import backend
from kseg.core.names import ENCODER_NAMES, PRECISIONS
from kseg.core.options import Output, Size

FORMS = ("grouped convolution", "sum of shifted copies")


@dataclass(frozen=True)
class DepthwiseConfig:
    """Options of `kseg benchmark depthwise`."""

    encoder: str = option("mobilenetv2", "encoder", choices=ENCODER_NAMES)
    size: Size = option((352, 480), "size of the images in pixels")
    batch_size: int = option(8, "images of a step")
    precision: str = option("bfloat16", "of the arithmetic", choices=PRECISIONS)
    rounds: int = option(5, "rounds of measurement")
    json: Output = option("", JSON_HELP)


def main(argv: Optional[Sequence[str]] = None) -> None:
    config = parse(DepthwiseConfig, "kseg benchmark depthwise", __doc__, argv)
    show(compare(config), table, config.json)


def compare(config: DepthwiseConfig) -> dict[str, Any]:
    """Median milliseconds of all depthwise convolutions of an encoder in both forms.

    Raises InputError for another backend than JAX and an encoder without them.
    """
    backend.start()
    import jax
    import keras

    if keras.backend.backend() != "jax":
        raise InputError(
            f"benchmark depthwise: the backend is {keras.backend.backend()}; put "
            "KERAS_BACKEND=jax before the command"
        )
    times = time_in_turns(both_forms(config), config.rounds)
    millis = {form: median(values) for form, values in times.items()}
    return {
        "device": jax.devices()[0].device_kind,
        "millis": millis,
        "ratio": millis[FORMS[0]] / millis[FORMS[1]],
    }


def both_forms(config: DepthwiseConfig) -> dict[str, Callable[[], Any]]:
    """What computes all depthwise convolutions and their gradients, by form."""
    from keras import layers

    from kseg.models import build_model
    from kseg.models.analysis.graph import trace
    from kseg.models.layers.depthwise import DepthwiseConv2D

    with backend.precision(config.precision):
        model = build_model("unet", 2, encoder=config.encoder, weights="none")
    steps = trace(model, config.size).steps
    fast = [step for step in steps if isinstance(step.layer, DepthwiseConv2D)]
    if not fast:
        raise InputError(
            f"--encoder {config.encoder}: has no depthwise convolutions; use "
            "mobilenetv2"
        )
    shapes = [(config.batch_size, *step.inputs[0].shape[1:]) for step in fast]
    ours = [step.layer for step in fast]
    theirs = [layers.DepthwiseConv2D.from_config(each.get_config()) for each in ours]
    for layer, shape in zip(theirs, shapes, strict=True):
        layer.build(shape)
    forms = zip(FORMS, (theirs, ours), strict=True)
    return {form: forward_and_backward(each, shapes) for form, each in forms}


def forward_and_backward(
    layers: Sequence[Any], shapes: Sequence[tuple[int, ...]]
) -> Callable[[], Any]:
    """A compiled call of all layers on noise, with gradients of input and weights."""
    import jax
    import keras
    from jax import numpy as jnp

    keys = jax.random.split(jax.random.key(0), len(shapes))
    noise = [
        jax.random.normal(key, shape, layer.compute_dtype)
        for key, shape, layer in zip(keys, shapes, layers, strict=True)
    ]
    weights = [[variable.value for variable in layer.weights] for layer in layers]

    def total(weights: Any, noise: Any) -> Any:
        outputs = []
        for layer, own, x in zip(layers, weights, noise, strict=True):
            # Its `stateless_call` would not cast the weights to bfloat16.
            with keras.StatelessScope(list(zip(layer.weights, own, strict=True))):
                outputs.append(layer(x))
        return sum(jnp.sum(jnp.square(y.astype("float32"))) for y in outputs)

    compiled = jax.jit(jax.grad(total, argnums=(0, 1)))
    compiled(weights, noise)
    return lambda: jax.block_until_ready(compiled(weights, noise))


def table(figures: dict[str, Any]) -> str:
    """The figures for people."""
    from tabulate import tabulate

    rows = [(form, f"{value:.1f}") for form, value in figures["millis"].items()]
    header = (f"on {figures['device']}", "ms")
    ratio = f"{FORMS[1]}: {figures['ratio']:.2f} times as fast"
    return tabulate(rows, header, disable_numparse=True) + f"\n\n{ratio}"
