"""Changes a result before a figure shows it.

The result of a network is shown unchanged; the segments of a grouping get class names
first (kseg/evaluation/labelled_segments.py).
"""

from __future__ import annotations

from typing import Callable

from edge.predict.results import Result
from kseg.data.sample import Sample

ResultTransform = Callable[[Sample, Result], Result]


def unchanged(sample: Sample, result: Result) -> Result:
    """Returns the result itself."""
    return result
