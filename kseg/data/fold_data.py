"""Opens the data of a run as they were divided for its training."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Mapping

from edge.core.errors import InputError
from kseg.core.configs import TrainConfig
from kseg.core.fold_runs import FOLD, read_fold
from kseg.core.runs import read_record
from kseg.data.folds import with_fold
from kseg.data.one_class import data_for
from kseg.data.open import open_data
from kseg.data.sample import Dataset
from kseg.data.some_images import with_some_images


def open_undivided(config: TrainConfig, name: str = "", task: str = "") -> Dataset:
    """The data of a training, whose train split is not divided if there is no val.

    `name` and `task` replace those of the configuration.
    """
    source, scenes = name or config.data, config.objects
    if source != "shapes":
        scenes = 0
    return open_data(source, None, task or config.task, scenes)


def open_training_data(config: TrainConfig, folder: Path) -> Dataset:
    """The data that a training reads; those of a fold as fold.json in `folder` says.

    Raises InputError for data that cannot be opened, or with fewer than --images.
    """
    if config.fold is None:
        data = open_data(config.data, config.seed, config.task, config.objects)
    else:
        data = open_fold(config, folder)
    return with_some_images(data, config.images, config.seed)


def open_fold(
    config: TrainConfig, folder: Path, name: str = "", task: str = ""
) -> Dataset:
    """The data of a fold's run folder; `name` is where they are now, if they moved."""
    data = open_undivided(config, name, task)
    return with_fold(data, read_fold(folder).val, str(folder / FOLD))


def is_data_of_fold(
    config: TrainConfig, folder: Path, name: str, task: str = ""
) -> bool:
    """Whether `name` is the data that a fold was trained on, perhaps moved.

    They have the same path, or the fold's images have the same content.
    """
    if name == config.data or "shapes" in (name, config.data):
        return name == config.data
    if Path(name).resolve() == Path(config.data).resolve():
        return True
    try:
        data = data_for(config.model, open_fold(config, folder, name, task))
    except InputError:
        return False
    return is_same_division(read_record(folder)["data"], data)


def is_same_division(record: Mapping[str, Any], data: Dataset) -> bool:
    """Whether a run was trained on the train split of `data`, by its record of them."""
    return record.get("fingerprint") == data.fingerprint
