import csv
import hashlib
import json
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from edge import shapes
from edge.command import BadInput
from edge.metadata import read_info
from kseg.runs import load_model
from kseg.train import main

ROOT = Path(__file__).parents[2]
SMALL = ["--width", "4", "--batch-size", "4", "--size", "64x64"]
METRICS = {
    "images",
    "pixels",
    "mean_iou",
    "pixel_accuracy",
    "mean_accuracy",
    "frequency_weighted_iou",
    "per_class_iou",
}


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def start(*arguments: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_run_leaves_what_the_contract_names(trained):
    metrics = json.loads((trained / "metrics.json").read_text())
    assert set(metrics) == METRICS
    assert metrics["images"] == 4 and metrics["pixels"] == 4 * 64 * 80
    assert tuple(metrics["per_class_iou"]) == shapes.CLASSES
    with (trained / "history.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert [line["epoch"] for line in lines] == ["1", "2"]
    for name in ("model.keras", "last.keras", "curves.png", "confusion.png"):
        assert (trained / name).stat().st_size > 1000
    assert not list(trained.glob(".*part*"))
    # Three pictures a row, four rows, and a column of names.
    assert cv2.imread(str(trained / "samples.png")).shape[1] > 3 * 320


def test_the_shown_metric_is_the_reported_one(trained):
    """Keras's metric over batches and the Segmenter's over files are one definition."""
    reported = json.loads((trained / "metrics.json").read_text())["mean_iou"]
    with (trained / "history.csv").open() as file:
        best = max(float(line["val_mean_iou"]) for line in csv.DictReader(file))
    assert best == pytest.approx(reported, abs=2e-4)


def test_the_best_model_carries_no_optimizer_state(trained):
    """AdamW keeps two more numbers per weight; only --resume needs them."""
    states = {}
    for name in ("model", "last"):
        with zipfile.ZipFile(trained / f"{name}.keras") as archive:
            states[name] = archive.getinfo("model.weights.h5").file_size
    assert states["model"] < 0.6 * states["last"]
    last = load_model(trained / "last.keras", compile=True)
    assert int(last.optimizer.iterations) == 2 * 4


def test_the_model_describes_itself(trained):
    info = read_info(trained / "model.keras")
    assert info.names == shapes.CLASSES
    assert info.colors == shapes.COLORS
    assert info.minimum == 16
    assert info.run["model"] == "unet"


def test_a_run_is_never_overwritten_unasked(trained, data_folder):
    before = digest(trained / "model.keras")
    with pytest.raises(BadInput, match="holds a run already"):
        main(["--data", str(data_folder), "--output", str(trained), *SMALL])
    assert digest(trained / "model.keras") == before


def test_files_that_are_no_run_are_not_touched(data_folder, tmp_path):
    (tmp_path / "holiday.png").write_text("mine")
    (tmp_path / "precious.tflite").write_text("mine")
    arguments = ["--data", str(data_folder), "--output", str(tmp_path), *SMALL]
    assert main([*arguments, "--epochs", "1"]) == 0
    assert (tmp_path / "holiday.png").read_text() == "mine"
    assert (tmp_path / "precious.tflite").read_text() == "mine"


def test_a_file_of_a_name_that_training_writes_is_kept(data_folder, tmp_path):
    (tmp_path / "samples.png").write_text("mine")
    with pytest.raises(BadInput, match="holds a run already"):
        main(["--data", str(data_folder), "--output", str(tmp_path), *SMALL])
    assert (tmp_path / "samples.png").read_text() == "mine"


def test_resume_refuses_what_would_be_another_run(trained, data_folder):
    arguments = ["--output", str(trained), "--resume"]
    with pytest.raises(BadInput, match="--epochs 27: --resume goes on .* 2; leave it"):
        main([*arguments, "--epochs", "27"])
    with pytest.raises(BadInput, match="give one of them"):
        main([*arguments, "--overwrite"])


def test_overwrite_removes_what_belonged_to_the_old_run(data_folder, tmp_path):
    arguments = ["--data", str(data_folder), "--output", str(tmp_path), *SMALL]
    for stale in ("int8.tflite", "parity.json", "config.json"):
        (tmp_path / stale).write_text("{}")
    (tmp_path / "notes.txt").write_text("mine")
    assert main([*arguments, "--epochs", "1", "--overwrite"]) == 0
    assert not (tmp_path / "int8.tflite").exists()
    assert not (tmp_path / "parity.json").exists()
    assert (tmp_path / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--data", "no/such/folder"], "no/such/folder: no such data folder"),
        (["--model", "unett"], "fcn16s"),
        (["--epochs", "0"], "from 1 up"),
        (["--size", "64"], "HEIGHTxWIDTH"),
        (["--weights", "imagenet"], "plain encoder has no pretrained weights"),
        (["--resume"], "to --resume from"),
    ],
)
def test_bad_use_is_one_line(arguments, complaint, tmp_path):
    with pytest.raises(BadInput, match=complaint) as caught:
        main(["--output", str(tmp_path / "run"), *arguments])
    assert "\n" not in str(caught.value)


def test_an_image_below_the_minimum_is_refused_before_training(tmp_path):
    for split in ("train", "val"):
        for kind in ("images", "masks"):
            (tmp_path / split / kind).mkdir(parents=True)
            array = np.zeros((10, 40), np.uint8)
            Image.fromarray(array).save(tmp_path / split / kind / "a.png")
    with pytest.raises(BadInput, match="10x40 is smaller than the network's minimum"):
        main(["--data", str(tmp_path), "--output", str(tmp_path / "run"), *SMALL])


def test_a_refusal_is_status_2_and_one_line_without_traceback(tmp_path):
    process = start("kseg.train", "--data", str(tmp_path / "gone"))
    _, errors = process.communicate()
    assert process.returncode == 2
    assert len(errors.strip().splitlines()) == 1
    assert "gone" in errors and "Traceback" not in errors


def epochs_of(folder: Path) -> list[int]:
    path = folder / "history.csv"
    if not path.exists():
        return []
    with path.open() as file:
        return [int(line["epoch"]) for line in csv.DictReader(file)]


def interrupted(process: subprocess.Popen, folder: Path, after: int) -> str:
    """Waits for `after` epochs, presses Ctrl-C, returns what was logged."""
    while len(epochs_of(folder)) < after:
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    return process.communicate()[1]


@pytest.mark.slow
def test_ctrl_c_keeps_the_run_and_resume_goes_on(data_folder, tmp_path):
    folder = tmp_path / "run"
    arguments = ["--data", str(data_folder), "--output", str(folder), *SMALL]
    process = start("kseg.train", *arguments, "--epochs", "500")
    log = interrupted(process, folder, after=2)
    assert process.returncode == 130, log
    assert "Traceback" not in log
    assert set(json.loads((folder / "metrics.json").read_text())) == METRICS
    done = len(epochs_of(folder))

    last = load_model(folder / "last.keras", compile=True)
    assert int(last.optimizer.iterations) == done * 4  # whole epochs alone

    process = start("kseg.train", "--output", str(folder), "--resume")
    log = interrupted(process, folder, after=done + 2)
    assert process.returncode == 130, log
    assert epochs_of(folder) == list(range(1, len(epochs_of(folder)) + 1))
    assert not list(folder.glob(".*part*"))
    record = json.loads((folder / "config.json").read_text())
    assert record["config"]["epochs"] == 500


def test_a_file_that_goes_bad_during_training_is_named(data_folder, tmp_path):
    """Sound when checked, damaged when read: one line, not TensorFlow's page."""
    import shutil

    from kseg.config import TrainConfig
    from kseg.data import open_data
    from kseg.train import fit

    folder = tmp_path / "data"
    shutil.copytree(data_folder, folder)
    data = open_data(str(folder))
    victim = folder / "train" / "images" / "s3.png"
    victim.write_bytes(victim.read_bytes()[:200])
    config = TrainConfig(data=str(folder), epochs=1, batch_size=4, width=4)
    with pytest.raises(BadInput, match="s3.png: the file ends early"):
        fit(config, data, (64, 64), tmp_path)
