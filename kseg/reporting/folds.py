"""The report of a k-fold training: one page with the values of all folds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edge.core.errors import cannot_be
from edge.core.files import write_text
from kseg.core.fold_summary import summary_rows
from kseg.core.provenance import command_line
from kseg.core.runs import REPORT, read_record, recorded_config
from kseg.reporting.figures import display_name
from kseg.reporting.templates import render


def write_folds_page(folder: Path, summary: dict[str, Any]) -> None:
    """Writes report.html of a k-fold training, which links to those of its folds.

    Raises InputError if it cannot be written.
    """
    record = read_record(folder)
    rows = summary_rows(summary)
    page = render(
        "folds.html",
        name=folder.resolve().name,
        data=record["data"]["name"],
        headline=display_name(summary["headline"]),
        summary=summary,
        total=dict(rows[0][1]),
        classes=rows[1:],
        command=command_line(recorded_config(record)),
    )
    path = folder / REPORT
    try:
        write_text(path, page)
    except OSError as error:
        raise cannot_be("written", path, error) from None
