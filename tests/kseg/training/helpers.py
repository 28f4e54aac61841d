"""Helpers of the tests of training: files of a run, weights of a network."""

import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from kseg.core.runs import BEST, CHECKPOINT, HISTORY, LAST, read_history
from kseg.training.checkpoint import STATE

ROOT = Path(__file__).parents[3]


def start(*arguments: str) -> subprocess.Popen:
    """Starts `python -m ARGUMENTS` as a process."""
    return subprocess.Popen(
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def epochs_of(folder: Path) -> list[int]:
    path = folder / HISTORY
    return [line["epoch"] for line in read_history(path)] if path.exists() else []


def files_of(folder: Path) -> dict[str, bytes]:
    """Maps the names of the files of a folder to their contents."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def weights_of(model) -> dict[str, np.ndarray]:
    """Maps layer/number to arrays, including the statistics of batch norm."""
    return {
        f"{layer.name}/{index}": array
        for layer in model.layers
        for index, array in enumerate(layer.get_weights())
    }


def assert_equal_weights(model, other, names) -> None:
    ours, theirs = weights_of(model), weights_of(other)
    for name in names:
        np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)


def inside_encoder(model) -> list[str]:
    names = [name for name in weights_of(model) if name.startswith("encoder_")]
    assert any("_bn/" in name for name in names)
    return names


def outcome(folder: Path) -> dict[str, Any]:
    """The final state, weights and history of a run, without times."""
    with np.load(folder / CHECKPOINT) as arrays:
        state: dict[str, Any] = {name: arrays[name].tobytes() for name in arrays.files}
    del state[STATE]  # it contains seconds
    for name in (BEST, LAST):
        with zipfile.ZipFile(folder / name) as archive:
            state[name] = archive.read("model.weights.h5")
    lines = read_history(folder / HISTORY)
    return {**state, HISTORY: [{**line, "seconds": 0} for line in lines]}
