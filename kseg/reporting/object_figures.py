"""Figures of objects: precision and recall, sizes, kinds of errors."""

from __future__ import annotations

from typing import Any, Sequence

import numpy as np

from kseg.evaluation.metrics.coco_ap import RECALLS, AveragePrecision
from kseg.evaluation.metrics.object_matching import Outcome
from kseg.reporting.chart_names import chart_names, use_fonts
from kseg.reporting.figures import new_figure

CURVE_IOUS = (0.5, 0.75)
MOST_CURVES = 10  # as many colours can be told apart
SIDES = (0, 8, 16, 32, 64, 96, 192, 384)  # in pixels; of squares of the same area
SHORT = 18  # letters of a class name at a curve
# Names for people of the kinds of errors in metrics.json.
KIND_NAMES = {
    "wrong_class": "wrong class",
    "poorly_placed": "poorly placed",
    "duplicate": "duplicate",
    "background": "background",
    "missed": "missed",
}


def precision_recall_figure(precision: AveragePrecision, names: Sequence[str]) -> Any:
    """Draws the precision of each class by recall, at an IoU of 0.5 and of 0.75.

    Classes without objects are left out; of many classes those with the lowest AP are
    drawn.
    """
    figure, both = new_figure(8.6, 3.9, columns=2)
    shown = classes_to_draw(precision, len(names))
    short = chart_names(names, SHORT)
    for axes, iou in zip(both, CURVE_IOUS, strict=True):
        for index in shown:
            axes.plot(RECALLS, precision.curve(index, iou), label=short[index])
        axes.set(xlabel="recall", title=f"IoU {iou}", xlim=(0, 1.01), ylim=(0, 1.02))
        axes.grid(alpha=0.3)
    both[0].set(ylabel="precision")
    if shown:
        lines, labels = both[0].get_legend_handles_labels()
        legend = figure.legend(
            lines, labels, loc="outside lower center", ncols=min(5, len(shown))
        )
        use_fonts(legend.get_texts(), short)
    return figure


def classes_to_draw(precision: AveragePrecision, num_classes: int) -> list[int]:
    """The classes with objects, at most MOST_CURVES: those with the lowest AP."""
    known = [(precision.ap(class_id=index), index) for index in range(num_classes)]
    lowest = sorted((ap, index) for ap, index in known if ap is not None)
    return sorted(index for _, index in lowest[:MOST_CURVES])


def size_counts(outcomes: Sequence[Outcome]) -> np.ndarray:
    """(8, 2) int: objects found and not found, by their size.

    The size is the side of a square of the same area: from one of SIDES to the next.
    """
    result = np.zeros((len(SIDES), 2), int)
    for each in outcomes:
        bins = np.searchsorted(SIDES, np.sqrt(each.areas), side="right") - 1
        for column, chosen in enumerate((each.found, ~each.found)):
            np.add.at(result[:, column], bins[chosen & ~each.crowd], 1)
    return result


def size_names() -> list[str]:
    """The names of the bins of `size_counts`.

    >>> size_names()[0], size_names()[-1]
    ('0–8', '≥ 384')
    """
    bounds = zip(SIDES, SIDES[1:], strict=False)
    return [*(f"{low}–{high}" for low, high in bounds), f"≥ {SIDES[-1]}"]


def size_figure(counts: np.ndarray) -> Any:
    """Draws the `size_counts`, without empty bins at either end."""
    figure, axes = new_figure(5.2, 3.4)
    used = np.flatnonzero(counts.sum(1))
    kept = slice(used[0], used[-1] + 1) if used.size else slice(0, 0)
    names, (found, missing) = size_names()[kept], counts[kept].T
    axes.bar(names, found, 0.8, label="found")
    axes.bar(names, missing, 0.8, bottom=found, label="not found", hatch="//")
    axes.set(xlabel="side in pixels", ylabel="objects")
    axes.yaxis.get_major_locator().set_params(integer=True)
    axes.grid(axis="y", alpha=0.3)
    figure.legend(loc="outside upper center", ncols=2)
    return figure


def error_figure(errors: dict[str, int]) -> Any:
    """Draws the number of errors of each kind as bars."""
    figure, axes = new_figure(5.2, 2.6)
    bars = axes.barh([KIND_NAMES[kind] for kind in errors], list(errors.values()), 0.7)
    axes.bar_label(bars, padding=3)
    axes.invert_yaxis()
    axes.set(xlabel="errors", xlim=(0, 1.15 * max(1, *errors.values())))
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(axis="x", alpha=0.3)
    return figure
