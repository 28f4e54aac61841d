"""The group of options of batch normalization in the saved models."""

from __future__ import annotations

from dataclasses import dataclass

from kseg.core.options import option


@dataclass(frozen=True, kw_only=True)
class BatchNormOptions:
    """How batch normalization's statistics are estimated for what is saved."""

    title = "Training"

    refresh_batch_norm: int = option(
        0,
        "training images, such as 200, on which the saved model's batch normalization "
        "is estimated anew before each validation; 0 is off",
        zero=True,
        most=1_000_000,
    )
