"""Choosing the fastest engine that runs a model on this machine."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Optional

from edge.core.constants import ENGINES
from edge.core.errors import GateFailed, InputError
from edge.core.files import cache_folder
from edge.core.system import usable_cores
from edge.engines.base import Engine, EngineChoice, TrialResult
from edge.engines.gpu import drivers
from edge.engines.load import check_file, load, warm_up
from edge.engines.onnx import TENSORRT, gpu_providers
from edge.engines.parts import parts_of, refuse_part
from edge.engines.tflite import INTERPRETERS, PACKAGES, find_interpreter
from edge.engines.trial import TRIAL_SECONDS, check_engine
from edge.model_file.metadata import kept_reading
from edge.model_file.onnx_proto import is_onnx
from edge.model_file.reading import NOTHING, Reading

log = logging.getLogger(__name__)

BUILD_SECONDS = 1800.0  # that TensorRT may take to build its engine


def open_engine(
    path: Path,
    name: str = "auto",
    threads: Optional[int] = None,
    delegate: Optional[str] = None,
    require: bool = False,
    trial: bool = True,
    reading: Optional[Reading] = None,
) -> Engine:
    """Load a .tflite or .onnx file into the engine called `name`.

    `delegate` is a shared library for a .tflite file, a provider's name for an .onnx
    file. If the requested engine does not run the model, the CPU does, with a warning;
    with `require` this raises GateFailed. `trial` False skips the trial in a child
    process, for files that the caller has just written, and uses the CPU. Raises
    InputError if the file is missing, damaged or not a model, or if no engine runs it.

    The other files of a network in several parts are opened in the same way, and are
    the `parts` of the engine.

    `reading` is how a file that kseg did not export is read, by default what is kept
    beside it.
    """
    path = Path(path)
    check_file(path)
    refuse_part(path)
    parts = parts_of(path)
    reading = kept_reading(path) if reading is None else reading
    if reading.input_size and not is_onnx(path):
        raise InputError(
            f"{path}: --input-size is for .onnx files without a fixed size; leave it "
            "out"
        )
    options = (name, threads, delegate, require, trial)
    engine = open_file(path, *options, reading.input_size)
    if reading != NOTHING:
        engine.read_as(reading)  # type: ignore[attr-defined]
    for role, part in parts.items():
        check_file(part)
        engine.parts[role] = open_file(part, *options)  # type: ignore[attr-defined]
    return engine


def open_file(
    path: Path,
    name: str,
    threads: Optional[int],
    delegate: Optional[str],
    require: bool,
    trial: bool,
    input_size: Optional[tuple[int, int]] = None,
) -> Engine:
    """`open_engine` of one file."""
    if name not in ENGINES:
        raise InputError(f"engine {name!r} is not one of {', '.join(ENGINES)}")
    choices = choices_of(path, name, threads or usable_cores(), delegate)
    choices = [replace(choice, input_size=input_size) for choice in choices]
    if not trial:
        return warm_up(load(path, choices[-1]))
    if name == "auto" and not delegate:
        return fastest(path, choices)
    wanted, *others = choices
    result = try_engine(path, wanted)
    if result.works:
        engine = warm_up(load(path, wanted))
        missing = missing_part(engine, wanted)
        if not missing:
            return engine
        if engine.share != 0:  # it runs a part
            return partly_accelerated(engine, f"{path}: {missing}", require)
        result = TrialResult(message=missing)
    return fallback(path, wanted, others, result, require)


def choices_of(
    path: Path, name: str, threads: int, delegate: Optional[str]
) -> list[EngineChoice]:
    """The engines to try for `name` and `delegate`: first the requested, last the CPU.

    Raises InputError if they do not suit the file or a package is not installed.
    """
    if is_onnx(path):
        return onnx_choices(path, name, threads, delegate)
    if name == "onnx":
        raise InputError(f"{path}: --engine onnx runs .onnx files only; leave it out")
    if delegate and name == "gpu":
        raise InputError("--delegate needs an interpreter; leave --engine gpu out")
    interpreter, _ = find_interpreter(name)
    cpu = EngineChoice(interpreter, PACKAGES[interpreter], threads)
    if delegate:
        return [EngineChoice(interpreter, cpu.package, threads, delegate), cpu]
    if name == "gpu" or (name == "auto" and interpreter == "litert" and drivers()):
        driver = tuple(drivers())
        return [EngineChoice("gpu", PACKAGES["litert"], threads, drivers=driver), cpu]
    return [cpu]


def onnx_choices(
    path: Path, name: str, threads: int, delegate: Optional[str]
) -> list[EngineChoice]:
    """`choices_of` for an .onnx file."""
    if name in INTERPRETERS:
        raise InputError(
            f"{path}: --engine {name} runs .tflite files only; leave it out"
        )
    providers = [] if name == "cpu" else gpu_providers()
    if name == "gpu" and not providers:
        providers = [TENSORRT]  # which then raises an error
    if delegate:
        providers = [delegate]
    return [
        EngineChoice("onnx", "onnxruntime", threads, provider)
        for provider in (*providers, None)
    ]


def try_engine(path: Path, choice: EngineChoice) -> TrialResult:
    """`check_engine` with a time limit that lets TensorRT build its engine."""
    seconds = BUILD_SECONDS if choice.delegate == TENSORRT else TRIAL_SECONDS
    return check_engine(path, choice, seconds)


def fastest(path: Path, choices: list[EngineChoice]) -> Engine:
    """Load the fastest of the engines that work; log a warning for those that crash.

    Engines that report an error, such as a missing GPU, are skipped without a warning.
    A quantized network stays on the CPU: a GPU would run it in floats, with other
    rounding.
    """
    *others, cpu = choices
    results = [(try_engine(path, cpu), cpu)]
    if results[0][0].works and others:
        engine = load(path, cpu)
        if engine.input.scale:
            return warm_up(engine)
    results += [(try_engine(path, choice), choice) for choice in others]
    working = [(r.millis, i) for i, (r, _) in enumerate(results) if r.works]
    if not working:
        raise InputError(failure_message(path, cpu, results[0][0]))
    for result, choice in results:
        if result.crashed:
            reason = failure_message(path, choice, result)
            log.warning(f"{reason}; the next engine is used")
    return warm_up(load(path, results[min(working)[1]][1]))


def missing_part(engine: Engine, wanted: EngineChoice) -> str:
    """What the requested accelerator leaves to the CPU, as a message; "" if nothing."""
    if wanted.engine != "gpu" and not wanted.delegate:
        return ""
    if engine.share is None:
        return f"{wanted} does not run all of its operators; the CPU runs the others"
    if engine.share == 0:
        return f"{wanted} runs none of its operators"
    return ""


def partly_accelerated(engine: Engine, message: str, require: bool) -> Engine:
    """Accept an engine that runs only some operators; GateFailed if `require`."""
    if require:
        raise GateFailed(message)
    log.warning(message)
    return engine


def fallback(
    path: Path,
    wanted: EngineChoice,
    others: list[EngineChoice],
    result: TrialResult,
    require: bool,
) -> Engine:
    """Load the first of `others` that works, in place of the requested engine."""
    reason = failure_message(path, wanted, result)
    if require and others:
        raise GateFailed(reason)
    for choice in others:
        if try_engine(path, choice).works:
            log.warning(
                f"{reason}; using {choice} on {choice.delegate or 'the CPU'} instead"
            )
            return warm_up(load(path, choice))
    raise InputError(reason)


def failure_message(path: Path, choice: EngineChoice, result: TrialResult) -> str:
    """One line: the file, the engine, the failure and the remedy."""
    if not result.crashed:
        return f"{path}: {result.message}"
    return (
        f"{path}: {choice} {result.message} with this file; export it again or choose "
        f"another --engine (cached in {cache_folder() / 'proven.json'})"
    )


def describe(engine: Engine) -> str:
    """One line about an engine: its accelerator's share, threads and first run."""
    parts = [f"engine {engine.name}"]
    if engine.accelerator:
        known = engine.share is not None
        part = f"{engine.share:.0%}" if known else "an unknown share"
        parts.append(f"{engine.accelerator} runs {part} of the operators")
    else:
        parts.append("CPU")
    parts.append(f"{engine.threads} threads")
    if engine.first_millis is not None:
        parts.append(f"first run {engine.first_millis:.0f} ms")
    return ", ".join(parts)
