"""Engines: one model file in one runtime, behind `engine(image) -> output`.

An engine has `name`, `threads`, `size` ((height, width), or None where any size will
do) and `channels`. Called with (H, W, channels) uint8 it returns labels (h, w) of any
integer type, or scores (h, w, classes) float32.

Those of this folder say what runs as well: `accelerator` ("" where none), `share`, its
part of the operators (None where that cannot be known), and `first_millis`.

An engine is chosen by name, or as the fastest of those that work here. A file that
nobody has seen run in an engine is tried in a process of its own first (edge.proving).
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Optional, Union

from edge import proving
from edge.command import BadInput, GateFailed, say
from edge.gpu_engine import GPU, drivers
from edge.onnx_engine import ONNX, TENSORRT, gpus
from edge.onnx_metadata import metadata_props
from edge.proving import Choice, Outcome
from edge.tflite_engine import (
    INTERPRETERS,
    PACKAGES,
    TFLite,
    find_interpreter,
    read_tflite,
)

ENGINES = ("auto", "cpu", "gpu", *INTERPRETERS, "onnx")
BUILDING = 1800.0  # seconds that TensorRT may take to build for its GPU

Engine = Union[TFLite, GPU, ONNX]


def cores() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


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
    and takes the CPU. Raises BadInput for a file that is missing, damaged or of
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
        lack = lacking(engine, wanted)
        if not lack:
            return engine
        if engine.share != 0:  # it does a part
            return partial(engine, f"{path}: {lack}", require)
        outcome = Outcome(said=lack)
    return instead(path, wanted, others, outcome, require)


def check_file(path: Path) -> None:
    """Raises BadInput for a file that is not there, is no model or is cut off."""
    if not path.is_file():
        raise BadInput(f"{path}: no such model file")
    if path.suffix != ".onnx":
        read_tflite(path)
        return
    try:
        metadata_props(path.read_bytes())
    except ValueError as error:
        raise BadInput(
            f"{path}: is no ONNX model ({error}); copy or export it again"
        ) from None


def choices_of(
    path: Path, name: str, threads: int, delegate: Optional[str]
) -> list[Choice]:
    """What `name` and `delegate` mean for a file: first what is wanted, last the CPU.

    Raises BadInput where they do not go with the file, or a package is missing.
    """
    if path.suffix == ".onnx":
        return onnx_choices(path, name, threads, delegate)
    if name == "onnx":
        raise BadInput(f"{path}: --engine onnx runs .onnx files; leave it out")
    if delegate and name == "gpu":
        raise BadInput("--delegate goes with an interpreter; leave --engine gpu out")
    interpreter, _ = find_interpreter(name)
    cpu = Choice(interpreter, PACKAGES[interpreter], threads)
    if delegate:
        return [Choice(interpreter, cpu.package, threads, delegate), cpu]
    if name == "gpu" or (name == "auto" and interpreter == "litert" and drivers()):
        driver = tuple(drivers())
        return [Choice("gpu", PACKAGES["litert"], threads, drivers=driver), cpu]
    return [cpu]


def onnx_choices(
    path: Path, name: str, threads: int, delegate: Optional[str]
) -> list[Choice]:
    """As `choices_of`, for an .onnx file."""
    if name in INTERPRETERS:
        raise BadInput(f"{path}: --engine {name} runs .tflite files; leave it out")
    providers = [] if name == "cpu" else gpus()
    if name == "gpu" and not providers:
        providers = [TENSORRT]  # which then says that it is not there
    if delegate:
        providers = [delegate]
    return [
        Choice("onnx", "onnxruntime", threads, provider)
        for provider in (*providers, None)
    ]


def load(path: Path, choice: Choice) -> Engine:
    """The engine of a choice, in this process. Raises BadInput where it refuses."""
    if choice.engine == "gpu":
        return GPU(path, choice.threads)
    if choice.engine == "onnx":
        return ONNX(path, choice.threads, choice.delegate, proving.folder())
    name, module = find_interpreter(choice.engine)
    return TFLite(path, name, module, choice.threads, choice.delegate)


def proved(path: Path, choice: Choice) -> Outcome:
    """The outcome of a trial, which takes minutes where TensorRT builds."""
    return proving.prove(
        path, choice, BUILDING if choice.delegate == TENSORRT else proving.SECONDS
    )


def warmed(engine: Engine) -> Engine:
    """Runs an engine once, on a blank picture, and keeps how long that took."""
    blank, start = engine.tensors.blank(), time.perf_counter()
    engine(blank)
    engine.first_millis = 1e3 * (time.perf_counter() - start)
    return engine


def fastest(path: Path, choices: list[Choice]) -> Engine:
    """The fastest of the engines that work. One that breaks is said in a line.

    One that refuses in words, a GPU that is none, is no loss worth a line. A network of
    whole numbers stays on the CPU: a GPU runs it in floats, which round otherwise.
    """
    *others, cpu = choices
    outcomes = [(proved(path, cpu), cpu)]
    if outcomes[0][0].works and others:
        engine = load(path, cpu)
        if engine.tensors.image.scale:
            return warmed(engine)
    outcomes += [(proved(path, choice), choice) for choice in others]
    working = [(o.millis, i) for i, (o, _) in enumerate(outcomes) if o.works]
    if not working:
        raise BadInput(complaint(path, cpu, outcomes[0][0]))
    for outcome, choice in outcomes:
        if outcome.broke:
            say(f"{complaint(path, choice, outcome)}; the next engine runs")
    return warmed(load(path, outcomes[min(working)[1]][1]))


def lacking(engine: Engine, wanted: Choice) -> str:
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
    say(lack)
    return engine


def instead(
    path: Path, wanted: Choice, others: list[Choice], outcome: Outcome, require: bool
) -> Engine:
    """The first of `others` that works, for what was wanted and does not."""
    reason = complaint(path, wanted, outcome)
    if require and others:
        raise GateFailed(reason)
    for choice in others:
        if proved(path, choice).works:
            say(f"{reason}; {choice} on {choice.delegate or 'the CPU'} runs instead")
            return warmed(load(path, choice))
    raise BadInput(reason)


def complaint(path: Path, choice: Choice, outcome: Outcome) -> str:
    """One line: the file, the engine, what happened, what to do."""
    if not outcome.broke:
        return f"{path}: {outcome.said}"
    return (
        f"{path}: {choice} {outcome.said} with this file; export it again or give "
        f"another --engine (remembered in {proving.folder() / 'proven.json'})"
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
