"""Loads a model file into one engine."""

from __future__ import annotations

import os
import time
from pathlib import Path

from edge.core.errors import InputError
from edge.core.files import cache_folder
from edge.engines.base import Engine, EngineChoice
from edge.engines.gpu import GPU
from edge.engines.onnx import ONNX
from edge.engines.tflite import TFLite, find_interpreter, read_tflite
from edge.model_file.onnx_proto import metadata_props


def cores() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def check_file(path: Path) -> None:
    """Raises InputError for a file that is not there, is no model or is cut off."""
    if not path.is_file():
        raise InputError(f"{path}: no such model file")
    if path.suffix != ".onnx":
        read_tflite(path)
        return
    try:
        metadata_props(path.read_bytes())
    except ValueError as error:
        raise InputError(
            f"{path}: is no ONNX model ({error}); copy or export it again"
        ) from None


def load(path: Path, choice: EngineChoice) -> Engine:
    """The engine of a choice, in this process. Raises InputError where it refuses."""
    if choice.engine == "gpu":
        return GPU(path, choice.threads)
    if choice.engine == "onnx":
        return ONNX(path, choice.threads, choice.delegate, cache_folder())
    name, module = find_interpreter(choice.engine)
    return TFLite(path, name, module, choice.threads, choice.delegate)


def warmed(engine: Engine) -> Engine:
    """Runs an engine once, on a blank picture, and keeps how long that took."""
    blank, start = engine.blank(), time.perf_counter()
    engine(blank)
    engine.first_millis = 1e3 * (time.perf_counter() - start)
    return engine
