"""A small data folder, a run trained on it, and a network of every kind, made once."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edge.video import scenes
from tests.support.networks import CASES, Case
from tests.support.once import made_once

COUNTS = {"train": 16, "val": 4}
SIZE = (64, 80)


def write_pair(folder: Path, stem: str, image, mask) -> None:
    for kind, array in (("images", image), ("masks", mask)):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        Image.fromarray(array).save(folder / kind / f"{stem}.png")


def write_data(folder: Path, counts: dict[str, int], size: tuple[int, int]) -> None:
    """A data folder of so many procedural scenes in each split."""
    for seed, (split, count) in enumerate(counts.items()):
        for index in range(count):
            write_pair(folder / split, f"s{index}", *scenes.scene(seed, index, size))
    classes = [
        {"name": name, "color": color}
        for name, color in zip(scenes.CLASSES, scenes.COLORS, strict=True)
    ]
    (folder / "classes.json").write_text(
        json.dumps({"classes": classes}), encoding="utf-8"
    )


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory) -> Path:
    def make(folder: Path) -> None:
        write_data(folder / "tiny", COUNTS, SIZE)

    return made_once(tmp_path_factory, "data", make) / "tiny"


SMALL = ["--width", "4", "--batch-size", "4", "--size", "64x64", "--epochs", "2"]


@pytest.fixture(scope="session")
def trained(data_folder, tmp_path_factory) -> Path:
    """A run folder as kseg.train leaves it. Tests read it and do not write into it."""

    def make(folder: Path) -> None:
        from kseg.cli.train import main

        places = ["--data", str(data_folder), "--output", str(folder / "tiny")]
        assert main([*places, "--tensorboard", *SMALL]) == 0

    return made_once(tmp_path_factory, "runs", make) / "tiny"


def write_object_data(folder: Path, count: int, size: tuple[int, int]) -> None:
    """A data folder of the same scenes in train and val, with maps of their objects."""
    for split in ("train", "val"):
        for kind in ("images", "instances", "masks"):
            (folder / split / kind).mkdir(parents=True)
        for index in range(count):
            image, instances, class_ids = scenes.scene_objects(0, index, size)
            classes = np.concatenate([[0], class_ids + 1]).astype(np.uint8)[instances]
            arrays = {"images": image, "instances": instances, "masks": classes}
            for kind, array in arrays.items():
                path = folder / split / kind / f"s{index}.png"
                Image.fromarray(array).save(path)
    named = zip(scenes.CLASSES[1:], scenes.COLORS[1:], strict=True)
    classes = [{"name": name, "color": color} for name, color in named]
    content = {"task": "instance", "license": "CC0 1.0", "classes": classes}
    (folder / "classes.json").write_text(json.dumps(content), encoding="utf-8")


@pytest.fixture(scope="session")
def object_data(tmp_path_factory) -> Path:
    def make(folder: Path) -> None:
        write_object_data(folder / "scenes", 8, (64, 64))

    return made_once(tmp_path_factory, "object-data", make) / "scenes"


def train_objects(data: Path, output: Path, task: str) -> None:
    """Trains on the few scenes of `object_data` until objects are found in them."""
    from kseg.cli.train import main

    options = ["--width", "4", "--batch-size", "2", "--size", "64x64", "--epochs", "30"]
    options += ["--strides", "4,8"]  # most of the time goes into building the graph
    options += ["--scale", "1", "--color", "0", "--no-flip", "--ema", "0"]
    options += ["--learning-rate", "0.01", "--weight-decay", "0"]
    places = ["--data", str(data), "--output", str(output), "--task", task]
    assert main([*places, *options]) == 0


@pytest.fixture(scope="session")
def trained_objects(object_data, tmp_path_factory) -> Path:
    """A run of the task instance, which finds most objects. Tests only read it."""

    def make(folder: Path) -> None:
        train_objects(object_data, folder / "objects", "instance")

    return made_once(tmp_path_factory, "object-runs", make) / "objects"


@pytest.fixture(scope="session")
def exported_objects(trained_objects, tmp_path_factory) -> Path:
    """A copy of `trained_objects`, exported to float32 and int8. It is only read."""

    def make(folder: Path) -> None:
        from kseg.cli.export import main

        shutil.copytree(trained_objects, folder / "objects")
        main([str(folder / "objects"), "--max-drop", "1", "--explain"])

    return made_once(tmp_path_factory, "object-exports", make) / "objects"


@pytest.fixture
def reconfigure() -> Callable[..., None]:
    """`reconfigure(folder, **options)` makes another run of a checkpoint's."""
    import numpy as np

    from kseg.core.runs import CHECKPOINT
    from kseg.training.checkpoint import STATE

    def change(folder: Path, **options: Any) -> None:
        path = folder / CHECKPOINT
        with np.load(path) as file:
            arrays = dict(file)
        state = json.loads(arrays[STATE].tobytes())
        state["record"]["config"] |= options
        arrays[STATE] = np.frombuffer(json.dumps(state).encode(), np.uint8)
        np.savez(path, **arrays)

    return change


@pytest.fixture(scope="session")
def exported(trained, tmp_path_factory) -> Path:
    """A copy of `trained`, exported as labels. It too is only read."""

    def make(folder: Path) -> None:
        from kseg.cli.export import main

        shutil.copytree(trained, folder / "tiny")
        options = ["--max-drop", "1", "--calibration-images", "8"]
        main([str(folder / "tiny"), *options])

    return made_once(tmp_path_factory, "exports", make) / "tiny"


@pytest.fixture(scope="session", params=CASES, ids=str)
def case(request) -> Case:
    """Each network of the registry in two upsamplings, and each encoder."""
    return request.param


@pytest.fixture(scope="session")
def network(case) -> Any:
    """The network of `case`, its weights as they start. Tests do not change it."""
    return case.build()


@pytest.fixture(scope="session")
def engine(network) -> Any:
    """`network` traced once, for images of any size."""
    from kseg.models.keras_engine import KerasEngine

    return KerasEngine(network)


@pytest.fixture(scope="session")
def rebuilt(case) -> Any:
    """The network of `case`, built a second time."""
    return case.build()
