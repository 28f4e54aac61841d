"""A small data folder and short runs for the tests of training."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edge.video import scenes
from kseg.core.configs import TrainConfig
from kseg.core.names import OBJECT_TASKS
from kseg.core.task_defaults import for_task
from kseg.data.open import open_data
from kseg.data.sample import Dataset
from kseg.data.shapes import ObjectShapesSplit
from kseg.training.fit import fit
from tests.kseg.conftest import write_pair
from tests.support.once import made_once

SIZE = (32, 32)
COUNTS = {"train": 8, "val": 4}
STEPS = 2  # per epoch, of four images each
TINY = {"model": "dense", "width": 2, "size": SIZE, "batch_size": 4, "epochs": 1}
# A network with an encoder, whose layers have their own prefix, and with dropout.
FCN = {"model": "fcn8s", "width": 4, "fc_width": 8, "upsampling": "nearest"}


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory) -> Path:
    """Eight training images of 32x32 and four for validation."""

    def make(folder: Path) -> None:
        for seed, (split, count) in enumerate(COUNTS.items()):
            for index in range(count):
                pair = scenes.scene(seed, index, SIZE)
                write_pair(folder / "tiny" / split, f"s{index}", *pair)

    return made_once(tmp_path_factory, "tiny-data", make) / "tiny"


@pytest.fixture(scope="session")
def tiny(tiny_folder) -> Dataset:
    return open_data(str(tiny_folder))


Configure = Callable[..., TrainConfig]


@pytest.fixture(scope="session")
def tiny_config(tiny_folder) -> Configure:
    """`tiny_config(output, **options)` makes a TrainConfig of TINY and the options."""

    def configure(output: Path, **options: Any) -> TrainConfig:
        own = {"data": str(tiny_folder), "output": str(output)}
        return TrainConfig(**{**TINY, **own, **options})

    return configure


@pytest.fixture(scope="session")
def train(tiny, tiny_config) -> Callable[..., Path]:
    """`train(folder, **options)` trains with `tiny_config` and returns the folder."""

    def run(folder: Path, **options: Any) -> Path:
        assert not fit(tiny_config(folder, **options), tiny, folder)
        return folder

    return run


@pytest.fixture(scope="session")
def plain_run(train, tmp_path_factory) -> Path:
    """A run of one epoch. Tests only read it."""

    def make(folder: Path) -> None:
        train(folder / "plain", loss="ce")

    return made_once(tmp_path_factory, "plain-run", make) / "plain"


@pytest.fixture(scope="session")
def coarse(train, tmp_path_factory) -> Path:
    """A run of FCN-32s. Tests only read it."""

    def make(folder: Path) -> None:
        train(folder / "fcn32s", **FCN | {"model": "fcn32s"})

    return made_once(tmp_path_factory, "coarse-run", make) / "fcn32s"


@pytest.fixture(scope="session")
def finer(train, coarse, tmp_path_factory) -> Path:
    """A run of FCN-16s with the weights of `coarse` and a frozen encoder."""
    stage = {"model": "fcn16s", "init_from": str(coarse), "encoder_rate": 0.0}

    def make(folder: Path) -> None:
        train(folder / "fcn16s", **FCN | stage)

    return made_once(tmp_path_factory, "finer-run", make) / "fcn16s"


@pytest.fixture(scope="session")
def weighted(train, tmp_path_factory) -> Path:
    """A run with a sum of losses and class weights."""

    def make(folder: Path) -> None:
        train(folder / "weighted", loss="ce+0.5*dice", class_weights="median")

    return made_once(tmp_path_factory, "weighted-run", make) / "weighted"


# --- objects ---

# One level and few channels, as most of the time goes into building the graph.
OBJECTS = {"width": 4, "size": (64, 64), "strides": (8,), "batch_size": 4, "epochs": 1}


def objects_config(task: str = "instance", **options: Any) -> TrainConfig:
    """The configuration of a short training of objects, with the task's defaults."""
    named = {**OBJECTS, **options}
    return for_task(TrainConfig(**named), named, task)


def objects_data(task: str = "instance", train: int = 8, val: int = 4) -> Dataset:
    """Generated scenes of 128x128 with objects."""
    masks = OBJECT_TASKS[task]
    splits = {
        "train": ObjectShapesSplit(0, train, masks),
        "val": ObjectShapesSplit(1, val, masks),
    }
    return replace(open_data("shapes", task=task), splits=splits)


@pytest.fixture(scope="session")
def objects_folder(tmp_path_factory) -> Path:
    """A data folder of objects: eight training images of 64x64 and three to validate.

    Their number is no multiple of the devices.
    """
    folder = tmp_path_factory.mktemp("objects") / "objects"
    for seed, (split, count) in enumerate({"train": 8, "val": 3}.items()):
        for index in range(count):
            image, ids, classes = scenes.scene_objects(seed, index, (64, 64))
            mask = np.append(0, classes + 1)[ids].astype(np.uint8)
            write_pair(folder / split, f"s{index}", image, mask)
            (folder / split / "instances").mkdir(exist_ok=True)
            Image.fromarray(ids).save(folder / split / "instances" / f"s{index}.png")
    return folder
