"""Checkpoints: the whole training state after a step; `--resume` continues from it.

A checkpoint is one file and is replaced atomically: if the run is killed or the disk is
full, the previous checkpoint is kept.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edge.core.errors import InputError
from edge.core.files import atomic_write
from kseg.core.runs import DAMAGE

STATE = "state"


@dataclass
class TrainingState:
    """The progress of a run.

    `record` is the content of config.json. `step` counts the steps of all epochs.
    `history` has a row for each complete epoch; `seconds` is the time spent so far in
    the current epoch. With --hours, `used_seconds` is the time used so far, and
    `end` the last step by the plan, 0 before the first one.
    """

    record: dict[str, Any]
    step: int = 0
    seconds: float = 0.0
    history: list[dict[str, Any]] = field(default_factory=list)
    used_seconds: float = 0.0
    end: int = 0


def variables_of(model: Any) -> dict[str, list[Any]]:
    """All variables that the next step depends on, by kind, in the order of Keras.

    "weights" includes the random states of layers, "optimizer" the averaged weights;
    "metrics" are the sums of the loss and the metrics in the current epoch.
    """
    return {
        "weights": model.variables,
        "optimizer": model.optimizer.variables,
        "metrics": model.metrics_variables,
    }


class NotFinite(Exception):
    """The state has a value that is nan or infinite."""


def save(path: Path, model: Any, state: TrainingState) -> None:
    """Writes a checkpoint in place of the previous one.

    Raises OSError if it cannot be written, and NotFinite if a value is not finite; the
    previous checkpoint is kept then.
    """
    from keras import ops

    arrays = {
        f"{kind}/{index:05d}": ops.convert_to_numpy(variable)
        for kind, variables in variables_of(model).items()
        for index, variable in enumerate(variables)
    }
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise NotFinite(f"the {name.partition('/')[0]} are not finite")
    text = json.dumps(asdict(state), allow_nan=False).encode()
    with atomic_write(path) as part, part.open("wb") as file:
        np.savez(file, **{STATE: np.frombuffer(text, np.uint8)}, **arrays)


def read(path: Path) -> TrainingState:
    """Reads the progress of a run. Raises InputError for a missing or damaged file.

    Values that an older version saved as nan or infinity become None.
    """
    if not path.is_file():
        raise InputError(
            f"{path}: file not found, so the run cannot be resumed; train without "
            "--resume"
        )
    try:
        with path.open("rb") as file, np.load(file) as arrays:
            text = arrays[STATE].tobytes()
        return TrainingState(**json.loads(text, parse_constant=lambda _: None))
    except DAMAGE as error:
        raise InputError(f"{path}: is damaged ({error}); train again") from None


def restore(path: Path, model: Any, *kinds: str) -> None:
    """Assigns the values of a checkpoint to these kinds of variables of `model`.

    Raises InputError if their shapes differ from those of the model.
    """
    variables = variables_of(model)
    with np.load(path) as arrays:
        for kind in kinds:
            names = [name for name in arrays.files if name.startswith(f"{kind}/")]
            values = [arrays[name] for name in names]
            shapes = [tuple(variable.shape) for variable in variables[kind]]
            if shapes != [value.shape for value in values]:
                raise InputError(
                    f"{path}: the {kind} do not fit this network; resume with the "
                    "version of kseg that wrote it, or train again"
                )
            for variable, value in zip(variables[kind], values, strict=True):
                variable.assign(value)
