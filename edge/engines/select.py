"""Chooses the fastest engine that a model runs on here."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Optional

from edge.core.errors import GateFailed, InputError
from edge.core.files import cache_folder
from edge.engines.base import Engine, EngineChoice, TrialResult
from edge.engines.gpu import drivers
from edge.engines.load import check_file, cores, load, warmed
from edge.engines.onnx import TENSORRT, gpus
from edge.engines.tflite import INTERPRETERS, PACKAGES, find_interpreter
from edge.engines.trial import SECONDS, check_engine

log = logging.getLogger(__name__)

BUILDING = 1800.0  # seconds that TensorRT may take to build for its GPU


def open_engine(
    path: Path,
    name: str = "auto",
    threads: Optional[int] = None,
    delegate: Optional[str] = None,
    require: bool = False,
    prove: bool = True,
) -> Engine:
    """Loads a .tflite or .onnx file into the engine called `name`.

    `delegate` is a shared library for a .tflite, a provider's name for an .onnx. Where
    what was asked for does not run the CPU does, which is said; with `require` that
    raises GateFailed. `prove` False trusts the file, which the caller has just made,
    and takes the CPU. Raises InputError for a file that is missing, damaged or of
    another kind, and where no engine takes it.
    """
    path = Path(path)
    check_file(path)
    choices = choices_of(path, name, threads or cores(), delegate)
    if not prove:
        return warmed(load(path, choices[-1]))
    if name == "auto" and not delegate:
        return fastest(path, choices)
    wanted, *others = choices
    outcome = proved(path, wanted)
    if outcome.works:
        engine = warmed(load(path, wanted))
        lack = missing_part(engine, wanted)
        if not lack:
            return engine
        if engine.share != 0:  # it does a part
            return partial(engine, f"{path}: {lack}", require)
        outcome = TrialResult(said=lack)
    return fallback(path, wanted, others, outcome, require)


def choices_of(
    path: Path, name: str, threads: int, delegate: Optional[str]
) -> list[EngineChoice]:
    """What `name` and `delegate` mean for a file: first what is wanted, last the CPU.

    Raises InputError where they do not go with the file, or a package is missing.
    """
    if path.suffix == ".onnx":
        return onnx_choices(path, name, threads, delegate)
    if name == "onnx":
        raise InputError(f"{path}: --engine onnx runs .onnx files; leave it out")
    if delegate and name == "gpu":
        raise InputError("--delegate goes with an interpreter; leave --engine gpu out")
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
    """As `choices_of`, for an .onnx file."""
    if name in INTERPRETERS:
        raise InputError(f"{path}: --engine {name} runs .tflite files; leave it out")
    providers = [] if name == "cpu" else gpus()
    if name == "gpu" and not providers:
        providers = [TENSORRT]  # which then says that it is not there
    if delegate:
        providers = [delegate]
    return [
        EngineChoice("onnx", "onnxruntime", threads, provider)
        for provider in (*providers, None)
    ]


def proved(path: Path, choice: EngineChoice) -> TrialResult:
    """The outcome of a trial, which takes minutes where TensorRT builds."""
    return check_engine(
        path, choice, BUILDING if choice.delegate == TENSORRT else SECONDS
    )


def fastest(path: Path, choices: list[EngineChoice]) -> Engine:
    """The fastest of the engines that work. One that breaks is said in a line.

    One that refuses in words, a GPU that is none, is no loss worth a line. A network of
    whole numbers stays on the CPU: a GPU runs it in floats, which round otherwise.
    """
    *others, cpu = choices
    outcomes = [(proved(path, cpu), cpu)]
    if outcomes[0][0].works and others:
        engine = load(path, cpu)
        if engine.input.scale:
            return warmed(engine)
    outcomes += [(proved(path, choice), choice) for choice in others]
    working = [(o.millis, i) for i, (o, _) in enumerate(outcomes) if o.works]
    if not working:
        raise InputError(complaint(path, cpu, outcomes[0][0]))
    for outcome, choice in outcomes:
        if outcome.broke:
            log.warning(f"{complaint(path, choice, outcome)}; the next engine runs")
    return warmed(load(path, outcomes[min(working)[1]][1]))


def missing_part(engine: Engine, wanted: EngineChoice) -> str:
    """What the accelerator that was asked for leaves to the CPU; "" where nothing."""
    if wanted.engine != "gpu" and not wanted.delegate:
        return ""
    if engine.share is None:
        return f"{wanted} does not run all of its operators; the CPU does the rest"
    if engine.share == 0:
        return f"{wanted} takes none of its operators"
    return ""


def partial(engine: Engine, lack: str, require: bool) -> Engine:
    """An engine whose accelerator does a part that is not known."""
    if require:
        raise GateFailed(lack)
    log.warning(lack)
    return engine


def fallback(
    path: Path,
    wanted: EngineChoice,
    others: list[EngineChoice],
    outcome: TrialResult,
    require: bool,
) -> Engine:
    """The first of `others` that works, for what was wanted and does not."""
    reason = complaint(path, wanted, outcome)
    if require and others:
        raise GateFailed(reason)
    for choice in others:
        if proved(path, choice).works:
            log.warning(
                f"{reason}; {choice} on {choice.delegate or 'the CPU'} runs instead"
            )
            return warmed(load(path, choice))
    raise InputError(reason)


def complaint(path: Path, choice: EngineChoice, outcome: TrialResult) -> str:
    """One line: the file, the engine, what happened, what to do."""
    if not outcome.broke:
        return f"{path}: {outcome.said}"
    return (
        f"{path}: {choice} {outcome.said} with this file; export it again or give "
        f"another --engine (remembered in {cache_folder() / 'proven.json'})"
    )


def describe(engine: Engine) -> str:
    """What runs, for people: engine, accelerator and its part, threads, first run."""
    parts = [f"engine {engine.name}"]
    if engine.accelerator:
        known = engine.share is not None
        part = f"{engine.share:.0%}" if known else "an unknown part"
        parts.append(f"{engine.accelerator} runs {part} of the operators")
    else:
        parts.append("CPU")
    parts.append(f"{engine.threads} threads")
    if engine.first_millis is not None:
        parts.append(f"first run {engine.first_millis:.0f} ms")
    return ", ".join(parts)
