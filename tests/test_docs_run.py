"""The blocks of README and docs are run, in order, on tiny data."""

import os
import re
import shutil
import subprocess
import sys
from itertools import chain, groupby
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.support.once import made_once
from tests.support.pages import ROOT, SHELL, Block, blocks, lines

RUN = "photos-unet-mobilenetv2"
CLASSES = '{"classes": [{"name": "background", "color": [0, 0, 0]}, %s]}'
PERSON = '{"name": "person", "color": [230, 80, 60]}'
# What a block says -> what is run in its place.
SMALLER = (
    (r"^\. .venv/bin/activate$", "true"),  # the tests run in one
    (r"--weights imagenet", "--weights none"),  # needs a network
    (r"--epochs \d+", "--epochs 1"),
    (r"--size \d+x\d+", "--size 64x96"),
    (r"--source 0", "--source shapes"),  # there is no camera
    (r"^kseg train(?!.*--resume)", "kseg train --batch-size 2 --epochs 1 --overwrite"),
    (r"^kseg export", "kseg export --max-drop 1 --calibration-images 2"),
    (r"^kseg live(?!.*--max-frames)", "kseg live --max-frames 3"),
    (r"^kseg live(?!.*--headless|.*--serve)", "kseg live --headless"),
    (r"^python edge/benchmark.py", "python edge/benchmark.py --frames 20 --rounds 1"),
    (r"--threads 1,2,4", "--threads 1"),
    (r"--max-frames \d+", "--max-frames 3"),
)
SMALLER_PYTHON = (
    (", epochs=40", ""),
    ('weights="imagenet"', "batch_size=2, size=(64, 96), epochs=1"),
    ('kseg.train("photos"', 'kseg.train("photos", overwrite=True'),
    ('"float16"]', '"float16"], calibration_images=2, max_drop=1'),
    (", max_drop=1, max_drop=0.02", ", max_drop=1"),
)
SLOW = ("docs/data.md", "docs/python.md")
RUNNABLE = sorted(
    str(page.relative_to(ROOT))
    for page in (ROOT / "docs").glob("*.md")
    if any(not b.reason and b.language in (*SHELL, "python") for b in blocks(page))
)


def smaller(line: str) -> str:
    """A line of a block as it is run here.

    >>> smaller("kseg export saved_models/RUN")
    'kseg export --max-drop 1 --calibration-images 2 saved_models/RUN'
    """
    for pattern, replacement in SMALLER:
        line = re.sub(pattern, replacement, line)
    return line


def start(command: list[str], folder: Path) -> None:
    """Run a command in `folder`; its output is shown where it fails."""
    hidden = {"DISPLAY", "WAYLAND_DISPLAY"}
    environment = {k: v for k, v in os.environ.items() if k not in hidden}
    environment["PYTHONPATH"] = str(ROOT)
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, encoding="utf-8"
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"


def run_line(line: str, folder: Path) -> None:
    """Run a line of a shell block, small."""
    line = re.sub(r"^kseg ", "python -m kseg ", smaller(line))
    start(["bash", "-ec", line.replace("python ", f"{sys.executable} ")], folder)


# Each block has its own names. One process imports TensorFlow once.
RUN_EACH = """
import sys

for number, text in enumerate(sys.argv[1:]):
    exec(compile(text, f"block {number} of the page", "exec"), {"__name__": "__main__"})
"""


def run_python(following: list[Block], folder: Path) -> None:
    """Run blocks of Python that follow each other in one process."""
    texts = [block.text for block in following]
    for given, replacement in SMALLER_PYTHON:
        texts = [text.replace(given, replacement) for text in texts]
    start([sys.executable, "-c", RUN_EACH, *texts], folder)


def run_page(page: str, folder: Path) -> None:
    """Run the blocks of a page in `folder`, without those that have a reason."""
    run = (block for block in blocks(ROOT / page) if not block.reason)
    for language, following in groupby(run, key=lambda block: block.language):
        if language == "python":
            run_python(list(following), folder)
        elif language in SHELL:
            for line in chain.from_iterable(map(lines, following)):
                run_line(line, folder)


def draw_photos(folder: Path) -> None:
    """What README takes for granted: photos/, a photo, a video."""
    random = np.random.default_rng(0)
    for split, count in (("train", 6), ("val", 3)):
        for kind in ("images", "masks"):
            (folder / "photos" / split / kind).mkdir(parents=True)
        for index in range(count):
            image = random.integers(0, 90, (64, 96, 3), np.uint8)
            mask = np.zeros((64, 96), np.uint8)
            x, y = random.integers(16, 48, 2)
            cv2.circle(image, (int(x), int(y)), 14, (60, 80, 230), -1)
            cv2.circle(mask, (int(x), int(y)), 14, 1, -1)
            place = folder / "photos" / split
            cv2.imwrite(str(place / "images" / f"{split}{index}.jpg"), image)
            cv2.imwrite(str(place / "masks" / f"{split}{index}.png"), mask)
    (folder / "photos" / "classes.json").write_text(CLASSES % PERSON, encoding="utf-8")
    cv2.imwrite(str(folder / "street.jpg"), image)
    codec = cv2.VideoWriter.fourcc(*"mp4v")
    video = cv2.VideoWriter(str(folder / "street.mp4"), codec, 10, (96, 64))
    for _ in range(20):
        video.write(image)
    video.release()
    (folder / "edge").symlink_to(ROOT / "edge")


@pytest.fixture
def workspace(tmp_path_factory, tmp_path) -> Path:
    """A folder with what the pages take for granted: what the blocks of README make."""

    def make(folder: Path) -> None:
        draw_photos(folder)
        run_page("README.md", folder)
        shutil.copy(folder / "saved_models" / RUN / "int8.tflite", folder)
        shutil.copytree(folder / "saved_models" / RUN, folder / "saved_models" / "RUN")

    made = made_once(tmp_path_factory, "docs", make)
    return shutil.copytree(made, tmp_path / "work", symlinks=True)


def marked(page: str) -> object:
    """Two pages are samples of all, and README is run for each."""
    marks = pytest.mark.slow if page in SLOW else pytest.mark.full
    return pytest.param(page, marks=marks, id=page)


@pytest.mark.slow
def test_the_blocks_of_the_readme_run(workspace):
    """They train twice: by commands, and in Python."""
    runs = sorted(path.parent for path in workspace.glob("**/model.keras"))
    made = [workspace / "saved_models" / RUN, workspace / "second"]
    assert set(made) <= set(runs)
    assert all((run / "int8.tflite").is_file() for run in made)
    assert (workspace / "overlay.jpg").is_file()


@pytest.mark.parametrize("page", [marked(page) for page in RUNNABLE])
def test_the_blocks_of_a_page_run(page, workspace):
    run_page(page, workspace)
