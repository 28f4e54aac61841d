"""The option that gives a training a time instead of a number of epochs."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Optional

from kseg.core.options import option

if TYPE_CHECKING:
    from kseg.core.configs import TrainConfig

MOST_EPOCHS = 1_000_000


@dataclass(frozen=True, kw_only=True)
class TimeOptions:
    """How long a training takes."""

    title = "Training"

    hours: Optional[float] = option(
        None,
        "time for everything, report included, such as 0.5; epochs and learning rate "
        "are planned for it. With --epochs, what ends first",
        basic=True,
        most=10_000,
    )


def limited_by_time(config: TrainConfig, given: Collection[str]) -> TrainConfig:
    """The configuration with as many epochs as fit, if it has hours and no --epochs.

    `given` names the options that were given.
    """
    if not config.hours or "epochs" in given:
        return config
    return replace(config, epochs=MOST_EPOCHS)
