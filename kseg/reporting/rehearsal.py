"""How long the report of a run takes: measured on a few of its images."""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from typing import Iterator, Sequence

from kseg.core.progress import evenly_spaced, reported_to
from kseg.core.timing import ReportTime, WriteRun
from kseg.data.chosen import SomeImages
from kseg.data.sample import Dataset, Sample
from kseg.evaluation.temperature import CALIBRATORS
from kseg.evaluation.temperature import IMAGES as CALIBRATED
from kseg.reporting.run_report import write_run_report

IMAGES = 8


@dataclass(frozen=True)
class TimedSplit(SomeImages):
    """The images of a split at `indices`; `times` are when they were read."""

    times: list[float] = field(default_factory=list)

    def read(self, index: int) -> Sample:
        self.times.append(time.monotonic())
        return super().read(index)


def rehearse_report(data: Dataset, write_run: WriteRun) -> ReportTime:
    """Makes the report of a few validation images in a temporary folder, twice.

    `write_run` writes the model and config.json of a run to a folder. The second time
    tells what all images will take: packages are imported by then.
    """
    split = data.split("val")
    total = len(split.sizes)
    chosen = evenly_spaced(total, IMAGES)
    silent = reported_to(lambda progress: None)
    with silent, nothing_logged(), TemporaryDirectory() as name:
        folder = Path(name)
        write_run(folder)
        write_run_report(with_val(data, TimedSplit(split, chosen)), folder)
        few = TimedSplit(split, chosen)
        start = time.monotonic()
        write_run_report(with_val(data, few), folder)
        seconds = time.monotonic() - start
    count = len(few.indices)
    first, image = times_of(few.times[:count])
    others = 0.0
    if data.task in CALIBRATORS:  # which reads images before the evaluation does
        others = (min(total, CALIBRATED) - count) * image
        image = times_of(few.times[count : 2 * count])[1]
    others += (total - count) * image
    # The end of the process frees what training built: 2.7 s of processor time after
    # one of a MobileNetV2 U-Net, about as much as the report of few images.
    ending = seconds
    return ReportTime(seconds + others + ending, image, first)


@contextmanager
def nothing_logged() -> Iterator[None]:
    """Drops the log of the block: it is about a few images, and comes again for all."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def times_of(reads: Sequence[float]) -> tuple[float, float]:
    """When images were read -> what the first takes beyond another, and another.

    >>> times_of([0.0, 5.0, 7.0, 9.0])
    (3.0, 2.0)
    """
    times = [later - read for read, later in pairwise(reads)]
    image = fmean(times[1:]) if times[1:] else 0.0
    return (max(0.0, times[0] - image) if times else 0.0), image


def with_val(data: Dataset, split: TimedSplit) -> Dataset:
    """The data with another val split."""
    return replace(data, splits={**data.splits, "val": split})
