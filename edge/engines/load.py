"""Loading a model file into one engine."""

from __future__ import annotations

import time
from pathlib import Path

from edge.core.errors import InputError
from edge.core.files import cache_folder
from edge.engines.base import Engine, EngineChoice
from edge.engines.gpu import GPU
from edge.engines.onnx import ONNX
from edge.engines.parts import TFLitePart, role_in
from edge.engines.tflite import TFLite, find_interpreter, read_tflite
from edge.model_file.downloaded import onnx_metadata
from edge.model_file.onnx_proto import is_onnx


def check_file(path: Path) -> None:
    """Raises InputError if the file is missing, truncated or not a model."""
    if not path.is_file():
        raise InputError(f"{path}: no such model file")
    if is_onnx(path):
        onnx_metadata(path)
    else:
        read_tflite(path)


def load(path: Path, choice: EngineChoice) -> Engine:
    """Load a model in this process. Raises InputError if the engine rejects it.

    A file that is a part of a network, without the image, gives a TFLitePart.
    """
    part = role_in(path)
    if part and choice.engine == "gpu":
        raise InputError(f"{path}: --engine gpu takes images only")
    if choice.engine == "gpu":
        return GPU(path, choice.threads)
    if choice.engine == "onnx":
        place = cache_folder(), choice.input_size
        return ONNX(path, choice.threads, choice.delegate, *place)
    name, module = find_interpreter(choice.engine)
    kind = TFLitePart if part else TFLite
    return kind(path, name, module, choice.threads, choice.delegate)


def warm_up(engine: Engine) -> Engine:
    """Run an engine once on a blank image and record the time in `first_millis`."""
    blank, start = engine.blank(), time.perf_counter()
    engine(blank)
    engine.first_millis = 1e3 * (time.perf_counter() - start)
    return engine
