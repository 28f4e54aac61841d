"""What figures show of a result: as predicted, or with its segments named."""

from __future__ import annotations

from typing import Callable

from edge.predict.results import Result
from kseg.data.sample import Sample

Shown = Callable[[Sample, Result], Result]


def as_predicted(sample: Sample, result: Result) -> Result:
    """The result itself."""
    return result
