"""The command: what it leaves, what it refuses, how it ends."""

import csv
import hashlib
import json
import shutil
import zipfile
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest
from PIL import Image

import kseg.models  # noqa: F401 - registers the layers for Keras
from edge.core.errors import GateFailed, InputError
from edge.model_file.metadata import read_info
from edge.video import scenes
from kseg.cli.evaluate import main as evaluate
from kseg.cli.export import main as export
from kseg.cli.report import main as report
from kseg.cli.train import main
from kseg.core.runs import CHECKPOINT
from kseg.training.checkpoint import read
from tests.kseg.training.helpers import start

ROOT = Path(__file__).parents[3]
SMALL = "--model dense --width 2 --batch-size 4 --size 32x32".split()
PAPER = ["--model", "unet_paper", "--width", "4"]
METRICS = {
    "images",
    "pixels",
    "mean_iou",
    "pixel_accuracy",
    "mean_accuracy",
    "frequency_weighted_iou",
    "per_class_iou",
    "boundary_iou",
    "boundary_distance_of_diagonal",
    "per_class_boundary_iou",
    "mean_iou_per_image",
    "component_ap50",
    "per_class_component_ap50",
    "expected_calibration_error",
    "temperature",
    "calibration_error_before",
    "calibration_error_after",
}


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_run_leaves_what_the_contract_names(trained):
    metrics = json.loads((trained / "metrics.json").read_text(encoding="utf-8"))
    assert set(metrics) == METRICS
    assert metrics["images"] == 4 and metrics["pixels"] == 4 * 64 * 80
    assert tuple(metrics["per_class_iou"]) == scenes.CLASSES
    with (trained / "history.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert [line["epoch"] for line in lines] == ["1", "2"]
    pages = ("report.html", "curves.png", "confusion.png")
    for name in ("model.keras", "last.keras", *pages):
        assert (trained / name).stat().st_size > 1000
    assert not list(trained.glob(".*part*"))
    # Three pictures a row, four rows, and a column of names.
    assert cv2.imread(str(trained / "samples.png")).shape[1] > 3 * 320


def test_the_shown_metric_is_the_reported_one(trained):
    """Keras's metric over batches and the evaluator's over files are one definition."""
    reported = json.loads((trained / "metrics.json").read_text(encoding="utf-8"))[
        "mean_iou"
    ]
    with (trained / "history.csv").open() as file:
        best = max(float(line["val_mean_iou"]) for line in csv.DictReader(file))
    assert best == pytest.approx(reported, abs=2e-4)


def test_models_carry_no_optimizer_state(trained):
    """AdamW keeps two more numbers per weight; only --resume needs them."""
    for name in ("model", "last"):
        with zipfile.ZipFile(trained / f"{name}.keras") as archive:
            state = archive.getinfo("model.weights.h5").file_size
        assert state < 0.6 * (trained / CHECKPOINT).stat().st_size
        assert not keras.models.load_model(trained / f"{name}.keras").compiled
    assert read(trained / CHECKPOINT).step == 2 * 4


def test_the_model_describes_itself(trained):
    info = read_info(trained / "model.keras")
    assert info.class_names == scenes.CLASSES
    assert info.colors == scenes.COLORS
    assert info.geometry.minimum == 16
    assert info.run["model"] == "unet"


def test_a_run_is_never_overwritten_unasked(trained, data_folder):
    before = digest(trained / "model.keras")
    with pytest.raises(InputError, match="already has a run"):
        main(["--data", str(data_folder), "--output", str(trained), *SMALL])
    assert digest(trained / "model.keras") == before


def test_files_that_are_no_run_are_not_touched(data_folder, tmp_path):
    (tmp_path / "holiday.png").write_text("mine", encoding="utf-8")
    (tmp_path / "precious.tflite").write_text("mine", encoding="utf-8")
    arguments = ["--data", str(data_folder), "--output", str(tmp_path), *SMALL]
    assert main([*arguments, "--epochs", "1"]) == 0
    assert (tmp_path / "holiday.png").read_text(encoding="utf-8") == "mine"
    assert (tmp_path / "precious.tflite").read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize("name", ["samples.png", "report.html", "tensorboard"])
def test_a_file_of_a_name_that_training_writes_is_kept(name, data_folder, tmp_path):
    (tmp_path / name).write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match="already has a run"):
        main(["--data", str(data_folder), "--output", str(tmp_path), *SMALL])
    assert (tmp_path / name).read_text(encoding="utf-8") == "mine"


def test_resume_refuses_what_would_be_another_run(trained, data_folder):
    arguments = ["--output", str(trained), "--resume"]
    with pytest.raises(
        InputError, match="--epochs 27: .* started with 2, .*; leave the option"
    ):
        main([*arguments, "--epochs", "27"])
    with pytest.raises(InputError, match="give one of them"):
        main([*arguments, "--overwrite"])


def test_overwrite_removes_what_belonged_to_the_old_run(data_folder, tmp_path):
    arguments = ["--data", str(data_folder), "--output", str(tmp_path), *SMALL]
    for stale in ("int8.tflite", "parity.json", "config.json"):
        (tmp_path / stale).write_text("{}", encoding="utf-8")
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    (tmp_path / "tensorboard").mkdir()
    assert main([*arguments, "--epochs", "1", "--overwrite"]) == 0
    assert not (tmp_path / "tensorboard").exists()
    assert not (tmp_path / "int8.tflite").exists()
    assert not (tmp_path / "parity.json").exists()
    assert (tmp_path / "notes.txt").read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--data", "no/such/folder"], "no/such/folder: no such data folder"),
        (["--model", "unett"], "fcn16s"),
        (["--epochs", "0"], "of at least 1"),
        (["--size", "64"], "HEIGHTxWIDTH"),
        (["--weights", "imagenet"], "encoder plain has no pretrained weights"),
        (["--resume"], "to resume from"),
        (["--encoder-rate", "1.5"], "--encoder-rate 1.5: must be from 0 to 1"),
        (["--model", "dense", "--encoder-rate", "0.5"], "dense has no encoder"),
        (["--model", "patch", "--encoder-rate", "0"], "patch has no encoder"),
        ([*PAPER, "--encoder-rate", "0"], "unet_paper has no encoder"),
        ([*PAPER, "--size", "200x188"], "network; use 204x204"),
        ([*PAPER, "--size", "64x64"], "network; use 204x204"),
        (["--model", "patch", "--size", "64x64"], "46 . k . 8 pixels.* 70x70"),
        (["--model", "fcn32s", "--size", "16x64"], "network's minimum is 32x32"),
        (
            ["--upsampling", "unpool", "--encoder", "mobilenetv2", "--alpha", "0.35"],
            "mobilenetv2 has no 2x2 max pooling",
        ),
        (["--fc-width", "8"], "unet on plain has no option `fc_width`, got 8"),
        (["--alpha", "0.5"], "unet on plain has no option `alpha`, got 0.5"),
        (
            ["--model", "dense", "--upsampling", "nearest"],
            "dense has no option `upsampling`",
        ),
        (
            ["--model", "patch", "--encoder", "vgg16"],
            "patch does not use an encoder, got encoder vgg16",
        ),
        (["--weights", "gone.weights.h5"], "a file, got 'gone.weights.h5'"),
        (["--init-from", "no/run"], "no/run: no such run folder or model file"),
        (
            ["--loss", "ce+dyce"],
            "--loss 'ce.dyce': unknown loss 'dyce'; use one of ce, dice",
        ),
        (["--loss", "2*ce+x*dice"], "factor 'x' must be a number over 0"),
        (["--class-weights", "mean"], "none.*median.*log"),
        (
            ["--loss", "dice", "--class-weights", "log"],
            "--loss 'dice': does not support --class-weights; add one of ce, focal",
        ),
        (
            ["--loss", "lovasz+dice", "--border-weight", "10"],
            "--loss 'lovasz.dice': does not support --border-weight",
        ),
    ],
)
def test_bad_use_is_one_line(arguments, complaint, tmp_path):
    with pytest.raises(InputError, match=complaint) as caught:
        main(["--output", str(tmp_path / "run"), *arguments])
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "arguments",
    [[], ["--model", "fcn32s"], ["--encoder", "mobilenetv2", "--alpha", "0.35"]],
    ids=["unet", "fcn32s", "mobilenetv2"],
)
def test_weights_of_another_network_are_refused(arguments, tmp_path):
    import keras

    other = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    path = tmp_path / "other.weights.h5"
    other.save_weights(path)
    with pytest.raises(InputError, match="other.weights.h5: .* do not fit") as caught:
        main(["--output", str(tmp_path / "run"), "--weights", str(path), *arguments])
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_refusal_leaves_the_run_that_would_be_overwritten(trained, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(trained, folder)
    arguments = ["--output", str(folder), "--overwrite", "--model", "patch"]
    with pytest.raises(InputError, match="network; use 70x70"):
        main([*arguments, "--size", "64x64"])
    for path in filter(Path.is_file, trained.rglob("*")):
        assert digest(folder / path.relative_to(trained)) == digest(path)


def test_an_image_below_the_minimum_is_refused_before_training(tmp_path):
    for split in ("train", "val"):
        for kind in ("images", "masks"):
            (tmp_path / split / kind).mkdir(parents=True)
            array = np.zeros((10, 40), np.uint8)
            Image.fromarray(array).save(tmp_path / split / kind / "a.png")
    own = ["--data", str(tmp_path), "--output", str(tmp_path / "run")]
    with pytest.raises(InputError, match="10x40 is smaller than the network's minimum"):
        main([*own, "--width", "4", "--batch-size", "1", "--size", "32x32"])


def test_a_refusal_is_status_2_and_one_line_without_traceback(tmp_path):
    process = start("kseg.train", "--data", str(tmp_path / "gone"))
    _, errors = process.communicate()
    assert process.returncode == 2
    assert len(errors.strip().splitlines()) == 1
    assert "gone" in errors and "Traceback" not in errors


EXPLODING = "--optimizer sgd --learning-rate 1e30 --warmup-steps 0 --epochs 1".split()


def test_a_loss_that_is_not_finite_is_status_3_and_no_report(data_folder, tmp_path):
    """And the commands after it say in a line what the run has not."""
    folder = tmp_path / "run"
    own = ["--data", str(data_folder), "--output", str(folder), *SMALL, *EXPLODING]
    with pytest.raises(GateFailed, match="the loss is nan; use a smaller") as caught:
        main([*own, "--save-seconds", "0"])
    assert caught.value.status == 3
    assert [path.name for path in folder.iterdir()] == [CHECKPOINT]
    complaint = "has no model.keras: training ended before .*--resume"
    for command in (export, evaluate, report):
        with pytest.raises(InputError, match=complaint) as refusal:
            command([str(folder)])
        assert "\n" not in str(refusal.value)
