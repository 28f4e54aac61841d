"""The commands as functions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kseg.core.runs import BEST, METRICS, REPORT, write_json
from kseg.data.sample import Dataset
from kseg.evaluation.open import open_segmenter


def report(data: Dataset, folder: Path) -> dict[str, Any]:
    """Evaluates the best weights once; leaves report.html, the pictures, metrics.json.

    Returns the content of metrics.json.
    """
    from kseg.core.runs import HISTORY, read_history
    from kseg.reporting import figures
    from kseg.reporting.page import evaluate_once, write_page

    segmenter = open_segmenter(folder / BEST)
    evaluation = evaluate_once(segmenter, data, "val")
    write_json(folder / METRICS, evaluation.metrics)
    if (folder / HISTORY).is_file():  # not where the first epoch was broken off
        figures.curves(folder / "curves.png", read_history(folder / HISTORY))
    figures.sample_sheet(folder / "samples.png", segmenter, data.split("val"))
    figures.confusion(folder / "confusion.png", evaluation.matrix, data.names)
    write_page(folder / REPORT, folder, evaluation)
    return evaluation.metrics
