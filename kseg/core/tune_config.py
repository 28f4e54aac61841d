"""The options of `kseg tune`: its own, and those of the trainings that it makes."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Collection, Optional

from kseg.core.augmentation_options import AugmentationOptions
from kseg.core.batch_norm_options import BatchNormOptions
from kseg.core.configs import TrainConfig
from kseg.core.hard_options import HardPixelOptions
from kseg.core.options import (
    JSON_HELP,
    CropOptions,
    DataOptions,
    LossOptions,
    NetworkOptions,
    Output,
    TrainingOptions,
    option,
)
from kseg.core.part_options import HeadOptions, PartOptions
from kseg.core.teacher_options import TeacherOptions
from kseg.core.validation_options import ValidationOptions

MOST_TRIALS = 10_000


@dataclass(frozen=True, kw_only=True)
class SearchOptions:
    """The time, the trials and the folder of a search."""

    title = "Search"

    hours: float = option(
        8.0,
        "hours in total, over all calls for this folder; the search ends in time",
        basic=True,
        most=10_000,
    )
    trials: int = option(100, "most trials in total", basic=True, most=MOST_TRIALS)
    output: str = option(
        "", "folder of the search; default saved_models/DATA-tune", basic=True
    )
    json: Output = option("", JSON_HELP, basic=True)


@dataclass(frozen=True, kw_only=True)
class TuneConfig(
    SearchOptions,
    AugmentationOptions,
    HardPixelOptions,
    TeacherOptions,
    HeadOptions,
    LossOptions,
    CropOptions,
    BatchNormOptions,
    ValidationOptions,
    TrainingOptions,
    PartOptions,
    NetworkOptions,
    DataOptions,
):
    """Options of `kseg tune`. An option of training that is given is not searched."""

    epochs: Optional[int] = option(
        None,
        "epochs of a trial; default: planned from the time that one takes",
        basic=True,
        group="Training",
        most=1_000_000,
    )

    @property
    def folder(self) -> Path:
        """The folder of the search."""
        data = "shapes" if self.data == "shapes" else Path(self.data).resolve().name
        return Path(self.output or f"saved_models/{data}-tune")


OWN = ("hours", "trials", "output", "json")


def training_of(
    config: TuneConfig, given: Collection[str]
) -> tuple[TrainConfig, set[str]]:
    """The options of the trials as far as they are fixed, and which were given.

    The number of epochs is not planned yet where it was not given.
    """
    names = {field.name for field in dataclasses.fields(TrainConfig)}
    fixed = {name for name in given if name in names and name not in OWN}
    values = {name: getattr(config, name) for name in fixed | {"data"}}
    return TrainConfig(**values), fixed | {"data"}
