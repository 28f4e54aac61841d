"""The figures of a network: parameters, multiply-adds, memory, receptive field."""

from __future__ import annotations

import gc
import math
import re
from pathlib import Path
from typing import Any, Optional, Sequence

from edge.core.errors import InputError
from kseg.core.configs import SummaryConfig, network_options
from kseg.core.names import MODEL_NAMES
from kseg.core.options import Size
from kseg.core.progress import bar
from kseg.core.runs import find_model, read_record
from kseg.core.text import sides
from kseg.models.analysis.graph import (
    Graph,
    Step,
    Tensor,
    image_of,
    inference_bytes,
    multiply_adds,
    parameters,
    trace,
    training_bytes,
    uncounted,
)
from kseg.models.analysis.receptive_field import Stride, receptive_field, strides
from kseg.models.saving import load_model

USUAL = (224, 224)  # the size at which papers count
EXPENSIVE = 5  # layers to name


def one(
    config: SummaryConfig, source: Optional[tuple[Path, Optional[Path]]]
) -> dict[str, Any]:
    """The figures of a file, or else of an architecture. Raises InputError."""
    path, folder = source or (None, None)
    usual = size_of_run(folder)
    try:
        model = load_model(path) if path else build(config, config.model)
        graph = trace(model, fitting(model, config.size, usual))
    except ValueError as error:
        raise InputError(f"{config.model}: {reason(error)}") from None
    return figures_of(model, graph)


def find(model: str) -> Optional[tuple[Path, Optional[Path]]]:
    """The .keras file and run folder of a model; None for a network's name or "".

    Raises InputError for what is neither.
    """
    if model in ("", *MODEL_NAMES):
        return None
    if not Path(model).exists():
        raise InputError(
            f"{model}: not a run folder, file or network; the networks are "
            f"{', '.join(MODEL_NAMES)}"
        )
    path, folder = find_model(model)
    if path.suffix != ".keras":
        raise InputError(f"{path}: has no Keras graph; give the run it was made from")
    return path, folder


def size_of_run(folder: Optional[Path]) -> Size:
    """The size that a run's validation images mostly have."""
    size = read_record(folder)["data"].get("size") if folder else None
    return tuple(size) if size else USUAL


def build(config: SummaryConfig, name: str) -> Any:
    """The network of an architecture. Raises ValueError for what cannot be."""
    from kseg.models import build_model

    return build_model(
        name,
        config.num_classes,
        channels=config.channels,
        **network_options(config),
    )


def reason(error: ValueError) -> str:
    """One line. Keras puts a layer's own message, in bold, behind a heading."""
    lines = re.sub(r"\x1b\[\d+m", "", str(error)).strip().splitlines() or [""]
    heading = lines[0].startswith("Exception encountered") and len(lines) > 2
    return lines[2 if heading else 0]


def compare(config: SummaryConfig) -> dict[str, Any]:
    """All architectures on one encoder; of one that cannot be, why."""
    from kseg.models import MODELS

    figures: dict[str, Any] = {}
    for name in bar(MODELS, "architectures"):
        try:
            model = build(config, name)
            graph = trace(model, fitting(model, config.size, USUAL))
        except ValueError as error:
            figures[name] = {"refused": reason(error)}
        else:
            figures[name] = figures_of(model, graph)
        model = graph = None
        gc.collect()  # networks hold themselves: half a gigabyte each, on VGG16
    return {"encoder": config.encoder, "models": figures}


# The figures


def figures_of(model: Any, graph: Graph) -> dict[str, Any]:
    """Everything about a model and its graph at one size, as plain JSON."""
    stride_of = strides(graph)
    deepest = deepest_features(graph, stride_of)
    encoder = encoder_steps(graph)
    decoder = [step for step in graph.steps if step not in encoder]
    return {
        "model": model.name,
        "input": graph.image.shape[1:],
        "output": graph.outputs[0].shape[1:],
        "parameters": model.count_params(),
        "trainable": sum(math.prod(w.shape) for w in model.trainable_weights),
        "multiply_adds": sum(map(multiply_adds, graph.steps)),
        "training_bytes": training_bytes(graph),
        "inference_bytes": inference_bytes(graph),
        "deepest": described(graph, deepest, stride_of),
        "logits": described(graph, graph.outputs[0], stride_of),
        "taps": [described(graph, tap, stride_of) for tap in taps(graph, encoder)],
        "parts": {"encoder": costs(encoder), "decoder": costs(decoder)},
        "expensive": most_expensive(graph),
        "not_counted": uncounted(graph),
    }


def fitting(model: Any, size: Optional[Size], usual: Size) -> Size:
    """The size to look at: `size`, where it is None the fitting one next to `usual`.

    Raises ValueError for a `size` that does not fit. Networks of valid convolutions are
    choosy, and those that others made may have one size alone.
    """
    from kseg.models.layers.sizes import ValidInput

    only = tuple(image_of(model).shape[1:3])
    if None not in only:
        if size not in (None, only):
            raise ValueError(f"takes {sides(only)} alone")
        return only
    for layer in model.layers:
        if isinstance(layer, ValidInput):
            height, width = map(layer.nearest, size or usual)
            if size and size != (height, width):
                raise ValueError(
                    f"takes sides of {layer.least} + k * {layer.step}; "
                    f"nearest is {height}x{width}"
                )
            return height, width
    return size or usual


def encoder_steps(graph: Graph) -> list[Step]:
    """The layers named as the encoder's, and those whose outputs they take."""
    from kseg.models.layers.norm import ENCODER

    inside: list[Step] = []
    taken: set[Tensor] = set()
    for step in reversed(graph.steps):
        if step.layer.name.startswith(ENCODER) or not taken.isdisjoint(step.outputs):
            inside.append(step)
            taken.update(step.inputs)
    return inside[::-1]


def taps(graph: Graph, encoder: Sequence[Step]) -> list[Tensor]:
    """What the encoder gives to layers that are not its own, in order."""
    wanted = {x for step in graph.steps if step not in encoder for x in step.inputs}
    return [out for step in encoder for out in step.outputs if out in wanted]


def deepest_features(graph: Graph, stride_of: dict[Tensor, Stride]) -> Tensor:
    """The last features of the coarsest stride."""
    coarsest = max(stride_of.values())
    return [x for x in graph.tensors if stride_of.get(x) == coarsest][-1]


def described(
    graph: Graph, tensor: Tensor, stride_of: dict[Tensor, Stride]
) -> dict[str, Any]:
    """A tensor's facts; without height and width its size and stride are empty."""
    found = receptive_field(graph, tensor)
    *size, channels = tensor.shape[1:]
    return {
        "layer": tensor.name,
        "stride": [float(side) for side in stride_of.get(tensor, ())],
        "channels": channels,
        "size": size,
        "receptive_field": [found.height, found.width],
        "whole_image": found.whole,
    }


def costs(steps: Sequence[Step]) -> dict[str, int]:
    return {
        "parameters": parameters(steps),
        "multiply_adds": sum(map(multiply_adds, steps)),
    }


def most_expensive(graph: Graph) -> list[dict[str, Any]]:
    steps = sorted(graph.steps, key=multiply_adds, reverse=True)[:EXPENSIVE]
    return [
        {"layer": step.layer.name, **costs([step])}
        for step in steps
        if multiply_adds(step)
    ]
