"""The benchmark as a command, with a network of one operator."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.app.benchmark import bound_on_age, main
from edge.app.benchmark_table import decoding, table
from edge.core.errors import InputError
from edge.core.system import board_name
from edge.core.timing import STAGES
from tests.support.tflite import write_largest_channel

EDGE = Path(__file__).resolve().parents[3] / "edge"
SIZE = (32, 48)


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """Labels each pixel by its largest channel."""
    return write_largest_channel(tmp_path_factory.mktemp("model"), SIZE)


@pytest.fixture(scope="module")
def video(tmp_path_factory) -> str:
    """Twelve frames."""
    path = str(tmp_path_factory.mktemp("video") / "twelve.avi")
    writer = cv2.VideoWriter(path, cv2.VideoWriter_fourcc(*"MJPG"), 25, (96, 64))
    for shade in range(12):
        writer.write(np.full((64, 96, 3), 20 * shade, np.uint8))
    writer.release()
    return path


def few(*arguments, frames: int = 8) -> list[str]:
    """A short run, on one engine."""
    short = ("--engines", "cpu", "--frames", frames, "--rounds", 1)
    return [str(argument) for argument in (*arguments, *short)]


@pytest.fixture(scope="module")
def measured(model, tmp_path_factory):
    """A run in a folder with only edge/ and the model: (report, its log)."""
    folder = tmp_path_factory.mktemp("board")
    shutil.copytree(EDGE, folder / "edge", ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "edge/benchmark.py"]
    done = subprocess.run(
        [*command, *few(model, "--threads", "1,2", "--json", "report.json")],
        cwd=folder,
        env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "report.json").read_text(encoding="utf-8")), done


def test_the_report_describes_model_and_device(measured, model):
    report, done = measured
    assert report["board"] == board_name() != ""
    assert report["model"]["sha256"] == hashlib.sha256(model.read_bytes()).hexdigest()
    assert report["model"]["input"] == "32x48"
    assert report["versions"]["numpy"] == np.__version__
    assert report["versions"]["ai-edge-litert"]
    assert (report["frames"], report["rounds"], report["source"]) == (8, 1, "shapes")
    assert [e["threads"] for e in report["engines"]] == [1, 2]
    assert done.stdout.splitlines()[0].startswith(report["board"])
    assert len(done.stderr.splitlines()) == 2  # the engines, and nothing else


def test_ratios_are_taken_within_a_round(measured):
    report, _ = measured
    for result in report["engines"]:
        alone, loop = result["network"], result["loop"]
        ratio = loop["fps"] / alone["fps"]
        assert result["of_network"] == pytest.approx(ratio, abs=1e-3)
        other = loop["processor_millis"] - alone["processor_millis"]
        assert result["other_processor_millis"] == pytest.approx(other, abs=2e-3)
        assert set(loop["stage_millis"]) == set(STAGES)
        assert alone["fps"] > loop["fps"]  # one operator is faster than the whole loop


def test_a_video_is_reopened_for_each_measurement(model, video, tmp_path):
    path = tmp_path / "report.json"
    arguments = few(model, "--source", video, "--threads", 1, "--json", path, frames=12)
    main([*arguments, "--rounds", "2", "--headless"])
    (result,) = json.loads(path.read_text(encoding="utf-8"))["engines"]
    assert "draw" not in result["loop"]["stage_millis"]
    assert result["loop"]["dropped"] == 0
    assert 0 < result["decoding_millis"] < 20  # motion JPEG of 96x64 pixels


def test_decoding_is_shown_with_its_share_of_the_processor_time():
    result = {"decoding_millis": 2.0, "loop": {"processor_millis": 16.0}}
    assert decoding(result) == "2.0 (12%)"
    assert decoding({"loop": {"processor_millis": 16.0}}) == "-"


def test_live_fps_reports_the_age_of_frames(model, video, tmp_path, capsys):
    path = tmp_path / "report.json"
    main(few(model, *("--source", video, "--live-fps", 100, "--json", path)))
    for result in json.loads(path.read_text(encoding="utf-8"))["engines"]:
        age = result["loop"]["age_millis"]
        assert 0 < age["p50"] <= age["p95"]
        assert result["bound_millis"] > 10  # one interval of the camera
    assert "ms old" in capsys.readouterr().out


def test_the_age_bound_equals_the_manual_result():
    times = {"inference": {"p50": 20.0}, "draw": {"p50": 4.0}, "capture": {"p50": 9.0}}
    result = {"loop": {"stage_millis": times}}
    assert bound_on_age(result, 50) == 56.0  # 20 + 1.5 * 24
    del times["draw"]
    assert bound_on_age(result, 50) == 50.0


def test_the_table_has_one_row_per_engine(measured):
    report, done = measured
    assert done.stdout == table(report) + "\n"
    lines = [line for line in done.stdout.splitlines() if line.startswith("litert")]
    assert len(lines) == 4  # two numbers of threads, in two tables


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--frames", "3"], "--frames: 3 is too few"),
        (["--threads", "1,0"], "--threads: '0' is not an integer"),
        (["--engines", "cpu,warp"], "--engines: 'warp' is not one of auto, cpu"),
        (["--engines", "onnx"], "onnx runs .onnx files"),
        (["--source", "gone.mp4"], "gone.mp4: no such file"),
        (["--mediapipe", "python"], "python -m benchmarks mediapipe MODEL"),
        (["--mediapipe=python"], "python -m benchmarks mediapipe MODEL"),
        (["--mediapipe-model", "b.tflite"], "python -m benchmarks mediapipe MODEL"),
        (["--json", "gone/report.json"], "the folder gone does not exist; create it"),
    ],
)
def test_invalid_input_is_one_line(model, arguments, message):
    with pytest.raises(InputError) as error:
        main([str(model), *arguments])
    assert message in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_a_video_with_too_few_frames(model, video):
    with pytest.raises(InputError, match="has 12 frames, --frames is 13"):
        main(few(model, "--source", video, "--threads", 1, frames=13))


def test_a_damaged_model_is_reported_once(tmp_path, capsys):
    path = tmp_path / "damaged.tflite"
    path.write_bytes(b"\0\0\0\0TFL3" + bytes(100))
    with pytest.raises(InputError, match="damaged.tflite"):
        main([str(path)])
    assert capsys.readouterr().err == ""
