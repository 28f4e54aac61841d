"""Runs, checkpoints and models of an earlier version still work.

tests/files/old_run has them with their metrics. On the processor that wrote them all
values are exactly equal; other processors round differently.
"""

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edge.app import camera
from edge.predict import open_predictor
from kseg.cli import evaluate, export
from kseg.cli.tables import CALIBRATION
from tests.kseg.conftest import COUNTS, SIZE, write_data

ROOT = Path(__file__).parents[2]
OLD = Path(__file__).parents[1] / "files" / "old_run"
RECORD = json.loads((OLD / "config.json").read_text(encoding="utf-8"))
NEAR = {"rel": 1e-3, "abs": 2e-3}
TRAINING = ["--model", "dense", "--width", "2", "--batch-size", "4", "--size", "32x32"]
TRAINING += ["--epochs", "3", "--deterministic", "--save-seconds", "0"]


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("old") / "data"
    write_data(folder, COUNTS, SIZE)
    return str(folder)


def copied(tmp_path: Path, *names: str) -> Path:
    """A run folder of these files."""
    run = tmp_path / "run"
    run.mkdir()
    for name in names:
        shutil.copy(OLD / name, run)
    return run


def read_json(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


def assert_near(found, expected) -> None:
    """Asserts equal keys, and numbers equal within NEAR."""
    if isinstance(expected, dict):
        assert set(found) == set(expected)
        for key, value in expected.items():
            assert_near(found[key], value)
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, **NEAR)
    else:
        assert found == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [("model.keras", "evaluated.json"), ("int8.tflite", "evaluated_int8.json")],
)
def test_an_old_model_has_the_same_metrics(data, tmp_path, name, expected):
    run = copied(tmp_path, name, "config.json")
    out = tmp_path / "metrics.json"
    evaluate.main([str(run / name), "--data", data, "--json", str(out)])
    found = read_json(out)
    assert "temperature" not in found  # an old model has none
    del found["expected_calibration_error"]  # a newer metric
    assert_near(found, read_json(OLD / expected))


@pytest.mark.slow
def test_an_old_run_is_exported_with_the_same_result(data, tmp_path):
    run = copied(tmp_path, "model.keras", "config.json", "metrics.json", "history.csv")
    options = ["--data", data, "--quantize", "float32,int8", "--head", "logits"]
    options += ["--no-bias-correction", "--no-shifts"]  # later versions' own
    export.main([str(run), *options, "--max-drop", "1", "--calibration-images", "8"])
    found, then = read_json(run / "parity.json"), read_json(OLD / "parity.json")
    assert found["headline"] == "mean_iou"
    for scheme in ("keras", "float32", "int8"):
        for key in ("mean_iou", "drop", "agreement", "size", "head"):
            assert_near(found[scheme][key], then[scheme][key])


@pytest.mark.slow
def test_an_old_checkpoint_is_resumed_with_the_same_result(data, tmp_path):
    run = copied(tmp_path, "model.keras", "config.json", "history.csv")
    shutil.copy(OLD / "model.keras", run / "last.keras")
    with np.load(OLD / "checkpoint.npz") as file:
        arrays = dict(file)
    state = json.loads(arrays["state"].tobytes())
    # The bytes of the files depend on the version of Pillow.
    state["record"]["data"]["fingerprint"] = fingerprint_of(data)
    arrays["state"] = np.frombuffer(json.dumps(state).encode(), np.uint8)
    np.savez(run / "checkpoint.npz", **arrays)
    options = ["--data", data, "--output", str(run), "--resume"]
    # In another process: --deterministic cannot be undone.
    command = [sys.executable, "-m", "kseg.train", *TRAINING, *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert_near(content(run / "history.csv"), content(OLD / "history.csv"))
    found, then = read_json(run / "metrics.json"), read_json(OLD / "metrics.json")
    for name in set(found) - set(then):  # the calibration of a later version
        assert name in CALIBRATION
        del found[name]
    assert_near(found, then)


def fingerprint_of(data: str) -> str:
    from kseg.data.open import open_data

    return open_data(data).fingerprint


def content(path: Path) -> dict:
    """The numbers of history.csv without seconds."""
    with path.open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    kept = [{k: float(v) for k, v in x.items() if k != "seconds"} for x in lines]
    return {str(index): line for index, line in enumerate(kept)}


@pytest.mark.parametrize("name", ["float32.tflite", "int8.tflite", "model.onnx"])
def test_an_old_model_runs_in_the_camera_loop(name, tmp_path):
    if name.endswith(".onnx"):
        pytest.importorskip("onnxruntime")
    options = ["--source", "shapes", "--headless", "--max-frames", "2"]
    lines = tmp_path / "lines.jsonl"
    assert camera.main([str(OLD / name), *options, "--frames-json", str(lines)]) == 0
    first = json.loads(lines.read_text(encoding="utf-8").splitlines()[0])
    assert sum(first["shares"].values()) == pytest.approx(1, abs=1e-4)


def test_the_metadata_of_an_old_model_are_read():
    info = open_predictor(OLD / "int8.tflite").info
    assert (info.task, info.head, info.outputs) == ("semantic", "logits", ())
    assert info.class_names[0] == "background" and info.geometry.minimum >= 1
    assert info.run == RECORD["config"]
