"""The group of options of the hard-example loss."""

from __future__ import annotations

from dataclasses import dataclass

from kseg.core.options import Share, Use, option

# What runs did that do not record these options.
UNRECORDED = {"hard_probability": 0.0, "hard_share": 0.25}
OF_HARD = Use(lambda config: "ohem" in config.loss, "without ohem in --loss")


@dataclass(frozen=True, kw_only=True)
class HardPixelOptions:
    """Which pixels are hard."""

    title = "Loss"

    hard_probability: Share = option(
        0.7,
        "ohem uses pixels whose class has a lower probability; PIDNet has 0.9",
        OF_HARD,
    )
    hard_share: Share = option(
        1 / 16,
        "least share of the pixels that ohem uses, the hardest ones; over 0",
        OF_HARD,
    )
