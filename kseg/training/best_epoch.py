"""Which epoch of a history is the best, and whether none has been better for long."""

from __future__ import annotations

from math import isfinite
from typing import Any


def is_better(
    row: dict[str, Any], history: list[dict[str, Any]], headline: str
) -> bool:
    """Whether an epoch was validated, and its value is the highest so far."""
    value = row[f"val_{headline}"]
    return value is not None and value > best_value(history, headline)


def best_value(history: list[dict[str, Any]], headline: str) -> float:
    """The highest finite `val_{headline}`, or -infinity if there is none."""
    values = (line[f"val_{headline}"] for line in history)
    known = (value for value in values if value is not None and isfinite(value))
    return max(known, default=float("-inf"))


def patience_exhausted(
    history: list[dict[str, Any]], patience: int, headline: str
) -> bool:
    """Whether the last `patience` epochs had no better value. Never if it is 0.

    Epochs that were not validated do not count, nor do those of older versions whose
    value was not finite.
    """
    name = f"val_{headline}"
    validated = [line for line in history if line[name] is not None]
    if not len(validated) > patience > 0:
        return False
    before, since = validated[:-patience], validated[-patience:]
    return best_value(since, headline) <= best_value(before, headline)
