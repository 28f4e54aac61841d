"""What a training with a time, `--hours`, must know of what is before and after it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Optional


class ReportTime(NamedTuple):
    """Seconds that evaluation and report take, and what is in them.

    `image` is the time of one image, `first` what the first one takes beyond it: it
    builds the graph.
    """

    seconds: float
    image: float
    first: float


# Writes the model and the options of a run to a folder.
WriteRun = Callable[[Path], None]


@dataclass(frozen=True)
class Timing:
    """When the command began, by time.monotonic, and what measures its report.

    `rehearse` makes the report of a run that its argument writes; None if there is
    no report.
    """

    began: float
    rehearse: Optional[Callable[[WriteRun], ReportTime]] = None
