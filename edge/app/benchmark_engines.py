"""The engines that a benchmark measures, and their numbers of threads."""

from __future__ import annotations

import argparse
from importlib.util import find_spec
from pathlib import Path
from typing import Optional

from edge.core.errors import GateFailed, InputError
from edge.core.log import say
from edge.core.system import usable_cores
from edge.engines.base import Engine
from edge.engines.gpu import drivers
from edge.engines.onnx import gpu_providers
from edge.engines.select import describe, open_engine
from edge.engines.tflite import INTERPRETERS
from edge.model_file.onnx_proto import is_onnx


def open_all(arguments: argparse.Namespace) -> list[Engine]:
    """Open the engines to measure, each with each number of threads.

    An engine that was not requested by name and does not run is skipped with a message.
    Raises InputError or GateFailed for a requested engine, and if none runs.
    """
    named = [(name, None) for name in arguments.engines or ()]
    if arguments.delegate:
        named.append(("auto", arguments.delegate))
    opened, errors = [], []
    for name, delegate in named or available_engines(arguments.model):
        threads = arguments.threads or thread_counts(usable_cores())
        for count in threads[-1:] if name == "gpu" else threads:
            try:
                engine = open_engine(arguments.model, name, count, delegate, True)
            except (InputError, GateFailed) as error:
                if named:
                    raise
                errors.append(error)
                break
            say(describe(engine))
            opened.append(engine)
    if not opened:
        raise errors[-1]
    for error in errors:
        say(f"{error}; skipped")
    return opened


def available_engines(path: Path) -> list[tuple[str, Optional[str]]]:
    """(name, delegate or provider) of every engine that may run a file."""
    if is_onnx(path):
        return [("cpu", None), *(("auto", provider) for provider in gpu_providers())]
    names = [n for n, module in INTERPRETERS.items() if find_spec(module.split(".")[0])]
    if "litert" in names and drivers():
        names.append("gpu")
    return [(name, None) for name in names or ["cpu"]]


def thread_counts(processors: int) -> list[int]:
    """The powers of two up to `processors`, and `processors`.

    >>> thread_counts(1), thread_counts(4), thread_counts(6)
    ([1], [1, 2, 4], [1, 2, 4, 6])
    """
    doubled = [2**i for i in range(processors.bit_length())]
    return sorted({*doubled, processors})
