"""The metrics that training reported for a run."""

from __future__ import annotations

import json
from math import isfinite, nan
from pathlib import Path
from typing import Any

from edge.core.errors import InputError
from edge.core.inputs import read_text
from kseg.core.runs import HISTORY, METRICS, read_history
from kseg.deploy.parity import metric_name


def read_metrics(folder: Path, headline: str) -> dict[str, Any]:
    """The metrics that training reported, on images of original size.

    Returns {} for a run that was interrupted before. Raises InputError if neither
    metrics.json nor the history has a finite value of the headline metric.
    """
    path = folder / METRICS
    try:
        metrics = json.loads(read_text(path)) if path.is_file() else {}
        value = metrics.get(headline)
    except (ValueError, AttributeError) as error:
        raise InputError(f"{path}: damaged file ({error}); train again") from None
    if not metrics and (folder / HISTORY).is_file():
        column = f"val_{headline}"
        values = [line.get(column, nan) for line in read_history(folder / HISTORY)]
        value = max(filter(isfinite, values), default=None)
    if value is None or not isfinite(value):
        raise InputError(
            f"{folder}: no finite {metric_name(headline)} in {METRICS} or {HISTORY}; "
            "train until an epoch is validated, or check the data with kseg doctor"
        )
    return metrics


def of_headline(metrics: dict[str, Any], headline: str) -> dict[str, Any]:
    """The metrics that measure the same as the headline, and the number of images.

    >>> of_headline({"images": 2, "mask_ap": 0.5, "box_ap50": 0.8}, "box_ap")
    {'images': 2, 'box_ap50': 0.8}
    """
    kind = headline.partition("_")[0]
    return {k: v for k, v in metrics.items() if k.startswith((kind, "images"))}
