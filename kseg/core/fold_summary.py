"""The values of the folds of a training, with their mean and deviation: folds.json."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean, stdev
from typing import Any, Mapping, Optional

from kseg.core.configs import fold_folder
from kseg.core.fold_runs import is_finished
from kseg.core.object_metrics import PER_CLASS
from kseg.core.runs import METRICS, count_folds, read_json

IOUS = "per_class_iou"  # of metrics.json of the semantic task
AP = "ap"  # of each class in metrics.json of objects


def summarize_folds(folder: Path, headline: str) -> dict[str, Any]:
    """The content of folds.json, from metrics.json of the finished folds.

    `headline` names the metric that decides. `values` are those of each fold by its
    name, `mean` and `std` are over the folds; so for each class in `per_class`. A value
    is None where it is not defined. Each value is of the fold's own images, which its
    network was not trained on.
    """
    count, found = count_folds(folder), {}
    for number in range(count):
        each = fold_folder(folder, number)
        if is_finished(each) and (each / METRICS).is_file():
            found[each.name] = read_json(each / METRICS)
    classes = {name: of_classes(metrics) for name, metrics in found.items()}
    names = list(next(iter(classes.values()), {}))
    return {
        "folds": count,
        "finished": len(found),
        "headline": headline,
        **spread({name: metrics.get(headline) for name, metrics in found.items()}),
        "images": {name: metrics.get("images") for name, metrics in found.items()},
        "per_class": {
            each: spread({fold: own.get(each) for fold, own in classes.items()})
            for each in names
        },
    }


def of_classes(metrics: Mapping[str, Any]) -> dict[str, Optional[float]]:
    """The value of each class in metrics.json: IoU, or AP of objects."""
    if IOUS in metrics:
        return dict(metrics[IOUS])
    rows = metrics.get(PER_CLASS, {})
    return {name: row.get(AP) for name, row in rows.items()}


def spread(values: Mapping[str, Optional[float]]) -> dict[str, Any]:
    """Values by name with their mean and standard deviation.

    The deviation is that of a sample, with n - 1 below: None for fewer than two values.

    >>> spread({"fold0": 0.25, "fold1": 0.75, "fold2": None})["mean"]
    0.5
    """
    known = [value for value in values.values() if value is not None]
    return {
        "mean": fmean(known) if known else None,
        "std": stdev(known) if len(known) > 1 else None,
        "values": dict(values),
    }


def is_summary(metrics: Mapping[str, Any]) -> bool:
    """Whether the content is that of folds.json."""
    return {"folds", "finished", "headline"} <= set(metrics)


def summary_rows(summary: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """A name and a `spread` for each line of a table: the headline, then each class."""
    return [(summary["headline"], dict(summary)), *summary["per_class"].items()]
