"""The camera loop compared with MediaPipe; the slow test runs MediaPipe."""

import ast
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks import child_process
from benchmarks.mediapipe import comparison, detector_options, main, same_boxes
from benchmarks.mediapipe_runner import MediaPipeRunner
from edge.core.constants import palette
from edge.core.errors import InputError
from edge.model_file.info import ModelInfo
from edge.predict.detection import DetectionPredictor
from edge.video import scenes
from tests.support.environments import python_with
from tests.support.outputs import FixedOutputs, outputs
from tests.support.posix import needs_posix
from tests.support.tflite import largest_channel, write_largest_channel

ROOT = Path(__file__).resolve().parents[2]
SIZE = (32, 48)


@pytest.fixture(scope="module")
def labels_model(tmp_path_factory) -> Path:
    """Labels each pixel by its largest channel."""
    return write_largest_channel(tmp_path_factory.mktemp("model"), SIZE)


@pytest.fixture(scope="module")
def video(tmp_path_factory) -> str:
    """Sixteen frames of procedural scenes."""
    path = str(tmp_path_factory.mktemp("video") / "scenes.avi")
    writer = cv2.VideoWriter(path, cv2.VideoWriter_fourcc(*"MJPG"), 25, (96, 64))
    for index in range(16):
        image, _ = scenes.scene(9, index, (64, 96))
        writer.write(np.ascontiguousarray(image[..., ::-1]))
    writer.release()
    return path


# Usage errors


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: --source, --python"),
        (["--source=gone.mp4", "--python=p"], "--source gone.mp4: no such video file"),
        (
            ["--source=VIDEO", "--python=p", "--mediapipe-model=gone"],
            "--mediapipe-model gone: no such file",
        ),
        (["--source=VIDEO", "--python=p", "--live-fps=9"], "unrecognized arguments"),
        (
            ["--source=VIDEO", "--python=p", "--compare=gone"],
            "--compare gone: no folder of images",
        ),
        (
            ["--source=VIDEO", "--python=p"],
            "has the head labels, but MediaPipe needs scores",
        ),
    ],
)
def test_usage_errors_are_one_line(labels_model, video, arguments, message):
    arguments = [word.replace("VIDEO", video) for word in arguments]
    with pytest.raises(InputError) as error:
        main([str(labels_model), *arguments])
    assert message in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_raw_files_of_objects_are_refused(video, tmp_path):
    path = tmp_path / "raw.tflite"
    path.write_bytes(largest_channel(SIZE))
    ModelInfo(("disc",), ((0, 0, 1),), task="instance", head="raw").attach(path)
    with pytest.raises(InputError, match="head raw, which.*exported with --head boxes"):
        main([str(path), "--source", video, "--python=p"])


def test_a_copy_next_to_edge_runs_as_a_script(labels_model, video, tmp_path):
    for package in ("edge", "benchmarks"):
        unwanted = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / package, tmp_path / package, ignore=unwanted)
    script = [sys.executable, "benchmarks/mediapipe.py", str(labels_model)]
    done = subprocess.run(
        [*script, "--source", video, "--python", sys.executable],
        cwd=tmp_path,
        env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"mediapipe: {labels_model}: has the head labels")


@pytest.mark.parametrize("path", sorted((ROOT / "benchmarks").glob("mediapipe*.py")))
def test_modules_for_devices_are_valid_on_python_3_9(path):
    ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 9))


# MediaPipe's Python


def test_a_missing_python_is_rejected(tmp_path):
    python = str(tmp_path / "python")
    with pytest.raises(InputError) as error:
        MediaPipeRunner(python, tmp_path / "x.tflite", "x.mp4")
    assert str(error.value).startswith(f"--python {python}: cannot be started")


def test_a_python_without_mediapipe_is_rejected(tmp_path):
    with pytest.raises(InputError, match="No module named 'mediapipe'") as error:
        MediaPipeRunner(sys.executable, tmp_path / "x.tflite", "x.mp4")
    assert len(str(error.value).splitlines()) == 1


@needs_posix
def test_a_child_that_hangs_is_stopped(tmp_path, monkeypatch):
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho loading >&2\nexec sleep 600\n", encoding="utf-8")
    python.chmod(0o755)
    monkeypatch.setattr(child_process, "SECONDS", 1.0)
    with pytest.raises(InputError, match="no answer within 1 seconds"):
        MediaPipeRunner(str(python), tmp_path / "x.tflite", "x.mp4")


# Comparisons


def test_the_comparison_has_one_line_per_engine():
    engine = {"engine": "litert", "accelerator": "", "threads": 2}
    report = {
        "mediapipe": {"version": "1.2", "fps": 10.0, "processor_millis": 99.0},
        "engines": [{**engine, "of_mediapipe": 2.5, "agreement": 0.99125}],
    }
    assert comparison(report) == (
        "litert, 2 threads: 2.50 times MediaPipe 1.2's 10.0 frames per second (99.0 ms "
        "processor time); labels equal on 99.12% of pixels"
    )


def test_the_comparison_of_boxes():
    engine = {"engine": "litert", "accelerator": "", "threads": 2, "of_mediapipe": 1.0}
    mediapipe = {"version": "1.2", "fps": 10.0, "processor_millis": 99.0}
    report = {"mediapipe": mediapipe, "engines": [{**engine, "agreement": 0.975}]}
    assert comparison(report, "detection").endswith("; 97.50% of its boxes are found")


def test_equal_boxes_by_hand():
    """Two boxes of MediaPipe are ours: one of three in the first image, the second of
    which has another class, the third no pair left; one in the second image."""
    found = [(5, 0, 0.9, (0, 0, 32, 32)), (40, 1, 0.8, (16, 32, 48, 64))]
    engine = FixedOutputs(outputs(found), (64, 64))
    info = ModelInfo(tuple("abc"), palette(4)[1:], task="detection", head="boxes")
    info = replace(info, decoder={"strides": [8, 16, 32]})
    predictor = DetectionPredictor(engine, info)
    rows = [
        [0, 0, 0.905, 1, 2, 33, 30],
        [0, 2, 0.8, 16, 32, 48, 64],
        [0, 0, 0.9, 0, 0, 32, 32],
        [1, 1, 0.8, 16, 32, 48, 64],
        [1, 0, 0.89, 0, 0, 32, 32],  # another score
        [1, 0, 0.9, 0, 0, 35, 32],  # 3 pixels too wide
    ]
    images = np.zeros((2, 64, 64, 3), np.uint8)
    assert same_boxes(predictor, images, np.float32(rows)) == (2, 6)
    none = np.zeros((0, 7), np.float32)
    assert same_boxes(predictor, images, none) == (0, 0)
    assert detector_options(info) == {
        **{"names": ("a", "b", "c"), "score_threshold": 0.3, "max_results": 100}
    }


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["float32", "int8"])
def test_the_object_detector_finds_the_same_boxes(
    trained_objects, object_data, video, tmp_path, scheme, capsys
):
    from kseg.cli.export import main as export

    run, path = tmp_path / "run", tmp_path / "report.json"
    shutil.copytree(trained_objects, run)
    export([str(run), "--head", "boxes", "--quantize", scheme, "--max-drop", "1"])
    python = python_with("mediapipe", "mediapipe>=1.2,<2\n")
    main(
        [str(run / f"{scheme}.tflite"), "--source", video, "--python", str(python)]
        + ["--compare", str(object_data / "val" / "images"), "--json", str(path)]
        + ["--headless", "--engines=cpu", "--threads=1", "--frames=12", "--rounds=1"]
    )
    (engine,) = json.loads(path.read_text(encoding="utf-8"))["engines"]
    assert engine["agreement"] >= 0.95
    assert "of its boxes are found" in capsys.readouterr().out


@pytest.mark.slow
def test_both_run_on_the_same_video(trained, video, tmp_path, capsys):
    from kseg.cli.export import main as export

    run, path = tmp_path / "run", tmp_path / "report.json"
    shutil.copytree(trained, run)
    arguments = ["--head", "probabilities", "--max-drop", "1"]
    export([str(run), *arguments, "--quantize", "int8", "--calibration-images", "8"])
    python = python_with("mediapipe", "mediapipe>=1.2,<2\n")
    model = run / "int8.tflite"
    main(
        [str(model), "--source", video, "--python", str(python), "--headless"]
        + ["--engines=cpu", "--threads=1,2", "--frames=12", "--rounds=1"]
        + ["--json", str(path)]
    )
    report = json.loads(path.read_text(encoding="utf-8"))
    mediapipe = report["mediapipe"]
    assert set(mediapipe) == {"version", "fps", "millis", "processor_millis"}
    assert mediapipe["version"].startswith("1.")
    assert [each["threads"] for each in report["engines"]] == [1, 2]
    for each in report["engines"]:
        assert each["agreement"] >= 0.99
        ratio = each["loop"]["fps"] / mediapipe["fps"]
        assert each["of_mediapipe"] == pytest.approx(ratio, rel=1e-2)
    lines = capsys.readouterr().out.splitlines()[-2:]
    assert all(f"times MediaPipe {mediapipe['version']}'s" in line for line in lines)
