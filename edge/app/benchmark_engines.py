"""Which engines a benchmark measures, and with how many threads."""

from __future__ import annotations

import argparse
from importlib.util import find_spec
from pathlib import Path
from typing import Optional

from edge.core.errors import GateFailed, InputError
from edge.core.log import say
from edge.engines.base import Engine
from edge.engines.gpu import drivers
from edge.engines.load import cores
from edge.engines.onnx import gpus
from edge.engines.select import describe, open_engine
from edge.engines.tflite import INTERPRETERS


def open_all(arguments: argparse.Namespace) -> list[Engine]:
    """The engines to measure, each with each number of threads.

    One that was not asked for by name and does not run is said and left out. Raises
    InputError or GateFailed for one that was, and where none runs.
    """
    named = [(name, None) for name in arguments.engines or ()]
    if arguments.delegate:
        named.append(("auto", arguments.delegate))
    opened, refusals = [], []
    for name, delegate in named or here(arguments.model):
        threads = arguments.threads or up_to(cores())
        for count in threads[-1:] if name == "gpu" else threads:
            try:
                engine = open_engine(arguments.model, name, count, delegate, True)
            except (InputError, GateFailed) as refusal:
                if named:
                    raise
                refusals.append(refusal)
                break
            say(describe(engine))
            opened.append(engine)
    if not opened:
        raise refusals[-1]
    for refusal in refusals:
        say(f"{refusal}; left out")
    return opened


def here(path: Path) -> list[tuple[str, Optional[str]]]:
    """(name, delegate or provider) of every engine that could run a file here."""
    if path.suffix == ".onnx":
        return [("cpu", None), *(("auto", provider) for provider in gpus())]
    names = [n for n, module in INTERPRETERS.items() if find_spec(module.split(".")[0])]
    if "litert" in names and drivers():
        names.append("gpu")
    return [(name, None) for name in names or ["cpu"]]


def up_to(processors: int) -> list[int]:
    """1, 2, 4 ... and all.

    >>> up_to(1), up_to(4), up_to(6)
    ([1], [1, 2, 4], [1, 2, 4, 6])
    """
    doubled = [2**i for i in range(processors.bit_length())]
    return sorted({*doubled, processors})
