"""Writes report.html, one file that shows a run to people and opens anywhere.

    python -m kseg.report saved_models/RUN --data DIR --split val

Training writes it too; this writes it anew, of another split or where data have moved.
"""

from __future__ import annotations

from pathlib import Path
from typing import Optional, Sequence

from edge.core.errors import InputError
from edge.core.log import say
from kseg.cli.parser import parse
from kseg.cli.tables import write_result
from kseg.core import backend
from kseg.core.configs import ReportConfig
from kseg.core.runs import REPORT
from kseg.evaluation.open import check_classes, data_of, locate, open_predictor
from kseg.reporting.page import evaluate_split, write_page


def main(argv: Optional[Sequence[str]] = None) -> None:
    config = parse(ReportConfig, "kseg.report", __doc__, argv)
    folder = Path(config.run)
    if not folder.is_dir():
        raise InputError(
            f"{folder}: no such run folder; python -m kseg.train makes one"
        )
    path, _ = locate(config.run)
    data = data_of(config.run, folder, config.data, None)
    data.split(config.split)
    backend.start()
    predictor = open_predictor(path)
    check_classes(predictor, data, config.run)
    section = evaluate_split(predictor, data, config.split)
    page = Path(config.output or folder / REPORT)
    write_page(page, folder, section)
    say(f"{page} shows the run")
    write_result(config.json, section.all_metrics())
