"""Which options of a training are searched, and in which ranges."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Collection, Union

from kseg.core.configs import TrainConfig
from kseg.core.names import OBJECT_TASKS
from kseg.core.task_defaults import UNUSED, UNUSED_BY_MODEL

DIGITS = 3  # significant digits of a number that is tried


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`; with `log`, equally often in each power of ten."""

    low: float
    high: float
    log: bool = False

    def suggest(self, trial: Any, name: str) -> float:
        """The value of a trial of Optuna, with few digits."""
        value = trial.suggest_float(name, self.low, self.high, log=self.log)
        return float(f"{value:.{DIGITS}g}")


@dataclass(frozen=True)
class Choice:
    """One of several values."""

    values: tuple[Any, ...]

    def suggest(self, trial: Any, name: str) -> Any:
        """The value of a trial of Optuna."""
        return trial.suggest_categorical(name, list(self.values))


Space = dict[str, Union[Range, Choice]]
# The learning rate is searched from its default divided by the first to its default
# times the second.
RATE_BELOW, RATE_ABOVE = 10, 5
AVERAGES = (0.0, 0.9, 0.98)  # --ema; a longer memory than a short trial is of no use
AVERAGES_OF_OBJECTS = (0.0, 0.99, 0.999)
LOSSES = ("ce", "ce+dice", "ohem+0.5*dice", "ce+lovasz")


def search_space(config: TrainConfig, given: Collection[str]) -> Space:
    """The options that are searched, at most eight: those not in `given`.

    `config` has the defaults of its task, around which the learning rate is searched.
    Options that its task or network does not have are left out, and --encoder-rate
    without pretrained weights.
    """
    rate = config.peak_rate
    averages = AVERAGES_OF_OBJECTS if config.task in OBJECT_TASKS else AVERAGES
    space: Space = {
        "learning_rate": Range(rate / RATE_BELOW, rate * RATE_ABOVE, log=True),
        "weight_decay": Range(1e-5, 0.1, log=True),
        "encoder_rate": Range(0.03, 1.0, log=True),
        "loss": Choice(LOSSES),
        "scale": Range(1.0, 2.5),
        "color": Range(0.0, 0.5),
        "rare_crops": Range(0.0, 0.5),
        "ema": Choice(averages),
    }
    unused = {*UNUSED.get(config.task, ()), *UNUSED_BY_MODEL.get(config.model, ())}
    if config.weights == "none" and not config.init_from:
        unused.add("encoder_rate")
    return {n: x for n, x in space.items() if n not in unused and n not in given}


def default_point(config: TrainConfig, space: Space) -> dict[str, Any]:
    """The values of the options without a search: the first trial."""
    known = replace(config, learning_rate=config.peak_rate)
    return {name: getattr(known, name) for name in space}


def suggested(trial: Any, space: Space) -> dict[str, Any]:
    """The options of a trial of Optuna, by name."""
    return {name: each.suggest(trial, name) for name, each in space.items()}
