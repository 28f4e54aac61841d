"""Trying a model in a child process before it is loaded in this one.

Interpreters do not validate files: a damaged file, or an instruction that the processor
does not support, crashes the process. The first load and run of a file in an engine
therefore happen in a child process with limits on time and memory. The result is cached
in `proven.json`, by the file's content, the engine, its version and the machine, so
that the next start is fast.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
import sys
import time
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from edge.core.errors import InputError
from edge.core.files import cache_folder, json_text, write_json
from edge.core.system import crash_name, free_memory, limit_process
from edge.engines.base import EngineChoice, TrialResult

# The child's program. This file cannot be the script: its folder would then be first on
# sys.path, and `select` in it would shadow the standard library's module.
ROOT = Path(__file__).resolve().parents[2]
CHILD = f"""
import sys
sys.path[:0] = [{str(ROOT)!r}]
from edge.engines.trial import main
main()
"""
TRIAL_SECONDS = 60.0  # for a model to load and run
REVISION = 2  # increased when the engines change: results of others do not count
MAX_RESULTS = 200  # in the cache; the oldest are removed
MEMORY_SHARE = 0.8  # of the free memory, so that no other program is killed
TIMED_RUNS = 3  # after the first run
SIGNALS = {
    "SIGILL": "needs an instruction that this processor does not support (SIGILL)",
    "SIGALRM": "does not end in time",
    "SIGKILL": "was killed, possibly out of memory (SIGKILL)",
}


def cache_key(path: Path, choice: EngineChoice) -> str:
    """The key of a result: the file's content, the engine, versions, the machine."""
    try:
        version = metadata.version(choice.package)
    except metadata.PackageNotFoundError:
        version = "?"
    version += f" numpy {np.__version__}"  # an engine may be built for another one
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    machine = f"{platform.node()} {platform.machine()} {platform.release()}"
    return f"{REVISION} {digest} {version} {asdict(choice)} {machine}"


def load_results() -> dict[str, Any]:
    """The cached results by key; empty if the cache cannot be read."""
    try:
        cached = json.loads(
            (cache_folder() / "proven.json").read_text(encoding="utf-8")
        )
    except (OSError, ValueError):
        return {}
    return cached if isinstance(cached, dict) else {}


def save_result(key: str, result: TrialResult) -> None:
    """Add a result to the cache; ignored if the cache cannot be written."""
    cached = {**load_results(), key: result.to_record()}
    newest = dict([*cached.items()][-MAX_RESULTS:])
    try:
        cache_folder().mkdir(parents=True, exist_ok=True)
        write_json(cache_folder() / "proven.json", newest)
    except OSError:
        pass


def check_engine(
    path: Path, choice: EngineChoice, seconds: float = TRIAL_SECONDS
) -> TrialResult:
    """The result of a model in an engine: cached, or of a trial in a child process."""
    key = cache_key(path, choice)
    try:
        return TrialResult.from_record(load_results()[key])
    except (KeyError, TypeError):
        result = run_trial(path, choice, seconds)
    save_result(key, result)
    return result


def run_trial(path: Path, choice: EngineChoice, seconds: float) -> TrialResult:
    """Load and run the model in a child process."""
    order = json_text({"path": str(path), "seconds": seconds, **asdict(choice)})
    command = [sys.executable, "-c", CHILD, order]
    quiet = {"stdin": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    try:
        child = subprocess.run(
            command, stdout=subprocess.PIPE, timeout=seconds, **quiet
        )
    except subprocess.TimeoutExpired:
        return TrialResult(
            message=f"does not end within {seconds:.0f} seconds", crashed=True
        )
    try:
        return TrialResult.from_record(json.loads(child.stdout))
    except (ValueError, TypeError, KeyError):
        return TrialResult(message=describe_exit(child.returncode), crashed=True)


def describe_exit(status: int) -> str:
    """How a child process ended that reported no result.

    >>> describe_exit(-11), describe_exit(7)
    ('crashes (SIGSEGV)', 'ends the process with status 7')
    """
    name = crash_name(status)
    if name is None:
        return f"ends the process with status {status}"
    return SIGNALS.get(name, f"crashes ({name})")


def limit_resources(seconds: float, memory: bool) -> None:
    """Limit this process's time and, if `memory`, its memory, where supported.

    The parent limits the time too; this limit holds if the parent has exited.
    """
    free = free_memory() if memory else None
    limit_process(seconds, free and int(MEMORY_SHARE * free))


def measure(path: Path, choice: EngineChoice) -> TrialResult:
    """Load a model and run it a few times on a blank image."""
    from edge.engines.load import load

    try:
        engine = load(path, choice)
        blank, millis = engine.blank(), []
        for _ in range(1 + TIMED_RUNS):
            start = time.perf_counter()
            engine(blank)
            millis.append(1e3 * (time.perf_counter() - start))
    except InputError as error:
        message, prefix = str(error), f"{path}: "
        if message.startswith(prefix):
            message = message[len(prefix) :]
        return TrialResult(message=message)
    except MemoryError:
        return TrialResult(message="needs more memory than is free", crashed=True)
    return TrialResult(min(millis[1:]))


def main() -> None:
    """The child process: write the result as JSON to stdout and exit at once."""
    out = os.dup(1)
    os.dup2(2, 1)  # libraries write to stdout too
    order = json.loads(sys.argv[1])
    path, seconds = Path(order.pop("path")), order.pop("seconds")
    for name in ("drivers", "input_size"):
        order[name] = order[name] and tuple(order[name])
    choice = EngineChoice(**order)
    limit_resources(seconds, memory=not choice.delegate)  # delegates map more
    result = measure(path, choice)
    os.write(out, json_text(result.to_record()).encode())
    os._exit(0)  # some engines crash at Python's exit
