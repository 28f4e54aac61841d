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

FRAMES = 3  # of each size
OWN_SIZE = (64, 80)  # (height, width) of the input of old_run
# The least shares of equal labels, at OWN_SIZE and at the camera's size. Integers must
# be equal: at OWN_SIZE the label of old_run is that of the largest integer. Scores and
# masks are enlarged in floats by OpenCV, whose last digit depends on the processor.
MODELS = {
    "tests/files/old_run/int8.tflite": (1.0, 0.999),
    "tests/files/old_run/float32.tflite": (0.99, 0.99),
    "saved_models/shapes/int8.tflite": (0.995, 0.995),
}
NONE = (0.0, 0.0)
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
# The kernels of TFLite itself round integers in another way than those of XNNPACK.
WITHOUT_XNNPACK = """
from functools import partial
from ai_edge_litert import interpreter
plain = interpreter.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
interpreter.Interpreter = partial(
    interpreter.Interpreter, experimental_op_resolver_type=plain
)
"""


@dataclass(frozen=True)
class Result:
    """One run on an emulated board."""

    where: str
    model: str
    equal: tuple[float, float]  # shares of labels that are equal, as in MODELS
    note: str

    @property
    def passed(self) -> bool:
        least = MODELS[self.model]
        return all(
            share >= bound for share, bound in zip(self.equal, least, strict=True)
        )

    def __str__(self) -> str:
        verdict = "pass" if self.passed else "FAIL"
        own, enlarged = self.equal
        shares = f"{own:.4%} of the labels equal, {enlarged:.4%} enlarged"
        return f"{verdict}  {self.where}, {self.model}: {shares}; {self.note}"


def write_frames(folder: Path) -> Path:
    """Write frames of the procedural scenes in two sizes, as PNG files."""
    folder.mkdir()
    with open_source("shapes") as source:
        for number, frame in enumerate(islice(source.frames, 0, FRAMES * 40, 40)):
            small = cv2.resize(frame.image, OWN_SIZE[::-1])
            cv2.imwrite(str(folder / f"{number}.png"), frame.image)
            cv2.imwrite(str(folder / f"{number}-small.png"), small)
    return folder


def command(
    python: str, model: Path, frames: Path, masks: Path, launch: str = LAUNCH
) -> list[str]:
    """The camera loop as a user starts it, but with more time for an engine's trial."""
    script = ROOT_OF_PROJECT / "edge" / "camera_demo.py"
    options = ["--source", frames, "--masks", masks, "--headless", "--threads", 1]
    words = [python, "-c", launch, ROOT_OF_PROJECT, script, model, *options]
    return [str(word) for word in words]


def labels_here(model: str, xnnpack: bool, frames: Path, folder: Path) -> Path:
    """The folder of labels that this machine computes with LiteRT, on the CPU."""
    path = ROOT_OF_PROJECT / model
    masks = folder / f"{path.parent.name}-{path.stem}-{xnnpack}"
    masks.mkdir(parents=True)
    launch = LAUNCH if xnnpack else WITHOUT_XNNPACK + LAUNCH
    words = command(sys.executable, path, frames, masks, launch)
    words += ["--engine", "cpu"]
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
        return Result(where, model, NONE, f"did not end within {SECONDS} seconds")
    said = done.stderr.strip()
    if done.returncode:
        return Result(where, model, NONE, f"status {done.returncode}: {said[-400:]}")
    if f"engine {system.engine}" not in said:
        return Result(where, model, NONE, f"another engine: {said[-400:]}")
    runs = re.search(r"XNNPACK runs (?:\d+%|an unknown share) of the operators", said)
    note = runs.group(0) if runs else "without XNNPACK"
    return Result(where, model, equal_shares(expected, masks), note)


def equal_shares(expected: Path, found: Path) -> tuple[float, float]:
    """The shares of equal pixels of the label files of two folders, 0.0 to 1.0.

    The first is that of files of OWN_SIZE. Files that only one folder has, or of
    another size, are all different.
    """
    names = {path.name for folder in (expected, found) for path in folder.glob("*.png")}
    own, enlarged = [], []
    for name in sorted(names):
        a, b = (read(folder / name) for folder in (expected, found))
        shares = own if OWN_SIZE in (a.shape, b.shape) else enlarged
        shares.append(float(np.mean(a == b)) if a.shape == b.shape else 0.0)
    return tuple(float(np.mean(each)) if each else 0.0 for each in (own, enlarged))


def read(path: Path) -> np.ndarray:
    """The labels of a file (H, W); (0, 0) if it cannot be read."""
    labels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED) if path.is_file() else None
    return np.zeros((0, 0), np.uint8) if labels is None else labels
