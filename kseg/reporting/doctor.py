"""doctor.png, by task."""

from __future__ import annotations

from pathlib import Path
from typing import Callable, Sequence

from kseg.data.checks.issues import DataIssue
from kseg.data.checks.scan import Scan
from kseg.reporting.dataset_figures import doctor_sheet
from kseg.reporting.dataset_object_figures import object_sheet

# Task -> function (path, scan, issues) that draws doctor.png.
SHEETS: dict[str, Callable[..., None]] = {
    "semantic": doctor_sheet,
    "instance": object_sheet,
    "detection": object_sheet,
}


def draw_doctor(path: Path, scan: Scan, issues: Sequence[DataIssue]) -> None:
    """Draws charts of a data set and images with issues; other tasks as semantic."""
    SHEETS.get(scan.task, doctor_sheet)(path, scan, issues)
