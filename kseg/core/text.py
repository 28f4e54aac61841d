"""Numbers as people read them."""

from __future__ import annotations

from typing import Sequence


def sides(values: Sequence[float]) -> str:
    """Numbers with an x between.

    >>> sides((224, 224, 3)), sides((2.0, 0.5))
    ('224x224x3', '2x0.5')
    """
    return "x".join(f"{value:.9g}" for value in values)
