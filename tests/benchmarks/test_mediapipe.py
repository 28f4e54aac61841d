"""The camera loop beside MediaPipe; the slow test has the real one."""

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks import mediapipe_runner
from benchmarks.mediapipe import comparison, main
from benchmarks.mediapipe_runner import MediaPipeRunner
from edge.core.errors import InputError
from edge.model_file.info import ModelInfo
from edge.video import scenes
from tests.support.environments import python_with
from tests.support.posix import needs_posix
from tests.support.tflite import largest_channel

ROOT = Path(__file__).resolve().parents[2]
SIZE = (32, 48)
INFO = ModelInfo(
    class_names=("red", "green", "blue"),
    colors=((255, 0, 0), (0, 255, 0), (0, 0, 255)),
    head="labels",
)


@pytest.fixture(scope="module")
def labels_model(tmp_path_factory) -> Path:
    """Labels each pixel by its largest channel."""
    path = tmp_path_factory.mktemp("model") / "largest.tflite"
    path.write_bytes(largest_channel(SIZE))
    INFO.attach(path)
    return path


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


# Bad use


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "the following arguments are required: --source, --python"),
        (["--source=gone.mp4", "--python=p"], "--source gone.mp4: is no video file"),
        (
            ["--source=VIDEO", "--python=p", "--mediapipe-model=gone"],
            "--mediapipe-model gone: is no file",
        ),
        (["--source=VIDEO", "--python=p", "--live-fps=9"], "unrecognized arguments"),
        (["--source=VIDEO", "--python=p"], "gives labels, and MediaPipe takes scores"),
    ],
)
def test_bad_use_is_one_line(labels_model, video, arguments, complaint):
    arguments = [word.replace("VIDEO", video) for word in arguments]
    with pytest.raises(InputError) as refusal:
        main([str(labels_model), *arguments])
    assert complaint in str(refusal.value)
    assert len(str(refusal.value).splitlines()) == 1


def test_a_copy_beside_edge_runs_as_a_script(labels_model, video, tmp_path):
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
    assert line.startswith(f"mediapipe: {labels_model}: gives labels")


@pytest.mark.parametrize("path", sorted((ROOT / "benchmarks").glob("mediapipe*.py")))
def test_what_boards_run_is_valid_on_python_3_9(path):
    ast.parse(path.read_text(), feature_version=(3, 9))


# MediaPipe's Python


def test_a_python_that_is_not_there(tmp_path):
    python = str(tmp_path / "python")
    with pytest.raises(InputError) as refusal:
        MediaPipeRunner(python, tmp_path / "x.tflite", "x.mp4")
    assert str(refusal.value).startswith(f"--python {python}: cannot be started")


def test_a_python_without_mediapipe_says_so(tmp_path):
    with pytest.raises(InputError, match="No module named 'mediapipe'") as refusal:
        MediaPipeRunner(sys.executable, tmp_path / "x.tflite", "x.mp4")
    assert len(str(refusal.value).splitlines()) == 1


@needs_posix
def test_one_that_hangs_is_given_up(tmp_path, monkeypatch):
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho loading >&2\nexec sleep 600\n")
    python.chmod(0o755)
    monkeypatch.setattr(mediapipe_runner, "SECONDS", 1.0)
    with pytest.raises(InputError, match="gives no answer within 1 seconds"):
        MediaPipeRunner(str(python), tmp_path / "x.tflite", "x.mp4")


# The whole of it


def test_a_line_for_each_engine():
    engine = {"engine": "litert", "accelerator": "", "threads": 2}
    report = {
        "mediapipe": {"version": "1.2", "fps": 10.0, "processor_millis": 99.0},
        "engines": [{**engine, "of_mediapipe": 2.5, "agreement": 0.99125}],
    }
    assert comparison(report) == (
        "litert, 2 threads: 2.50 times MediaPipe 1.2's 10.0 per second (99.0 processor "
        "ms); labels agree on 99.12% of pixels"
    )


@pytest.mark.slow
def test_both_take_turns_on_one_video(trained, video, tmp_path, capsys):
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
    report = json.loads(path.read_text())
    theirs = report["mediapipe"]
    assert set(theirs) == {"version", "fps", "millis", "processor_millis"}
    assert theirs["version"].startswith("1.")
    assert [ours["threads"] for ours in report["engines"]] == [1, 2]
    for ours in report["engines"]:
        assert ours["agreement"] >= 0.99
        ratio = ours["loop"]["fps"] / theirs["fps"]
        assert ours["of_mediapipe"] == pytest.approx(ratio, rel=1e-2)
    lines = capsys.readouterr().out.splitlines()[-2:]
    assert all(f"times MediaPipe {theirs['version']}'s" in line for line in lines)
