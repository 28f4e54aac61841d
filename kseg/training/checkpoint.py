"""Checkpoints: the whole training state after a step; `--resume` continues from it.

The file stands alone, and takes the place of the one before it whole or not at all: a
run that is killed, or whose disk is full, has the older one.
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
    """How far a run has come.

    `step` counts all steps since its beginning. `history` has a line for each whole
    epoch; `seconds` went into the one that is under way. `record` is config.json's
    content: what run it is.
    """

    record: dict[str, Any]
    step: int = 0
    seconds: float = 0.0
    history: list[dict[str, Any]] = field(default_factory=list)


def variables_of(model: Any) -> dict[str, list[Any]]:
    """Every number that the next step depends on, by kind, each in Keras's order.

    "weights" has the layers' random states too, "optimizer" the averaged weights, and
    "metrics" what loss and mean IoU have counted since the epoch began.
    """
    return {
        "weights": model.variables,
        "optimizer": model.optimizer.variables,
        "metrics": model.metrics_variables,
    }


class NotFinite(Exception):
    """A state that no training could continue from."""


def save(path: Path, model: Any, progressed: TrainingState) -> None:
    """Writes a checkpoint in the place of the last. Raises OSError where it cannot.

    Raises NotFinite, and leaves the last one, where a number is not finite.
    """
    from keras import ops

    arrays = {
        f"{kind}/{index:05d}": ops.convert_to_numpy(variable)
        for kind, variables in variables_of(model).items()
        for index, variable in enumerate(variables)
    }
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise NotFinite(f"its {name.partition('/')[0]} are not finite")
    state = json.dumps(asdict(progressed), allow_nan=False).encode()
    with atomic_write(path) as part, part.open("wb") as file:
        np.savez(file, **{STATE: np.frombuffer(state, np.uint8)}, **arrays)


def read(path: Path) -> TrainingState:
    """How far a checkpoint's run has come. Raises InputError for one that is none.

    What an older version counted as nan or infinite is None.
    """
    if not path.is_file():
        raise InputError(f"{path}: is missing, so the run cannot be resumed")
    try:
        with path.open("rb") as file, np.load(file) as arrays:
            text = arrays[STATE].tobytes()
        return TrainingState(**json.loads(text, parse_constant=lambda _: None))
    except DAMAGE as error:
        raise InputError(f"{path}: is damaged ({error}); train again") from None


def restore(path: Path, model: Any, *kinds: str) -> None:
    """Gives `model` the values of these kinds of its variables.

    Raises InputError where they are not those of the model.
    """
    known = variables_of(model)
    with np.load(path) as arrays:
        for kind in kinds:
            names = [name for name in arrays.files if name.startswith(f"{kind}/")]
            values = [arrays[name] for name in names]
            shapes = [tuple(variable.shape) for variable in known[kind]]
            if shapes != [value.shape for value in values]:
                raise InputError(
                    f"{path}: its {kind} are not those of this network; resume with "
                    "the version of kseg that wrote it, or train again"
                )
            for variable, value in zip(known[kind], values, strict=True):
                variable.assign(value)
