"""Kills trainings at random moments and checks that --resume ends as if nobody had.

    kseg benchmark resume

Each must end, once resumed, bit for bit as one that nobody stopped; else status 3.
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

from benchmarks.results import JSON_HELP, show
from edge.core.errors import GateFailed
from edge.core.log import say
from edge.video import scenes
from kseg.cli.parser import parse
from kseg.core.options import Output, option
from kseg.core.progress import bar
from kseg.core.runs import CHECKPOINT
from kseg.training.checkpoint import STATE, read

# Everything that draws random numbers or remembers: augmentation, averages, dropout.
RUN = (
    "--model fcn8s --width 4 --fc-width 8 --batch-size 4 --size 64x64 --epochs 3 "
    "--elastic 4 --rotate 10 --blur 1 --noise 0.02 --cutout 0.2 --rare-crops 0.5 "
    "--loss ce+dice --ema 0.9 --deterministic --save-seconds 0"
).split()
PICTURES = {"train": 32, "val": 4}  # 8 steps an epoch
POLL_SECONDS = 0.01


@dataclass(frozen=True)
class ResumeConfig:
    """Options of `kseg benchmark resume`."""

    kills: int = option(20, "trainings that are killed and resumed")
    seed: int = option(0, "of the moments", zero=True)
    json: Output = option("", JSON_HELP)


def main(argv: Optional[Sequence[str]] = None) -> None:
    config = parse(ResumeConfig, "kseg benchmark resume", __doc__, argv)
    show(run_kill_test(config), table, config.json)


def run_kill_test(config: ResumeConfig) -> dict[str, Any]:
    """Trains `config.kills` times, each killed once (SIGKILL) and resumed.

    Raises GateFailed where weights, optimizer, averages or history of one differ in a
    single bit from those of a run that nobody stopped.
    """
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        make_data(folder / "data")
        say("a run that nobody stops")
        process = train(folder / "whole", "--data", str(folder / "data"))
        seconds = until_end(process, folder / "whole")
        expected = outcome(folder / "whole")
        moments, steps = random.Random(config.seed), []
        for kill in bar(range(config.kills), "killing"):
            run = folder / f"run{kill}"
            steps.append(kill_and_resume(run, folder / "data", moments, seconds))
            check_equal(expected, outcome(run), steps[-1])
    return {"kills": config.kills, "whole_steps": 24, "resumed_at_steps": steps}


def make_data(folder: Path) -> None:
    """A data folder of a few procedural scenes."""
    for seed, (split, count) in enumerate(PICTURES.items()):
        for index in range(count):
            pair = scenes.scene(seed, index, (64, 80))
            for kind, array in zip(("images", "masks"), pair, strict=True):
                path = folder / split / kind / f"s{index}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(array).save(path)


def train(run: Path, *arguments: str) -> subprocess.Popen:
    """A training in a process of its own."""
    command = [sys.executable, "-m", "kseg.train", "--output", str(run), *arguments]
    if "--resume" not in arguments:
        command += RUN
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=subprocess.STDOUT, text=True)


def until_checkpoint(process: subprocess.Popen, run: Path) -> None:
    while not (run / CHECKPOINT).exists() and process.poll() is None:
        time.sleep(POLL_SECONDS)


def until_end(process: subprocess.Popen, run: Path) -> float:
    """Seconds from the first to the last checkpoint of a training that must succeed."""
    until_checkpoint(process, run)
    start = time.time()
    log, _ = process.communicate()
    if process.returncode:
        raise RuntimeError(f"training ended with {process.returncode}:\n{log}")
    return (run / CHECKPOINT).stat().st_mtime - start


def kill_and_resume(
    run: Path, data: Path, moments: random.Random, seconds: float
) -> int:
    """Kills a training within `seconds` of its first checkpoint; where it went on."""
    process = train(run, "--data", str(data))
    until_checkpoint(process, run)
    time.sleep(moments.uniform(0, seconds))
    process.kill()
    process.communicate()
    step = read(run / CHECKPOINT).step
    until_end(train(run, "--resume"), run)
    return step


def outcome(run: Path) -> dict[str, Any]:
    """All that a run ended with, times apart."""
    with np.load(run / CHECKPOINT) as arrays:
        state = {name: arrays[name].tobytes() for name in arrays.files}
    del state[STATE]  # has seconds
    for name in ("model.keras", "last.keras"):
        with zipfile.ZipFile(run / name) as archive:
            state[name] = archive.read("model.weights.h5")
    with (run / "history.csv").open(encoding="utf-8", newline="") as file:
        lines = [{**line, "seconds": ""} for line in csv.DictReader(file)]
    return {**state, "history.csv": lines, "metrics.json": metrics_of(run)}


def metrics_of(run: Path) -> Any:
    return json.loads((run / "metrics.json").read_text(encoding="utf-8"))


def check_equal(expected: dict[str, Any], found: dict[str, Any], step: int) -> None:
    """Raises GateFailed naming what differs."""
    names = {*expected, *found}
    wrong = [name for name in names if expected.get(name) != found.get(name)]
    if wrong:
        raise GateFailed(
            f"resumed at step {step}, {len(wrong)} of {len(names)} parts differ from "
            f"those of a run that was never stopped: {', '.join(sorted(wrong)[:5])}"
        )


def table(figures: dict[str, Any]) -> str:
    at = ", ".join(str(step) for step in sorted(figures["resumed_at_steps"]))
    return (
        f"{figures['kills']} runs killed and resumed, all equal to one never stopped\n"
        f"went on after step {at} of {figures['whole_steps']}"
    )
