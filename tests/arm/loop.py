"""The camera loop on frames, here and on an emulated board, and the labels of both."""

import re
import subprocess
import sys
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from edge.video.sources import open_source
from tests.arm.environment import prefix_of, variables
from tests.arm.systems import Processor, System
from tests.support.environments import ROOT_OF_PROJECT

FRAMES = 5
MODELS = (
    "tests/files/old_run/int8.tflite",
    "tests/files/old_run/float32.tflite",
    "saved_models/nuclei/int8.tflite",
)
LEAST_EQUAL = {"int8": 1.0, "float32": 0.99}  # share of pixels
SECONDS = 600
# An emulated processor is too slow for the limit of a trial.
LAUNCH = f"""
import runpy, sys
sys.path.insert(0, sys.argv[1])
from edge.engines import select
select.TRIAL_SECONDS = {SECONDS}
sys.argv = sys.argv[2:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@dataclass(frozen=True)
class Result:
    """One run on an emulated board."""

    where: str
    model: str
    equal: float  # share of the pixels whose label is that of this machine
    note: str

    @property
    def passed(self) -> bool:
        return self.equal >= LEAST_EQUAL[Path(self.model).stem]

    def __str__(self) -> str:
        verdict = "pass" if self.passed else "FAIL"
        share = f"{self.equal:.4%} of the labels equal"
        return f"{verdict}  {self.where}, {self.model}: {share}; {self.note}"


def write_frames(folder: Path) -> Path:
    """Write frames of the procedural scenes as PNG files."""
    folder.mkdir()
    with open_source("shapes") as source:
        for number, frame in enumerate(islice(source.frames, 0, FRAMES * 40, 40)):
            cv2.imwrite(str(folder / f"{number}.png"), frame.image)
    return folder


def command(python: str, model: Path, frames: Path, masks: Path) -> list[str]:
    """The camera loop as a user starts it, but with more time for an engine's trial."""
    script = ROOT_OF_PROJECT / "edge" / "camera_demo.py"
    options = ["--source", frames, "--masks", masks, "--headless", "--threads", 1]
    words = [python, "-c", LAUNCH, ROOT_OF_PROJECT, script, model, *options]
    return [str(word) for word in words]


def labels_here(model: Path, frames: Path, folder: Path) -> Path:
    """The folder of labels that this machine computes, on the CPU."""
    masks = folder / model.parent.name / model.stem
    masks.mkdir(parents=True)
    words = [*command(sys.executable, model, frames, masks), "--engine", "cpu"]
    subprocess.run(words, check=True, capture_output=True, cwd=ROOT_OF_PROJECT)
    return masks


def run_on(
    system: System,
    processor: Processor,
    python: Path,
    model: str,
    frames: Path,
    expected: Path,
    folder: Path,
) -> Result:
    """Run the loop on an emulated board and compare its labels with `expected`."""
    where = f"{processor.name}, {system.name}, {system.engine}"
    folder = folder / Path(model).stem
    own = variables(
        prefix_of(system, processor, folder / "root"),
        QEMU_CPU=processor.qemu,
        KSEG_CACHE=str(folder / "cache"),
    )
    masks = folder / "masks"
    words = command(str(python), ROOT_OF_PROJECT / model, frames, masks)
    options = {"env": own, "cwd": folder, "timeout": SECONDS}
    try:
        done = subprocess.run(words, **options, capture_output=True, text=True)
    except subprocess.TimeoutExpired:
        return Result(where, model, 0.0, f"did not end within {SECONDS} seconds")
    said = done.stderr.strip()
    if done.returncode:
        return Result(where, model, 0.0, f"status {done.returncode}: {said[-400:]}")
    if f"engine {system.engine}" not in said:
        return Result(where, model, 0.0, f"another engine: {said[-400:]}")
    runs = re.search(r"XNNPACK runs (?:\d+%|an unknown share) of the operators", said)
    note = runs.group(0) if runs else "without XNNPACK"
    return Result(where, model, equal_share(expected, masks), note)


def equal_share(expected: Path, found: Path) -> float:
    """The share of equal pixels of the label files of two folders, 0.0 to 1.0.

    Files that only one folder has, or of another size, are all different.
    """
    names = {path.name for folder in (expected, found) for path in folder.glob("*.png")}
    equal = [equal_pixels(expected / name, found / name) for name in sorted(names)]
    return float(np.mean(equal)) if equal else 0.0


def equal_pixels(first: Path, second: Path) -> float:
    """The share of equal pixels of two label files; 0.0 if one cannot be read."""
    a, b = (cv2.imread(str(path), cv2.IMREAD_UNCHANGED) for path in (first, second))
    if a is None or b is None or a.shape != b.shape:
        return 0.0
    return float(np.mean(a == b))
