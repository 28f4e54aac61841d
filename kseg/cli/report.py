"""Write report.html, one page that shows a run and needs no other file.

  kseg report saved_models/RUN --split test

Training writes it too. This writes it again, for another split or moved data.
"""

from __future__ import annotations

from typing import Optional, Sequence

from edge.core.log import say
from kseg.cli.parser import parse
from kseg.cli.tables import write_result
from kseg.core.configs import ReportConfig

CONFIG = ReportConfig


def main(argv: Optional[Sequence[str]] = None) -> None:
    config = parse(CONFIG, "kseg report", __doc__, argv)
    from kseg.api import report

    done = report(config=config)
    write_result(config.json, done.figures)
    say(f"{done.path} shows the run")
