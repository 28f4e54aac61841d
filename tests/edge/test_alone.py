"""The folder edge/ alone, in an environment made from its requirements alone."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EDGE = ROOT / "edge"

ENGINES = {
    "litert": EDGE / "requirements.txt",
    "tflite-runtime": EDGE / "requirements-tflite-runtime.txt",
}
ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}


def python_of(folder: Path) -> Path:
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def checked(*command) -> None:
    done = subprocess.run(
        [*map(str, command)], env=ENVIRONMENT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def environment(engine: str) -> Path:
    """A Python with the requirements of an engine and nothing else.

    Kept in the project's folder; made again when Python or the requirements change.
    """
    folder, requirements = ROOT / f".venv-edge-{engine}", ENGINES[engine]
    made_of = folder / "made_of.txt"
    wanted = f"{sys.version}\n{requirements.read_text()}"
    if not (made_of.is_file() and made_of.read_text() == wanted):
        checked(sys.executable, "-m", "venv", "--clear", folder)
        checked(python_of(folder), "-m", "pip", "install", "-q", "-r", requirements)
        made_of.write_text(wanted)
    return python_of(folder)


@pytest.fixture(params=ENGINES)
def board(request, tmp_path):
    """(engine, how it starts the demo, the folder to start it in)."""
    engine = request.param
    if engine == "tflite-runtime" and sys.version_info >= (3, 12):
        pytest.skip("tflite-runtime 2.14, its last, is for Python up to 3.11")
    folder = tmp_path / "board"
    shutil.copytree(EDGE, folder / "edge", ignore=shutil.ignore_patterns("__pycache__"))
    return engine, [str(environment(engine)), "edge/camera_demo.py"], folder


def run_on(folder: Path, command: list[str], *arguments):
    return subprocess.run(
        [*command, *map(str, arguments)],
        cwd=folder,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
    )


@pytest.mark.slow
def test_edge_runs_alone(deeplab, board):
    engine, command, folder = board
    done = run_on(
        *(folder, command, deeplab, "--source", "shapes", "--headless"),
        *("--max-frames", 5, "--stats", "stats.json"),
    )
    assert done.returncode == 0, done.stderr
    stats = json.loads((folder / "stats.json").read_text())
    assert (stats["frames"], stats["engine"]) == (5, engine)


@pytest.mark.slow
def test_a_model_cut_off_is_bad_input(deeplab, board):
    """As a copy that broke off leaves it on the board."""
    _, command, folder = board
    data = deeplab.read_bytes()
    (folder / "cut.tflite").write_bytes(data[: 9 * len(data) // 10])
    done = run_on(folder, command, "cut.tflite", "--source", "shapes", "--headless")
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("camera_demo: cut.tflite: ")
    assert len(done.stderr.splitlines()) == 1
