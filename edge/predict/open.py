"""Opening a model file as the predictor of its task."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Optional

from edge.core.errors import InputError, quoted, shortened
from edge.core.timing import StageTimer
from edge.engines.base import Engine
from edge.engines.load import check_file
from edge.engines.select import open_engine
from edge.model_file.info import ModelInfo, made_by_others
from edge.model_file.metadata import info_of, kept_reading
from edge.model_file.reading import (
    NOTHING,
    Reading,
    described_options,
    keep,
    kept_path,
)
from edge.predict.assumptions import assumptions
from edge.predict.base import Predictor
from edge.predict.tasks import KINDS, PREDICTORS, RECOGNIZERS, TTA_PREDICTORS
from edge.predict.tta import TTA

log = logging.getLogger(__name__)

SINGLE_PASS = TTA()
FOR_ALL = ("threshold",)  # options for files that kseg exported, too


def open_predictor(
    path: Path,
    engine: str = "auto",
    threads: Optional[int] = None,
    delegate: Optional[str] = None,
    require: bool = False,
    tta: TTA = SINGLE_PASS,
    given: Reading = NOTHING,
) -> Predictor:
    """Open a .tflite or .onnx file as the predictor of its task; see `open_engine`.

    `given` is how a file that kseg did not export is read. It is added to what is kept
    beside the file, and kept there. What is assumed is logged.

    Raises InputError for a file that is not a model, for outputs that do not suit its
    task or what is given, and for test-time augmentation that it does not support.
    """
    path = Path(path)
    check_file(path)
    info, kept = info_of(path), kept_reading(path)
    if not made_by_others(info):
        return open_described(
            path, info, given, (engine, threads, delegate, require), tta
        )
    reading = kept.updated(given)
    try:
        runner = open_engine(path, engine, threads, delegate, require, reading=reading)
        predictor = predictor_of(runner, info, str(path), tta)
        check_given(predictor, reading, path)
    except InputError as error:
        where = "" if kept == NOTHING else f" (options are kept in {kept_path(path)})"
        raise InputError(f"{error}{where}") from None
    why = keep(path, reading) if given != NOTHING else ""
    log.info(assumptions(predictor, reading, path, kept=not why))
    if why:
        log.warning(
            f"{kept_path(path)}: the options cannot be kept there ({why}); give them "
            "again next time"
        )
    return predictor


def open_described(
    path: Path, info: ModelInfo, given: Reading, engine: tuple, tta: TTA
) -> Predictor:
    """The predictor of a file that describes itself.

    Raises InputError for options that only other files need.
    """
    needless = [name for name in given.given() if name not in FOR_ALL]
    if needless:
        raise InputError(
            f"{path}: says itself how it is read; leave {described_options(needless)} "
            "out"
        )
    if given.threshold is not None:
        changes = {**info.decoder, "threshold": given.threshold}
        info = replace(info, decoder=changes)
    predictor = predictor_of(open_engine(path, *engine), info, str(path), tta)
    check_given(predictor, given, path)
    return predictor


def check_given(predictor: Predictor, given: Reading, path: Path) -> None:
    """Raises InputError for a threshold that the predictor does not have."""
    if given.threshold is not None and not predictor.has_threshold:
        raise InputError(
            f"{path}: --threshold has no effect on a model of the task "
            f"{predictor.info.task}; leave it out, or give --score"
        )


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
