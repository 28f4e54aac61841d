"""What a training with a time, `--hours`, must know of the report after it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple


class ReportTime(NamedTuple):
    """Seconds that evaluation, report and the end of the process take.

    `image` is the time of one image, `first` what the first one takes beyond it: it
    builds the graph.
    """

    seconds: float
    image: float
    first: float


# Writes the model and the options of a run to a folder.
WriteRun = Callable[[Path], None]
# Measures the report of a run of a Dataset by making it of a few images.
Rehearse = Callable[[Any, WriteRun], ReportTime]
