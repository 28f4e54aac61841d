"""A small data folder and a run trained on it, made once."""

import json
from pathlib import Path

import pytest
from PIL import Image

from edge import shapes

COUNTS = {"train": 16, "val": 4}
SIZE = (64, 80)


def write_pair(folder: Path, stem: str, image, mask) -> None:
    for kind, array in (("images", image), ("masks", mask)):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        Image.fromarray(array).save(folder / kind / f"{stem}.png")


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "tiny"
    for seed, (split, count) in enumerate(COUNTS.items()):
        for index in range(count):
            write_pair(folder / split, f"s{index}", *shapes.scene(seed, index, SIZE))
    classes = [
        {"name": name, "color": color}
        for name, color in zip(shapes.CLASSES, shapes.COLORS, strict=True)
    ]
    (folder / "classes.json").write_text(json.dumps({"classes": classes}))
    return folder


SMALL = ["--width", "4", "--batch-size", "4", "--size", "64x64", "--epochs", "2"]


@pytest.fixture(scope="session")
def trained(data_folder, tmp_path_factory) -> Path:
    """A run folder as kseg.train leaves it. Tests read it and do not write into it."""
    from kseg.train import main

    folder = tmp_path_factory.mktemp("runs") / "tiny"
    arguments = ["--data", str(data_folder), "--output", str(folder)]
    assert main([*arguments, *SMALL]) == 0
    return folder


@pytest.fixture(scope="session")
def exported(trained, tmp_path_factory) -> Path:
    """A copy of `trained`, exported as labels."""
    import shutil

    from kseg.export import main

    folder = tmp_path_factory.mktemp("exports") / "tiny"
    shutil.copytree(trained, folder)
    main([str(folder), "--max-drop", "1", "--calibration-images", "8"])
    return folder
