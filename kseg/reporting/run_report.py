"""Writes the report page, the figures and metrics.json after training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kseg.core.runs import (
    BEST,
    CURVES,
    HISTORY,
    METRICS,
    REPORT,
    read_history,
    write_json,
)
from kseg.data.sample import Dataset
from kseg.evaluation.open import open_predictor
from kseg.evaluation.temperature import calibrated
from kseg.reporting import figures
from kseg.reporting.page import evaluate_split, write_page
from kseg.reporting.tasks import FIGURES


def write_run_report(data: Dataset, folder: Path) -> dict[str, Any]:
    """Evaluates the best weights once; writes report.html, figures and metrics.json.

    Before, their confidence is calibrated, in their file too. Returns the content of
    metrics.json.
    """
    best = folder / BEST
    predictor = calibrated(best, open_predictor(best), data)
    section = evaluate_split(predictor, data, "val")
    write_json(folder / METRICS, section.metrics)
    headline = section.evaluator.headline
    if (folder / HISTORY).is_file():  # missing if the first epoch was interrupted
        figures.curves(folder / CURVES, read_history(folder / HISTORY), headline)
    FIGURES[data.task](folder, predictor, data.split("val"), section.evaluator)
    write_page(folder / REPORT, folder, section)
    return section.metrics
