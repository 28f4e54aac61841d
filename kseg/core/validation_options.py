"""The group of options of validation during a training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from kseg.core.options import option


@dataclass(frozen=True, kw_only=True)
class ValidationOptions:
    """How often a training is validated."""

    title = "Training"

    validate_every: Optional[int] = option(
        None,
        "epochs from one validation to the next, such as 5 where an epoch takes a "
        "second; default 1, for objects those of about 100 steps",
        most=1_000_000,
    )
