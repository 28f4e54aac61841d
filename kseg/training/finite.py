"""Detects values that are nan or infinite in training, and explains what to do."""

from __future__ import annotations

from math import isfinite
from pathlib import Path
from typing import Iterable, Mapping, Optional

import numpy as np

from kseg.core.configs import TrainConfig
from kseg.core.runs import BEST
from kseg.core.text import command


def first_not_finite(values: Mapping[str, Optional[float]]) -> Optional[str]:
    """Name of the first value that is nan or infinite; None if all are finite.

    Values that are None are missing, as in an epoch without validation.

    >>> first_not_finite({"loss": 0.5, "mean_iou": float("nan")})
    'mean_iou'
    """
    known = {name: value for name, value in values.items() if value is not None}
    return next((name for name, value in known.items() if not isfinite(value)), None)


def all_finite(arrays: Iterable[np.ndarray]) -> bool:
    """Whether every number of every array is finite."""
    return all(bool(np.isfinite(array).all()) for array in arrays)


def suggest_fix(config: TrainConfig) -> str:
    """Suggests what to change, depending on the options of the run."""
    fixes = [f"use a smaller --learning-rate than {config.peak_rate:g}"]
    if config.precision == "float16":  # whose largest number is 65504
        fixes.append("use --precision bfloat16 or float32")
    fixes.append(f"or check the data with {command('doctor', config.data)}")
    return ", ".join(fixes)


def describe_saved(folder: Path, epochs: int, step: int) -> str:
    """Describes the files of a run folder in which `epochs` epochs are saved.

    `step` is that of the checkpoint, 0 if the run has not written one.
    """
    if epochs:
        saved = f"{folder} has the model of epoch {epochs}, which --init-from can use"
    elif (folder / BEST).is_file():
        saved = f"{folder} still has the model that --overwrite would replace"
    else:
        saved = f"{folder} has no model yet"
    return saved + (f"; --resume continues from step {step}" if step else "")


def step_name(step: int, steps: int) -> str:
    """Describes a step of the run; `step` counts from 0, the text from 1.

    >>> step_name(9, steps=4)
    'epoch 3, step 2 of 4'
    """
    epoch, index = divmod(step, steps)
    return f"epoch {epoch + 1}, step {index + 1} of {steps}"
