"""The figure of a comparison: points for each variant, or a learning curve."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Sequence

Rows = Sequence[dict[str, Any]]  # as benchmarks.ablation writes them


def draw(path: Path, rows: Rows) -> None:
    """Draws the value of each training as a point, and the mean of each variant.

    Variants that differ in nothing but their number of images are drawn as a curve over
    that number.
    """
    from kseg.reporting.figures import new_figure, save_figure

    curve = is_curve(rows)
    figure, axes = new_figure(8, 4 if curve else 1.2 + 0.4 * len(rows))
    (draw_curve if curve else draw_variants)(axes, rows)
    save_figure(figure, path)


def is_curve(rows: Rows) -> bool:
    """Whether the variants differ in nothing but their number of images.

    >>> is_curve([{"options": {}}, {"options": {"images": 20}}])
    True
    >>> is_curve([{"options": {}}, {"options": {"images": 20, "width": 8}}])
    False
    """
    return len(rows) > 1 and all(row["options"].keys() <= {"images"} for row in rows)


def draw_variants(axes: Any, rows: Rows) -> None:
    """A line of points for each variant, from top to bottom."""
    for index, row in enumerate(rows):
        known = known_values(row)
        axes.plot(known, [-index] * len(known), "o", color="C0", alpha=0.6)
        if row["mean"] is not None:
            axes.plot([row["mean"]], [-index], "|", color="black", markersize=16)
    axes.set_yticks([-index for index in range(len(rows))], [r["name"] for r in rows])
    axes.set_ylim(-len(rows) + 0.5, 0.5)
    axes.set_xlabel(label(rows))
    axes.grid(axis="x", alpha=0.3)


def draw_curve(axes: Any, rows: Rows) -> None:
    """The values over the number of images, which is drawn as a logarithm."""
    from matplotlib.ticker import NullLocator

    ordered = sorted(rows, key=lambda row: row["images"])
    for row in ordered:
        known = known_values(row)
        axes.plot([row["images"]] * len(known), known, "o", color="C0", alpha=0.6)
    means = [(row["images"], row["mean"]) for row in ordered if row["mean"] is not None]
    axes.plot(*zip(*means, strict=True), color="C0")
    axes.set_xscale("log")
    axes.xaxis.set_minor_locator(NullLocator())
    ticks = [row["images"] for row in ordered]
    axes.set_xticks(ticks, [str(number) for number in ticks])
    axes.set_xlabel("images in train")
    axes.set_ylabel(f"{label(rows)} on val")
    axes.grid(alpha=0.3)


def known_values(row: dict[str, Any]) -> list[float]:
    return [value for value in row["values"].values() if value is not None]


def label(rows: Rows) -> str:
    from kseg.reporting.figures import display_name

    return display_name(rows[0]["headline"])
