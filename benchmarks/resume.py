"""Kills trainings at random times and checks the results after --resume.

    kseg benchmark resume

After --resume, the results must be bit-identical to those of an uninterrupted training;
else the exit status is 3.
"""

from __future__ import annotations

import csv
import json
import random
import subprocess
import sys
import tempfile
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional, Sequence

import numpy as np
from PIL import Image

from benchmarks.results import JSON_HELP, option, show
from edge.core.errors import GateFailed
from edge.core.log import say
from edge.video import scenes
from kseg.cli.parser import parse
from kseg.core.options import Output
from kseg.core.progress import bar
from kseg.core.runs import CHECKPOINT
from kseg.training.checkpoint import STATE, read

# Uses everything with random numbers or state: augmentation, averages, dropout.
RUN = (
    "--model fcn8s --width 4 --fc-width 8 --batch-size 4 --size 64x64 --epochs 3 "
    "--elastic 4 --rotate 10 --blur 1 --noise 0.02 --cutout 0.2 --rare-crops 0.5 "
    "--loss ce+dice --ema 0.9 --deterministic --save-seconds 0"
).split()
IMAGES = {"train": 32, "val": 4}  # 8 steps per epoch
POLL_SECONDS = 0.01


@dataclass(frozen=True)
class ResumeConfig:
    """Options of `kseg benchmark resume`."""

    kills: int = option(20, "number of trainings to kill and resume")
    seed: int = option(
        0, "random seed of the times at which they are killed", zero=True
    )
    json: Output = option("", JSON_HELP)


def main(argv: Optional[Sequence[str]] = None) -> None:
    config = parse(ResumeConfig, "kseg benchmark resume", __doc__, argv)
    show(run_kill_test(config), table, config.json)


def run_kill_test(config: ResumeConfig) -> dict[str, Any]:
    """Trains `config.kills` times; kills (SIGKILL) and resumes each training once.

    Raises GateFailed if weights, optimizer state, averages or history differ from those
    of an uninterrupted training.
    """
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        make_data(folder / "data")
        say("training without interruption")
        process = train(folder / "whole", "--data", str(folder / "data"))
        seconds = wait_for_end(process, folder / "whole")
        expected = final_state(folder / "whole")
        generator, steps = random.Random(config.seed), []
        for kill in bar(range(config.kills), "killing"):
            run = folder / f"run{kill}"
            steps.append(kill_and_resume(run, folder / "data", generator, seconds))
            check_equal(expected, final_state(run), steps[-1])
    return {"kills": config.kills, "whole_steps": 24, "resumed_at_steps": steps}


def make_data(folder: Path) -> None:
    """Writes a data folder of a few procedural scenes."""
    for seed, (split, count) in enumerate(IMAGES.items()):
        for index in range(count):
            pair = scenes.scene(seed, index, (64, 80))
            for kind, array in zip(("images", "masks"), pair, strict=True):
                path = folder / split / kind / f"s{index}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(array).save(path)


def train(run: Path, *arguments: str) -> subprocess.Popen:
    """Starts a training in a separate process."""
    command = [sys.executable, "-m", "kseg.train", "--output", str(run), *arguments]
    if "--resume" not in arguments:
        command += RUN
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=subprocess.STDOUT, text=True)


def wait_for_checkpoint(process: subprocess.Popen, run: Path) -> None:
    """Waits for the first checkpoint, or for the end of the process."""
    while not (run / CHECKPOINT).exists() and process.poll() is None:
        time.sleep(POLL_SECONDS)


def wait_for_end(process: subprocess.Popen, run: Path) -> float:
    """Waits for a training; returns the seconds from its first to its last checkpoint.

    Raises RuntimeError if it fails.
    """
    wait_for_checkpoint(process, run)
    start = time.time()
    log, _ = process.communicate()
    if process.returncode:
        raise RuntimeError(f"training ended with {process.returncode}:\n{log}")
    return (run / CHECKPOINT).stat().st_mtime - start


def kill_and_resume(
    run: Path, data: Path, generator: random.Random, seconds: float
) -> int:
    """Kills a training within `seconds` of its first checkpoint and resumes it.

    Returns the step at which it was resumed.
    """
    process = train(run, "--data", str(data))
    wait_for_checkpoint(process, run)
    time.sleep(generator.uniform(0, seconds))
    process.kill()
    process.communicate()
    step = read(run / CHECKPOINT).step
    wait_for_end(train(run, "--resume"), run)
    return step


def final_state(run: Path) -> dict[str, Any]:
    """The final state of a run, except times."""
    with np.load(run / CHECKPOINT) as arrays:
        state = {name: arrays[name].tobytes() for name in arrays.files}
    del state[STATE]  # contains times
    for name in ("model.keras", "last.keras"):
        with zipfile.ZipFile(run / name) as archive:
            state[name] = archive.read("model.weights.h5")
    with (run / "history.csv").open(encoding="utf-8", newline="") as file:
        lines = [{**line, "seconds": ""} for line in csv.DictReader(file)]
    return {**state, "history.csv": lines, "metrics.json": metrics_of(run)}


def metrics_of(run: Path) -> Any:
    return json.loads((run / "metrics.json").read_text(encoding="utf-8"))


def check_equal(expected: dict[str, Any], found: dict[str, Any], step: int) -> None:
    """Raises GateFailed with the names of the parts that differ."""
    names = {*expected, *found}
    wrong = [name for name in names if expected.get(name) != found.get(name)]
    if wrong:
        raise GateFailed(
            f"resumed at step {step}: {len(wrong)} of {len(names)} parts differ from "
            f"those of an uninterrupted training: {', '.join(sorted(wrong)[:5])}"
        )


def table(figures: dict[str, Any]) -> str:
    """The results as text."""
    at = ", ".join(str(step) for step in sorted(figures["resumed_at_steps"]))
    return (
        f"{figures['kills']} trainings killed and resumed, all results equal to those "
        f"of an uninterrupted training\nresumed after step {at} of "
        f"{figures['whole_steps']}"
    )
