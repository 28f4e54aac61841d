"""Opening a model file as the predictor of its task."""

from __future__ import annotations

from pathlib import Path
from typing import Optional

from edge.core.errors import InputError, quoted, shortened
from edge.core.timing import StageTimer
from edge.engines.base import Engine
from edge.engines.select import open_engine
from edge.model_file.info import ModelInfo
from edge.model_file.metadata import info_of
from edge.predict.base import Predictor
from edge.predict.tasks import KINDS, PREDICTORS, RECOGNIZERS, TTA_PREDICTORS
from edge.predict.tta import TTA

SINGLE_PASS = TTA()


def open_predictor(
    path: Path,
    engine: str = "auto",
    threads: Optional[int] = None,
    delegate: Optional[str] = None,
    require: bool = False,
    tta: TTA = SINGLE_PASS,
) -> Predictor:
    """Open a .tflite or .onnx file as the predictor of its task; see `open_engine`.

    Raises InputError for a file that is not a model, for outputs that do not suit its
    task, and for test-time augmentation that it does not support.
    """
    path = Path(path)
    runner = open_engine(path, engine, threads, delegate, require)
    return predictor_of(runner, info_of(path), str(path), tta)


def predictor_of(
    engine: Engine, info: ModelInfo, name: str = "the model", tta: TTA = SINGLE_PASS
) -> Predictor:
    """The predictor of a task on an engine; `name` is the model's name in messages.

    Raises InputError for an unknown task, for outputs that do not suit the task, and
    for test-time augmentation that it does not support.
    """
    try:
        predictor = recognized(engine, info) or by_task(engine, info)
    except InputError as error:
        raise InputError(f"{name}: {error}") from None
    if tta == SINGLE_PASS:
        return predictor
    task = predictor.info.task
    if task not in TTA_PREDICTORS:
        raise InputError(
            f"{name}: the task {task} has no test-time augmentation; leave "
            "--full-size, --tile, --flip and --scales out"
        )
    return TTA_PREDICTORS[task](predictor, tta)


def by_task(engine: Engine, info: ModelInfo) -> Predictor:
    """The predictor of the task that the metadata name."""
    if info.task not in PREDICTORS:
        known = ", ".join(PREDICTORS)
        raise InputError(
            f"its task {shortened(info.task)} is unknown; this version of kseg has "
            f"{known}"
        )
    kind = info.decoder.get("kind")
    known = PREDICTORS if kind is None else KINDS.get(kind, {})
    if info.task not in known:
        raise InputError(
            f"its decoder {quoted(kind)} is unknown for the task {info.task}; this "
            f"version of kseg has {', '.join(KINDS) or 'none'}"
        )
    return known[info.task](engine, info, StageTimer())


def recognized(engine: Engine, info: ModelInfo) -> Optional[Predictor]:
    """The predictor of a file whose outputs are of a known kind, without metadata."""
    if info.outputs:
        return None
    for recognizer in RECOGNIZERS:
        predictor = recognizer(engine, info)
        if predictor:
            return predictor
    return None
