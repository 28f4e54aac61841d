"""The three commands one after the other, on the kinds of data people bring."""

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from edge import shapes
from edge.metadata import read_info
from kseg.export import main as export
from kseg.train import main as train

ROOT = Path(__file__).parents[2]
SIZE = (64, 96)


def write(folder: Path, kind: str, stem: str, array: np.ndarray) -> None:
    (folder / kind).mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(folder / kind / f"{stem}.png"), array)


def binary_set(folder: Path) -> None:
    """Any object against background: masks of 0 and 255, no splits, no classes.json."""
    for index in range(24):
        image, mask = shapes.scene(0, index, SIZE)
        write(folder, "images", f"s{index}", image[..., ::-1])
        write(folder, "masks", f"s{index}", (mask > 0).astype(np.uint8) * 255)


def grey_set(folder: Path) -> None:
    """A 12-bit sensor in 16-bit grey PNGs; three classes, the third's edge is void."""
    for index in range(24):
        image, mask = shapes.scene(0, index, SIZE)
        deep = image.mean(axis=2) * (4095 / 255)
        split = folder / ("train" if index < 18 else "val")
        write(split, "images", f"s{index}", deep.astype(np.uint16))
        write(split, "masks", f"s{index}", np.minimum(mask, 2))
    mask[0] = 255
    write(split, "masks", f"s{index}", np.minimum(mask, 2) | (mask == 255) * 255)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "names", "channels", "options"),
    [
        (binary_set, ("background", "foreground"), 3, ["--model", "fcn8s"]),
        (grey_set, ("class 0", "class 1", "class 2"), 1, []),
        (
            grey_set,
            ("class 0", "class 1", "class 2"),
            1,
            ["--encoder", "mobilenetv2", "--alpha", "0.35"],
        ),
    ],
)
def test_train_export_camera(tmp_path, make, names, channels, options):
    data, run = tmp_path / "set", tmp_path / "run"
    make(data)
    arguments = ["--data", str(data), "--output", str(run), "--width", "8"]
    assert train([*arguments, "--epochs", "6", "--batch-size", "4", *options]) == 0
    export([str(run), "--max-drop", "1"])
    info = read_info(run / "int8.tflite")
    assert info.names == names
    parity = json.loads((run / "parity.json").read_text())
    assert parity["float32"]["agreement"] > 0.999
    record = json.loads((run / "config.json").read_text())
    assert record["data"]["channels"] == channels

    pictures = data / "images" if make is binary_set else data / "val" / "images"
    done = subprocess.run(
        [
            sys.executable,
            "edge/camera_demo.py",
            str(run / "int8.tflite"),
            *("--source", str(pictures), "--headless", "--masks", str(tmp_path / "m")),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    written = sorted((tmp_path / "m").iterdir())
    assert len(written) == len(list(pictures.iterdir()))
    with Image.open(written[0]) as mask:
        labels = np.asarray(mask)
    assert labels.shape == SIZE and labels.max() < len(names)
