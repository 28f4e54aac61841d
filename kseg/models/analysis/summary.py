"""Parameters, multiply-adds, memory and receptive field of a network."""

from __future__ import annotations

import gc
import math
import re
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator, Optional, Sequence

from edge.core.errors import InputError
from kseg.core.configs import SummaryConfig, network_options
from kseg.core.options import Size
from kseg.core.progress import bar
from kseg.core.runs import read_record
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

DEFAULT_SIZE = (224, 224)  # the size that papers use
EXPENSIVE = 5  # layers to list


def summarize(
    config: SummaryConfig, source: Optional[tuple[Path, Optional[Path]]]
) -> dict[str, Any]:
    """Summarizes the model file `source` (file, run folder), or an architecture.

    Raises InputError for a file that cannot be loaded, for options that cannot be
    combined and for a size that the network does not accept.
    """
    path, folder = source or (None, None)
    default = size_of_run(folder)
    try:
        model = load_model(path) if path else build(config, config.model)
        graph = trace(model, input_size(model, config.size, default))
    except ValueError as error:
        raise InputError(f"{config.model}: {message_of(error)}") from None
    return summary_of(model, graph)


def size_of_run(folder: Optional[Path]) -> Size:
    """The most frequent size of a run's validation images, or DEFAULT_SIZE."""
    size = read_record(folder)["data"].get("size") if folder else None
    return tuple(size) if size else DEFAULT_SIZE


def build(config: SummaryConfig, name: str) -> Any:
    """Builds an architecture. Raises ValueError for options that cannot be combined."""
    from kseg.models import build_model

    return build_model(
        name,
        config.num_classes,
        channels=config.channels,
        **network_options(config),
    )


def message_of(error: ValueError) -> str:
    """The message in one line. Keras puts a heading above the message of a layer."""
    lines = re.sub(r"\x1b\[\d+m", "", str(error)).strip().splitlines() or [""]
    heading = lines[0].startswith("Exception encountered") and len(lines) > 2
    return lines[2 if heading else 0]


def compare(config: SummaryConfig) -> dict[str, Any]:
    """Summarizes all architectures on one encoder; `refused` holds error messages."""
    from kseg.models import MODELS

    summaries: dict[str, Any] = {}
    with only_new_objects_collected():
        for name in bar(MODELS, "architectures"):
            try:
                model = build(config, name)
                graph = trace(model, input_size(model, config.size, DEFAULT_SIZE))
            except ValueError as error:
                summaries[name] = {"refused": message_of(error)}
            else:
                summaries[name] = summary_of(model, graph)
            model = graph = None
            gc.collect()  # networks have reference cycles; 0.5 GB each, on VGG16
    return {"encoder": config.encoder, "models": summaries}


@contextmanager
def only_new_objects_collected() -> Iterator[None]:
    """Within it, `gc.collect` examines only objects that are made within it.

    It would take half a second to examine those of TensorFlow and Keras.
    """
    before = gc.get_freeze_count()
    gc.freeze()
    try:
        yield
    finally:
        if not before:
            gc.unfreeze()


# --- the summary of one network ---


def summary_of(model: Any, graph: Graph) -> dict[str, Any]:
    """Summarizes a model and its graph at one size, as plain JSON."""
    stride_of = strides(graph)
    deepest = deepest_features(graph, stride_of)
    encoder = encoder_steps(graph)
    decoder = [step for step in graph.steps if step not in encoder]
    return {
        "model": model.name,
        "input": graph.image.shape[1:],
        "output": graph.outputs[0].shape[1:],
        "outputs": {output.name: output.shape[1:] for output in graph.outputs},
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


def input_size(model: Any, size: Optional[Size], default: Size) -> Size:
    """The size to analyse: `size`, or if it is None the one accepted next to `default`.

    Raises ValueError for a `size` that is not accepted. Networks of valid convolutions
    accept only certain sizes, and other models may have a fixed one.
    """
    from kseg.models.layers.sizes import ValidInput

    fixed = tuple(image_of(model).shape[1:3])
    if None not in fixed:
        if size not in (None, fixed):
            raise ValueError(f"the only input size is {sides(fixed)}")
        return fixed
    for layer in model.layers:
        if isinstance(layer, ValidInput):
            height, width = map(layer.nearest, size or default)
            if size and size != (height, width):
                raise ValueError(
                    f"sides must be {layer.min_input} + k * {layer.input_step}; the "
                    f"nearest size is {height}x{width}"
                )
            return height, width
    return size or default


def encoder_steps(graph: Graph) -> list[Step]:
    """The steps of the encoder's layers, and all steps before them."""
    from kseg.models.layers.norm import ENCODER

    found: list[Step] = []
    inputs: set[Tensor] = set()
    for step in reversed(graph.steps):
        if step.layer.name.startswith(ENCODER) or not inputs.isdisjoint(step.outputs):
            found.append(step)
            inputs.update(step.inputs)
    return found[::-1]


def taps(graph: Graph, encoder: Sequence[Step]) -> list[Tensor]:
    """The outputs of the encoder that other layers use, in order."""
    used = {x for step in graph.steps if step not in encoder for x in step.inputs}
    return [out for step in encoder for out in step.outputs if out in used]


def deepest_features(graph: Graph, stride_of: dict[Tensor, Stride]) -> Tensor:
    """The last features of the coarsest stride."""
    coarsest = max(stride_of.values())
    return [x for x in graph.tensors if stride_of.get(x) == coarsest][-1]


def described(
    graph: Graph, tensor: Tensor, stride_of: dict[Tensor, Stride]
) -> dict[str, Any]:
    """Describes a tensor; size and stride are empty if it has no height and width."""
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
