"""The commands train, export and camera in sequence, on several kinds of data."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from edge.core.errors import InputError
from edge.engines.select import open_engine
from edge.model_file.metadata import read_info
from edge.video import scenes
from kseg.cli.evaluate import main as evaluate
from kseg.cli.export import main as export
from kseg.cli.predict import main as predict
from kseg.cli.train import main as train

ROOT = Path(__file__).parents[2]
SIZE = (64, 96)


def write(folder: Path, kind: str, stem: str, array: np.ndarray) -> None:
    (folder / kind).mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(folder / kind / f"{stem}.png"), array)


def binary_set(folder: Path) -> None:
    """Object and background: masks of 0 and 255, no splits, no classes.json."""
    for index in range(24):
        image, mask = scenes.scene(0, index, SIZE)
        write(folder, "images", f"s{index}", image[..., ::-1])
        write(folder, "masks", f"s{index}", (mask > 0).astype(np.uint8) * 255)


def grey_set(folder: Path) -> None:
    """12-bit images in 16-bit grey PNGs; three classes, one row of a mask is void."""
    for index in range(24):
        image, mask = scenes.scene(0, index, SIZE)
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
        (
            binary_set,
            ("background", "foreground"),
            3,
            ["--model", "fcn8s", "--width", "8"],
        ),
        pytest.param(
            *(grey_set, ("class 0", "class 1", "class 2"), 1, ["--width", "8"]),
            marks=pytest.mark.full,
        ),
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
    arguments = ["--data", str(data), "--output", str(run)]
    assert train([*arguments, "--epochs", "2", "--batch-size", "4", *options]) == 0
    export([str(run), "--max-drop", "1"])
    info = read_info(run / "int8.tflite")
    assert info.class_names == names
    parity = json.loads((run / "parity.json").read_text(encoding="utf-8"))
    assert parity["float32"]["agreement"] > 0.999
    record = json.loads((run / "config.json").read_text(encoding="utf-8"))
    assert record["data"]["channels"] == channels

    images_folder = data / "images" if make is binary_set else data / "val" / "images"
    done = subprocess.run(
        [
            sys.executable,
            "edge/camera_demo.py",
            str(run / "int8.tflite"),
            *(
                "--source",
                str(images_folder),
                "--headless",
                "--masks",
                str(tmp_path / "m"),
            ),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    written = sorted((tmp_path / "m").iterdir())
    assert len(written) == len(list(images_folder.iterdir()))
    with Image.open(written[0]) as mask:
        labels = np.asarray(mask)
    assert labels.shape == SIZE and labels.max() < len(names)


@pytest.mark.parametrize(
    ("options", "size", "tile"),
    [
        pytest.param(
            *(["--model", "unet_paper"], ["--size", "204x220"], (204, 220)),
            marks=pytest.mark.slow,
            id="unet_paper",
        ),
        pytest.param(
            *(["--model", "patch"], ["--size", "54x62"], (54, 62)),
            marks=pytest.mark.full,
            id="patch",
        ),
        # 64x80 of the validation images and a border of 27, rounded up to 62 + k * 8.
        pytest.param(
            *(["--model", "patch", "--upsampling", "bilinear"], [], (118, 134)),
            marks=pytest.mark.slow,
            id="patch-bilinear",
        ),
    ],
)
def test_networks_of_valid_convolutions(data_folder, tmp_path, options, size, tile):
    run, report = tmp_path / "run", tmp_path / "report.json"
    arguments = ["--data", str(data_folder), "--output", str(run), "--width", "4"]
    assert train([*arguments, "--epochs", "1", "--batch-size", "4", *options]) == 0
    metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    with (run / "history.csv").open() as file:
        (epoch,) = csv.DictReader(file)
    assert float(epoch["val_mean_iou"]) == pytest.approx(metrics["mean_iou"], abs=2e-4)

    evaluate([str(run), "--json", str(report)])
    assert json.loads(report.read_text(encoding="utf-8")) == metrics

    image_file = tmp_path / "odd.png"
    Image.fromarray(scenes.scene(5, 0, (51, 99))[0]).save(image_file)
    predict([str(run), str(image_file), "--output", str(tmp_path / "p")])
    with Image.open(tmp_path / "p" / "masks" / "odd.png") as mask:
        predicted = np.asarray(mask)
    assert predicted.shape == (51, 99)

    with pytest.raises(InputError, match="the sides must be"):
        export([str(run), "--size", "50x50"])
    export([str(run), "--max-drop", "1", *size])
    info = read_info(run / "int8.tflite")
    sides = info.geometry
    assert sides.valid_border > 0 and sides.smallest_input((1, 1)) == (
        sides.min_input,
        sides.min_input,
    )
    parity = json.loads((run / "parity.json").read_text(encoding="utf-8"))
    assert parity["float32"]["agreement"] > 0.999
    assert open_engine(run / "int8.tflite").size == tile

    done = subprocess.run(
        [
            *(sys.executable, "edge/camera_demo.py", str(run / "float32.tflite")),
            *(
                "--source",
                str(image_file),
                "--headless",
                "--masks",
                str(tmp_path / "m"),
            ),
            *("--stats", str(tmp_path / "stats.json")),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    stats = json.loads((tmp_path / "stats.json").read_text(encoding="utf-8"))
    assert stats["frames"] == 1
    with Image.open(tmp_path / "m" / "000000.png") as mask:
        labels = np.asarray(mask)
    assert (labels == predicted).mean() > 0.999
