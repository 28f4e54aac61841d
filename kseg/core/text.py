"""Formats numbers for messages and tables."""

from __future__ import annotations

from typing import Sequence


def sides(values: Sequence[float]) -> str:
    """Formats numbers with an x between them.

    >>> sides((224, 224, 3)), sides((2.0, 0.5))
    ('224x224x3', '2x0.5')
    """
    return "x".join(f"{value:.9g}" for value in values)
