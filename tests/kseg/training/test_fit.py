"""The files of a training, and how it ends."""

import csv
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace

import keras
import numpy as np
import pytest

from edge.core.errors import GateFailed, InputError
from kseg.core.runs import BEST, CHECKPOINT, HISTORY, LAST
from kseg.data.open import open_data
from kseg.evaluation.metrics.keras_metrics import MeanIoU
from kseg.models.saving import load_model
from kseg.reporting.run_report import write_run_report
from kseg.training.fit import fit
from kseg.training.losses.segmentation import SegmentationLoss
from tests.kseg.training.conftest import STEPS
from tests.kseg.training.helpers import ROOT, epochs_of, files_of

SLOW = pytest.mark.slow


def lines_of(folder) -> list[dict[str, str]]:
    with (folder / HISTORY).open() as file:
        return list(csv.DictReader(file))


@pytest.fixture
def complete(plain_run):
    """A run of one epoch. Tests only read it."""
    return plain_run


def test_the_columns_of_the_history(complete):
    (line,) = lines_of(complete)
    values = ["loss", "mean_iou", "val_loss", "val_mean_iou"]
    assert list(line) == ["epoch", "seconds", "learning_rate", *values]


def test_validation_equals_keras_over_the_val_split(complete, tiny):
    """Exactly, with the saved weights."""
    model = load_model(complete / LAST)
    model.compile(loss=SegmentationLoss("ce"), metrics=[MeanIoU(tiny.num_classes)])
    split = tiny.split("val")
    images, masks = zip(*(split.read(i) for i in range(4)), strict=True)
    expected = model.evaluate(
        np.stack(images).astype(np.float32),
        np.stack(masks),
        batch_size=4,
        verbose=0,
        return_dict=True,
    )
    (line,) = lines_of(complete)
    for name, value in expected.items():
        assert float(line[f"val_{name}"]) == value


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["bfloat16", pytest.param("float16", marks=SLOW)])
def test_the_saved_model_of_a_half_precision_run_is_float32(
    precision, train, tiny, tmp_path
):
    train(tmp_path, precision=precision, ema=0.5)
    model = load_model(tmp_path / BEST)
    assert {layer.compute_dtype for layer in model.layers} == {"float32"}
    assert keras.config.dtype_policy().name == "float32"
    (line,) = lines_of(tmp_path)
    assert 0 < float(line["loss"]) < 5
    found = write_run_report(tiny, tmp_path)["mean_iou"]
    assert float(line["val_mean_iou"]) == pytest.approx(found, abs=2e-4)


def test_training_ends_after_patience_epochs_without_improvement(
    train, tiny, tiny_config, tmp_path, monkeypatch
):
    """With a learning rate of almost 0 nothing improves."""
    # Batch norm would still update its statistics.
    monkeypatch.setattr("kseg.training.fit.set_batch_norm_momentum", freeze_batch_norm)
    still = {"learning_rate": 1e-12, "weight_decay": 0.0, "patience": 2, "epochs": 9}
    train(tmp_path, **still)
    assert epochs_of(tmp_path) == [1, 2, 3]
    assert not fit(tiny_config(tmp_path, **still, resume=True), tiny, tmp_path)
    assert epochs_of(tmp_path) == [1, 2, 3]


def freeze_batch_norm(model, steps) -> None:
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 1.0


def test_the_error_names_a_file_damaged_during_training(
    tiny_folder, tiny_config, tmp_path
):
    """Intact when checked, damaged when read: the error is one line."""
    folder = tmp_path / "data"
    shutil.copytree(tiny_folder, folder)
    data = open_data(str(folder))
    damaged = folder / "train" / "images" / "s3.png"
    damaged.write_bytes(damaged.read_bytes()[:200])
    with pytest.raises(InputError, match="s3.png: the file is truncated"):
        fit(tiny_config(tmp_path / "run", data=str(folder)), data, tmp_path / "run")


# --- values that are not finite ---

EXPLODING = {"optimizer": "sgd", "learning_rate": 1e30, "warmup_steps": 0}


def refused(config, data, folder) -> str:
    with pytest.raises(GateFailed) as caught:
        fit(config, data, folder)
    message = str(caught.value)
    assert "\n" not in message and "a smaller --learning-rate than 1e+30" in message
    assert f"kseg doctor {config.data}" in message
    assert_finite(folder)
    return message


def assert_finite(folder) -> None:
    """No file of a run has a value that is nan or infinite."""
    for name in (BEST, LAST):
        if (folder / name).exists():
            for array in load_model(folder / name).get_weights():
                assert np.isfinite(array).all()
    if (folder / CHECKPOINT).exists():
        with np.load(folder / CHECKPOINT) as arrays:
            for name in arrays.files:
                assert np.isfinite(arrays[name]).all(), name
    for path in (*folder.glob("*.json"), *folder.glob("*.csv")):
        assert "nan" not in path.read_text(encoding="utf-8").lower()


# After one such step the weights are huge but finite. float32 overflows in the next
# step or, where batch norm divides by infinity, in the one after that.
FIRST_LOSS = r"epoch 1, step [23] of 4: the loss is nan; "


@pytest.mark.parametrize("save_seconds", [0.0, 60.0])
def test_training_ends_at_the_first_loss_that_is_not_finite(
    save_seconds, tiny, tiny_config, tmp_path
):
    own = {"batch_size": 2, "save_seconds": save_seconds, **EXPLODING}
    message = refused(tiny_config(tmp_path, **own), tiny, tmp_path)
    assert re.match(FIRST_LOSS, message)
    assert f"{tmp_path} has no model yet" in message
    assert "--precision" not in message  # it is float32 already
    kept = {} if save_seconds else {CHECKPOINT}
    assert set(files_of(tmp_path)) == set(kept)
    assert ("--resume continues from step 1" in message) == bool(kept)


def test_saved_files_are_kept_and_resume_continues_from_them(
    complete, tiny, tiny_config, reconfigure, tmp_path, capsys
):
    """A normal epoch, one that diverges, and that one resumed."""
    shutil.copytree(complete, tmp_path, dirs_exist_ok=True)
    intact = files_of(tmp_path)
    reconfigure(tmp_path, epochs=3)
    before = files_of(tmp_path)[CHECKPOINT]
    config = tiny_config(tmp_path, loss="ce", resume=True, epochs=3)
    exploding = replace(config, learning_rate=1e30, warmup_steps=0)
    message = refused(exploding, tiny, tmp_path)
    assert message.startswith(("epoch 2, step 2 of 2: the loss", "after epoch 2, step"))
    assert f"{tmp_path} has the model of epoch 1, which --init-from can" in message
    assert f"--resume continues from step {STEPS}" in message
    assert files_of(tmp_path) == intact | {CHECKPOINT: before}

    capsys.readouterr()
    assert not fit(config, tiny, tmp_path)
    log = capsys.readouterr().err
    assert "resuming from the checkpoint of step 2: epoch 2, step 1 of 2 is next" in log
    assert epochs_of(tmp_path) == [1, 2, 3]
    assert_finite(tmp_path)


def test_training_ends_at_a_validation_that_is_not_finite(tiny, tiny_config, tmp_path):
    """With one step per epoch only the validation uses the new weights."""
    message = refused(tiny_config(tmp_path, batch_size=8, **EXPLODING), tiny, tmp_path)
    assert message.startswith(("epoch 1: val_loss is nan", "after epoch 1, step 1"))
    assert not files_of(tmp_path)


def test_an_overwritten_run_is_kept_until_the_first_epoch_is_complete(
    complete, tiny, tiny_config, tmp_path
):
    shutil.copytree(complete, tmp_path, dirs_exist_ok=True)
    before = files_of(tmp_path)
    config = tiny_config(tmp_path, overwrite=True, batch_size=8, **EXPLODING)
    message = refused(config, tiny, tmp_path)
    assert "still has the model that --overwrite would replace" in message
    assert files_of(tmp_path) == before


def test_the_error_for_float16_suggests_other_precisions(tiny, tiny_config, tmp_path):
    """Steps with gradients that are not finite are skipped; the loss ends training."""
    config = tiny_config(tmp_path, precision="float16", **EXPLODING)
    message = refused(config, tiny, tmp_path)
    assert "use --precision bfloat16 or float32" in message


BACKEND = """
import sys
from edge.core.errors import GateFailed
from kseg.core import backend
from kseg.core.configs import TrainConfig
from kseg.core.process_group import ALONE
from kseg.data.open import open_data
from kseg.training.distribution.environment import process_group
from kseg.training.distribution.group import distributed
from kseg.training.fit import fit
from kseg.training.losses.segmentation import SegmentationLoss
from pathlib import Path

data, output, devices = sys.argv[1:]
config = TrainConfig(
    data=data, output=output, model="dense", width=2, size=(32, 32), batch_size=2,
    optimizer="sgd", learning_rate=1e30, warmup_steps=0, epochs=1, save_seconds=0,
    distribute=devices != "1", devices=int(devices) if devices != "1" else None,
)
data = open_data(data)
backend.start()
with distributed(config, process_group(config), data, Path(output)) as group:
    try:
        fit(config, data, Path(output), group)
    except GateFailed as refusal:
        print(refusal)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backend", "devices"),
    [("tensorflow", 2), ("jax", 1), ("jax", 2), ("torch", 1)],
)
def test_every_backend_stops_at_the_same_step(backend, devices, tiny_folder, tmp_path):
    pytest.importorskip(backend)
    process = subprocess.run(
        [sys.executable, "-c", BACKEND, str(tiny_folder), str(tmp_path), str(devices)],
        cwd=ROOT,
        env=os.environ | {"KERAS_BACKEND": backend, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stderr
    assert re.match(FIRST_LOSS, process.stdout)
    assert not {BEST, LAST, HISTORY} & set(files_of(tmp_path))
