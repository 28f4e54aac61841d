"""The group of options of a k-fold training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from kseg.core.options import Use, option

MOST_FOLDS = 100
FOLDED = Use(lambda config: config.folds, "without --folds")


@dataclass(frozen=True, kw_only=True)
class FoldOptions:
    """Several trainings, each validated with another part of the images.

    docs/little_data.md describes them.
    """

    title = "Run"

    folds: Optional[int] = option(
        None,
        "train once for each of this many parts of the images, to validate with it",
        basic=True,
        most=MOST_FOLDS,
    )
    fold: Optional[int] = option(
        None,
        "train this fold alone, from 0, such as on another machine",
        FOLDED,
        zero=True,
    )
