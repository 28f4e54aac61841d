"""Numbers of a training that are not finite: finding them, and what to say then."""

from __future__ import annotations

from math import isfinite
from pathlib import Path
from typing import Iterable, Mapping, Optional

import numpy as np

from kseg.core.configs import TrainConfig
from kseg.core.runs import BEST


def first_not_finite(values: Mapping[str, float]) -> Optional[str]:
    """The name of the first value that is nan or infinite; None where all are finite.

    >>> first_not_finite({"loss": 0.5, "mean_iou": float("nan")})
    'mean_iou'
    """
    return next((name for name, value in values.items() if not isfinite(value)), None)


def all_finite(arrays: Iterable[np.ndarray]) -> bool:
    """Whether every number of every array is finite."""
    return all(bool(np.isfinite(array).all()) for array in arrays)


def remedy(config: TrainConfig) -> str:
    """What helps, for the options of this run."""
    steps = [f"train with a smaller --learning-rate than {config.peak_rate:g}"]
    if config.precision == "float16":  # whose largest number is 65504
        steps.append("with --precision bfloat16 or float32")
    steps.append(f"or check the data with kseg doctor {config.data}")
    return ", ".join(steps)


def what_is_kept(folder: Path, epochs: int, step: int) -> str:
    """What a run folder holds after `epochs` whole ones, and how it can be used.

    `step` is that of its checkpoint, 0 where the run has written none.
    """
    if epochs:
        held = f"{folder} keeps epoch {epochs}, from whose weights --init-from starts"
    elif (folder / BEST).is_file():
        held = f"{folder} keeps the model that --overwrite would have replaced"
    else:
        held = f"{folder} holds no model yet"
    return held + (f"; --resume continues from step {step}" if step else "")


def step_name(step: int, steps: int) -> str:
    """Step number `step` of the run, counted from 0, as people count.

    >>> step_name(9, steps=4)
    'epoch 3, step 2 of 4'
    """
    done, into = divmod(step, steps)
    return f"epoch {done + 1}, step {into + 1} of {steps}"
