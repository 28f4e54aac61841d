"""Show the size, operations and receptive field of networks, without running them.

  kseg summary [MODEL] --encoder mobilenetv2 --size 360x480

- Multiply-adds: one multiplication and one addition each, of convolutions, transposed
  convolutions (per input pixel), dense layers and attention, padding included. Biases,
  normalization, activations, pooling and resizing do not count.
- Receptive field: the extent of the input pixels that can change one output cell, image
  borders aside. "whole": a part of the network pools over the whole image, such as
  squeeze-and-excitation; the receptive field of the other parts is in brackets.
- Activations: float32, one image. Training keeps every layer's output; at inference a
  tensor is kept until the last layer that reads it has run, and normalization,
  activations and sums overwrite an input that no other layer reads. Weights, gradients
  and the workspace of kernels are not included.
"""

from __future__ import annotations

from typing import Any, Optional, Sequence

from kseg.cli.parser import parse
from kseg.cli.tables import write_result
from kseg.core.configs import SummaryConfig
from kseg.core.text import sides

CONFIG = SummaryConfig


def main(argv: Optional[Sequence[str]] = None) -> None:
    config = parse(CONFIG, "kseg summary", __doc__, argv)
    from kseg.api import summary

    figures = summary(config=config).figures
    write_result(config.json, figures)
    if config.json != "-":
        print(report(figures) if config.model else comparison(figures))


# For people


def report(figures: dict[str, Any]) -> str:
    """One model: the facts, the taps, and where the multiply-adds are."""
    deepest, logits = figures["deepest"], figures["logits"]
    several = len(figures["outputs"]) > 1
    last = [("", f"{field(logits)} at {logits['layer']}, the output")]
    if several:  # those of cells have no position
        last = []
    facts = (
        (
            "parameters",
            f"{figures['parameters']:,} ({figures['trainable']:,} trainable)",
        ),
        ("multiply-adds", amount(figures["multiply_adds"])),
        ("coarsest stride", stride(deepest)),
        ("receptive field", f"{field(deepest)} at {deepest['layer']}, the deepest"),
        *last,
        ("activations in training", mebibytes(figures["training_bytes"])),
        ("activations at inference", mebibytes(figures["inference_bytes"])),
    )
    sizes = f"{sides(figures['input'])} -> {output_of(figures)}"
    parts = [f"{figures['model']}, {sizes}", table(facts)]
    if several:
        shapes = [(name, sides(shape)) for name, shape in figures["outputs"].items()]
        parts.append(table(shapes, ("output", "shape")))
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
        output_of(figures, 2),
        f"{figures['parameters']:,}",
        amount(figures["multiply_adds"]),
        field(figures["deepest"]),
        stride(figures["deepest"]),
        mebibytes(figures["training_bytes"]),
        mebibytes(figures["inference_bytes"]),
    )


def output_of(figures: dict[str, Any], axes: Optional[int] = None) -> str:
    """The shape of the output, or its first axes; of several, their number."""
    number = len(figures["outputs"])
    return sides(figures["output"][:axes]) if number == 1 else f"{number} outputs"


def table(rows: Sequence[Sequence[Any]], headers: Sequence[str] = ()) -> str:
    """Aligned columns, the first to the left, those of a table with headers right."""
    from tabulate import tabulate

    if not rows:
        return ""
    align = ("left", *["right" if headers else "left"] * (len(rows[0]) - 1))
    style = "simple" if headers else "plain"
    return tabulate(rows, headers, style, colalign=align, disable_numparse=True)


def stride(entry: dict[str, Any]) -> str:
    """One number if both axes are equal."""
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
