"""Opens a model as a predictor: its engine, and what its task makes of the outputs."""

from __future__ import annotations

from pathlib import Path
from typing import Optional

from edge.core.errors import InputError
from edge.core.timing import StageTimer
from edge.engines.base import Engine
from edge.engines.select import open_engine
from edge.model_file.info import ModelInfo
from edge.model_file.metadata import info_of
from edge.predict.base import Predictor
from edge.predict.tasks import PASSES, PREDICTORS
from edge.predict.tta import TTA

ONE_PASS = TTA()


def open_predictor(
    path: Path,
    engine: str = "auto",
    threads: Optional[int] = None,
    delegate: Optional[str] = None,
    require: bool = False,
    tta: TTA = ONE_PASS,
) -> Predictor:
    """A .tflite or .onnx file as the predictor of its task; see `open_engine`.

    Raises InputError for a file that is none, for outputs that do not fit its task, and
    for passes that it cannot make.
    """
    path = Path(path)
    runner = open_engine(path, engine, threads, delegate, require)
    return predictor_of(runner, info_of(path), str(path), tta)


def predictor_of(
    engine: Engine, info: ModelInfo, name: str = "the model", tta: TTA = ONE_PASS
) -> Predictor:
    """The predictor of a task on an engine; `name` is the model's in messages.

    Raises InputError for a task that is not known here, for outputs that do not fit the
    task, and for passes that it cannot make.
    """
    if info.task not in PREDICTORS:
        known = ", ".join(PREDICTORS)
        raise InputError(
            f"{name}: is for the task {info.task}; this version of kseg knows {known}"
        )
    try:
        predictor = PREDICTORS[info.task](engine, info, StageTimer())
    except InputError as error:
        raise InputError(f"{name}: {error}") from None
    if tta == ONE_PASS:
        return predictor
    if info.task not in PASSES:
        raise InputError(
            f"{name}: is for the task {info.task}, which takes one pass; leave "
            "--full-size, --tile, --flip and --scales out"
        )
    return PASSES[info.task](predictor, tta)
