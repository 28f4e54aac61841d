"""A small data folder, a run trained on it, and a network of every kind, made once."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from edge.video import scenes

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
    (folder / "classes.json").write_text(json.dumps({"classes": classes}))


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "tiny"
    write_data(folder, COUNTS, SIZE)
    return folder


SMALL = ["--width", "4", "--batch-size", "4", "--size", "64x64", "--epochs", "2"]


@pytest.fixture(scope="session")
def trained(data_folder, tmp_path_factory) -> Path:
    """A run folder as kseg.train leaves it. Tests read it and do not write into it."""
    from kseg.cli.train import main

    folder = tmp_path_factory.mktemp("runs") / "tiny"
    arguments = ["--data", str(data_folder), "--output", str(folder), "--tensorboard"]
    assert main([*arguments, *SMALL]) == 0
    return folder


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
    """A copy of `trained`, exported as labels."""
    import shutil

    from kseg.cli.export import main

    folder = tmp_path_factory.mktemp("exports") / "tiny"
    shutil.copytree(trained, folder)
    main([str(folder), "--max-drop", "1", "--calibration-images", "8"])
    return folder


@dataclass(frozen=True)
class Case:
    """One network of the contract that all of them keep."""

    model: str
    encoder: str = "plain"
    upsampling: str | None = None
    options: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return "-".join(filter(None, (self.model, self.encoder, self.upsampling)))

    def build(self, **more: Any) -> Any:
        import keras

        from kseg.models import build_model

        keras.utils.set_random_seed(0)
        options = {**self.options, "upsampling": self.upsampling, **more}
        return build_model(self.model, CLASSES, self.encoder, **options)


CLASSES = 3
WIDTH = {"width": 4}
FC = {"fc_width": 64}
SLIM = {"alpha": 0.35}
TWO = {
    "fcn32s": ("transposed", "bilinear"),
    "fcn16s": ("transposed", "nearest"),
    "fcn8s": ("transposed", "resize-conv"),
    "unet": ("bilinear", "unpool"),
    "unet_paper": ("transposed", "nearest"),
    "segnet": ("unpool", "bilinear"),
    "hypercolumn": ("bilinear", "transposed"),
    "patch": ("nearest", "bilinear"),
    "dense": (None,),  # it has nothing to enlarge
}
ON_PLAIN = [
    Case(model, "plain", how, {**WIDTH, **(FC if model.startswith("fcn") else {})})
    for model, ways in TWO.items()
    for how in ways
]
LIGHT = [
    Case("unet", "mobilenetv2", "bilinear", SLIM),
    Case("fcn8s", "mobilenetv2", "transposed", {**SLIM, **FC}),
    Case("fcn8s", "alexnet", "transposed", FC),
]
HEAVY = [
    Case("unet", "alexnet", "bilinear"),
    Case("unet", "vgg16", "unpool"),
    Case("fcn8s", "vgg16", "transposed", FC),
    Case("segnet", "vgg16", "unpool"),
    Case("unet", "googlenet", "transposed"),
    Case("fcn32s", "googlenet", "transposed"),
    Case("unet", "resnet50", "resize-conv"),
    Case("unet", "mobilenetv3", "nearest"),
    Case("unet", "efficientnetv2b0", "bilinear"),
]
slow = pytest.mark.slow
CASES = [*ON_PLAIN, *LIGHT, *(pytest.param(case, marks=slow) for case in HEAVY)]


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
