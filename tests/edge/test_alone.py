"""The folder edge/ without kseg, in an environment of its requirements only."""

import json
import shutil
import sys
from pathlib import Path

import pytest

from tests.support.environments import python_with, run

ROOT = Path(__file__).resolve().parents[2]
EDGE = ROOT / "edge"

ENGINES = {
    "litert": EDGE / "requirements.txt",
    "tflite-runtime": EDGE / "board" / "requirements-tflite-runtime.txt",
}


@pytest.fixture(params=ENGINES)
def board(request, tmp_path):
    """(engine, the command that starts the demo, the folder to start it in)."""
    engine = request.param
    if engine == "tflite-runtime" and sys.version_info >= (3, 12):
        pytest.skip("tflite-runtime 2.14, its last, is for Python up to 3.11")
    folder = tmp_path / "board"
    shutil.copytree(EDGE, folder / "edge", ignore=shutil.ignore_patterns("__pycache__"))
    python = python_with(engine, ENGINES[engine].read_text(encoding="utf-8"))
    return engine, [str(python), "edge/camera_demo.py"], folder


def run_on(folder: Path, command: list[str], *arguments):
    return run([*command, *map(str, arguments)], cwd=folder)


@pytest.mark.slow
def test_the_camera_runs_in_a_minimal_environment(deeplab, board):
    engine, command, folder = board
    done = run_on(
        *(folder, command, deeplab, "--source", "shapes", "--headless"),
        *("--max-frames", 5, "--stats", "stats.json"),
    )
    assert done.returncode == 0, done.stderr
    stats = json.loads((folder / "stats.json").read_text(encoding="utf-8"))
    assert (stats["frames"], stats["engine"]) == (5, engine)


@pytest.mark.slow
def test_the_benchmark_runs_in_a_minimal_environment(deeplab, board):
    engine, (python, _), folder = board
    done = run_on(
        *(folder, [python, "edge/benchmark.py"], deeplab, "--threads", 2),
        *("--frames", 8, "--rounds", 1, "--json", "report.json"),
    )
    assert done.returncode == 0, done.stderr
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert engine in {result["engine"] for result in report["engines"]}


@pytest.mark.slow
def test_a_truncated_model_is_invalid_input(deeplab, board):
    """Like an interrupted copy to the board."""
    _, command, folder = board
    data = deeplab.read_bytes()
    (folder / "cut.tflite").write_bytes(data[: 9 * len(data) // 10])
    done = run_on(folder, command, "cut.tflite", "--source", "shapes", "--headless")
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("camera_demo: cut.tflite: ")
    assert len(done.stderr.splitlines()) == 1
