"""augmentation.png of the doctor: images as training would see them."""

from __future__ import annotations

import logging
from pathlib import Path

from edge.core.errors import InputError
from kseg.core import backend
from kseg.core.configs import DoctorConfig, TrainConfig, from_record, to_record
from kseg.core.names import OBJECT_TASKS
from kseg.data.open import open_data
from kseg.reporting.dataset_figures import augmentation_sheet

log = logging.getLogger(__name__)


def draw_augmentation(config: DoctorConfig) -> None:
    """Draws it into `config.output`; a warning if training could not start."""
    try:
        data = open_data(config.data, config.seed)
    except InputError as error:
        log.warning(f"no augmentation.png: training could not start: {error}")
        return
    if data.task in OBJECT_TASKS:
        log.warning(
            f"no augmentation.png: {data.name} is for the task {data.task}; it is "
            "drawn for semantic data only"
        )
        return
    backend.start()
    training = from_record(TrainConfig, to_record(config))
    augmentation_sheet(Path(config.output) / "augmentation.png", training, data)
    log.info(f"augmentation.png is in {config.output}")
