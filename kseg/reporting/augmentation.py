"""augmentation.png of the doctor: images as training would see them."""

from __future__ import annotations

import logging
from dataclasses import fields
from pathlib import Path
from typing import Callable

from edge.core.errors import InputError
from kseg.core import backend
from kseg.core.configs import DoctorConfig, TrainConfig, from_record, to_record
from kseg.core.task_defaults import for_task
from kseg.data.open import open_data, task_of_data
from kseg.data.sample import Dataset
from kseg.reporting.dataset_figures import augmentation_sheet
from kseg.reporting.dataset_object_figures import object_augmentation_sheet

log = logging.getLogger(__name__)

# Task -> function (path, config, data) that draws augmentation.png.
SHEETS: dict[str, Callable[[Path, TrainConfig, Dataset], None]] = {
    "semantic": augmentation_sheet,
    "instance": object_augmentation_sheet,
    "detection": object_augmentation_sheet,
}


def training_of(config: DoctorConfig) -> TrainConfig:
    """The training whose augmentation the doctor draws.

    Raises InputError for an option that has no effect on the task of the data.
    """
    given = {f.name for f in fields(config) if getattr(config, f.name) != f.default}
    training = from_record(TrainConfig, to_record(config))
    return for_task(training, given, config.task or task_of_data(config.data))


def draw_augmentation(folder: Path, config: TrainConfig) -> None:
    """Draws it into a folder; a warning if training could not start.

    `config` is that of the training, with the defaults of its task.
    """
    try:
        data = open_data(config.data, config.seed, config.task)
    except InputError as error:
        log.warning(f"no augmentation.png: training could not start: {error}")
        return
    backend.start()
    draw = SHEETS.get(data.task, augmentation_sheet)
    draw(folder / "augmentation.png", config, data)
    log.info(f"augmentation.png is in {folder}")
