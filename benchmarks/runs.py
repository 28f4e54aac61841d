"""The runs of a comparison, which continues when it is started again."""

from __future__ import annotations

from pathlib import Path
from typing import Callable

from edge.core.log import say
from kseg.core.results import Run
from kseg.core.runs import CHECKPOINT, METRICS


def completed(folder: Path, train: Callable[[bool], Run]) -> Run:
    """The run of a folder; trains it, or the rest of it, if it is not complete.

    `train` is given whether the run is resumed. Raises KeyboardInterrupt if the
    training was stopped.
    """
    if (folder / METRICS).is_file():
        say("already trained")
        return Run.open(folder)
    run = train((folder / CHECKPOINT).is_file())
    if run.stopped:
        # Its metrics are those of a part of the training; without them it is continued.
        (folder / METRICS).unlink(missing_ok=True)
        raise KeyboardInterrupt
    return run
