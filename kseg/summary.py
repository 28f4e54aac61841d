"""Says what a network costs and what it sees, without training or running it.

    python -m kseg.summary [MODEL] --encoder mobilenetv2 --size 360x480

MODEL is an architecture's name, a run folder or a .keras file; without it all
architectures are compared. How the figures are made:

- A multiply-add is one multiplication and one addition. Convolutions, transposed ones
  (per pixel of their input) and dense layers count, zeros of padded borders included;
  biases, normalisation, activations, pooling and resizing do not.
- The receptive field is the extent of the pixels that can change one cell, borders left
  aside. "whole" says that some path pools over the whole image, squeeze-and-excite say;
  in brackets is what the other paths see.
- Activations are float32, of one image. Training keeps the image and every layer's
  output. At inference a tensor lives until its last reader has run; normalisation,
  activations and sums write over an input that nobody reads later, other layers do not.
  Weights, gradients and the work space of kernels come on top.
"""

from __future__ import annotations

import gc
import math
import re
from pathlib import Path
from typing import Any, Optional, Sequence

from edge.core.arguments import run
from edge.core.errors import InputError
from kseg import backend
from kseg.config import MODEL_NAMES, Size, SummaryConfig, network_options, parse
from kseg.graph import (
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
from kseg.progress import bar
from kseg.receptive_field import Stride, receptive_field, strides
from kseg.runs import load_model, locate, read_record, write_result

USUAL = (224, 224)  # the size at which papers count
EXPENSIVE = 5  # layers to name


def main(argv: Optional[Sequence[str]] = None) -> None:
    config = parse(SummaryConfig, __doc__, argv)
    known = config.model in ("", *MODEL_NAMES)
    source = None if known else find(config.model)
    backend.start()
    if config.model:
        figures = one(config, source)
        text = report(figures)
    else:
        figures = compare(config)
        text = comparison(figures)
    if config.json != "-":
        print(text)
    write_result(config.json, figures)


# What to look at


def find(name: str) -> tuple[Path, Optional[Path]]:
    """MODEL that is no architecture -> its .keras file and its run folder, if any."""
    if not Path(name).exists():
        raise InputError(
            f"{name}: is no run folder or file, and no architecture; those are "
            f"{', '.join(MODEL_NAMES)}"
        )
    path, folder = locate(name)
    if path.suffix != ".keras":
        raise InputError(
            f"{path}: holds no Keras graph; give the run that it came from"
        )
    return path, folder


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
    from kseg.models.layers import ValidInput

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
    from kseg.models.layers import ENCODER

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


# For people


def report(figures: dict[str, Any]) -> str:
    """One model: the facts, the taps, and where the multiply-adds are."""
    deepest, logits = figures["deepest"], figures["logits"]
    facts = (
        (
            "parameters",
            f"{figures['parameters']:,} ({figures['trainable']:,} trainable)",
        ),
        ("multiply-adds", amount(figures["multiply_adds"])),
        ("coarsest stride", stride(deepest)),
        ("receptive field", f"{field(deepest)} at {deepest['layer']}, the deepest"),
        ("", f"{field(logits)} at {logits['layer']}, the output"),
        ("activations in training", mebibytes(figures["training_bytes"])),
        ("activations at inference", mebibytes(figures["inference_bytes"])),
    )
    sizes = f"{sides(figures['input'])} -> {sides(figures['output'])}"
    parts = [f"{figures['model']}, {sizes}", table(facts)]
    if figures["taps"]:
        parts.append(tap_table(figures["taps"]))
    parts.append(cost_table(figures))
    if figures["not_counted"]:
        parts.append(f"not in the multiply-adds: {', '.join(figures['not_counted'])}")
    return "\n\n".join(filter(None, parts))


def tap_table(found: Sequence[dict[str, Any]]) -> str:
    rows = [
        (
            tap["layer"],
            stride(tap),
            tap["channels"],
            sides(tap["size"]),
            field(tap),
        )
        for tap in found
    ]
    return table(rows, ("tap", "stride", "channels", "size", "receptive field"))


def cost_table(figures: dict[str, Any]) -> str:
    """Encoder and decoder, where there are two, then the most expensive layers."""
    parts = [{"layer": name, **cost} for name, cost in figures["parts"].items()]
    rows = [
        (
            cost["layer"],
            f"{cost['parameters']:,}",
            amount(cost["multiply_adds"]),
            f"{cost['multiply_adds'] / max(1, figures['multiply_adds']):.1%}",
        )
        for cost in (*(parts if figures["taps"] else ()), *figures["expensive"])
    ]
    return table(rows, ("where", "parameters", "multiply-adds", "share"))


def comparison(figures: dict[str, Any]) -> str:
    """A row for each architecture; for those refused, the reason."""
    rows, refused = [], []
    for name, found in figures["models"].items():
        if "refused" in found:
            refused.append(f"{name}: {found['refused']}")
        else:
            rows.append((name, *comparison_row(found)))
    headers = (
        f"on {figures['encoder']}",
        "input",
        "output",
        "parameters",
        "multiply-adds",
        "deepest\nfield",
        "and\nstride",
        "activations\ntraining",
        "activations\ninference",
    )
    return "\n".join(filter(None, [table(rows, headers), *refused]))


def comparison_row(figures: dict[str, Any]) -> tuple[str, ...]:
    return (
        sides(figures["input"]),
        sides(figures["output"][:2]),
        f"{figures['parameters']:,}",
        amount(figures["multiply_adds"]),
        field(figures["deepest"]),
        stride(figures["deepest"]),
        mebibytes(figures["training_bytes"]),
        mebibytes(figures["inference_bytes"]),
    )


def table(rows: Sequence[Sequence[Any]], headers: Sequence[str] = ()) -> str:
    """Aligned columns, the first to the left, those of a table with headers right."""
    from tabulate import tabulate

    if not rows:
        return ""
    align = ("left", *["right" if headers else "left"] * (len(rows[0]) - 1))
    style = "simple" if headers else "plain"
    return tabulate(rows, headers, style, colalign=align, disable_numparse=True)


def sides(values: Sequence[float]) -> str:
    """Numbers with an x between.

    >>> sides((224, 224, 3)), sides((2.0, 0.5))
    ('224x224x3', '2x0.5')
    """
    return "x".join(f"{value:.9g}" for value in values)


def stride(entry: dict[str, Any]) -> str:
    """One number where both axes have the same."""
    down, across = entry["stride"]
    return f"{down:g}" if down == across else sides((down, across))


def field(entry: dict[str, Any]) -> str:
    """The receptive field of one that was `described`."""
    local = sides(entry["receptive_field"])
    if not entry["whole_image"]:
        return local
    return f"whole ({local})" if any(entry["receptive_field"]) else "whole"


def amount(count: int) -> str:
    """A count in four digits or so.

    >>> amount(15_346_630_656), amount(300_774_272), amount(12_345)
    ('15.35 G', '300.8 M', '12,345')
    """
    for unit, name in ((1e9, "G"), (1e6, "M")):
        if count >= unit:
            return f"{count / unit:.4g} {name}"
    return f"{count:,}"


def mebibytes(count: int) -> str:
    return f"{count / 2**20:.1f} MiB"


if __name__ == "__main__":
    run("kseg.summary", main)
