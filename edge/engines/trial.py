"""Tries a model in a process of its own before this one trusts it.

Interpreters believe what a file says: a damaged one, or an instruction that the
processor lacks, ends the process that runs it. So the first load and run of a file in
an engine happen in a child with limits on time and memory. What came of it is kept in
`proven.json`, by the file's content, the engine, its version and the machine: the next
start is instant.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any, Optional

from edge.core.errors import InputError
from edge.core.files import cache_folder, write_text
from edge.engines.base import EngineChoice, TrialResult

# What the child runs. Not this file as a script: its folder would then come first among
# Python's, and `select` beside it would stand for the standard library's.
ROOT = Path(__file__).resolve().parents[2]
CHILD = f"""
import sys
sys.path[:0] = [{str(ROOT)!r}]
from edge.engines.trial import main
main()
"""
SECONDS = 60.0  # for a model to load and run; one frame of a live camera it is not
REVISION = 2  # of the engines here: what one refused the next may take
KEPT = 200  # outcomes; the oldest go first
OF_MEMORY = 0.8  # of what is free: more would make the machine end other programs
RUNS = 3  # timed ones, after the first
SIGNALS = {
    "SIGILL": "needs an instruction that this processor lacks (SIGILL)",
    "SIGALRM": "does not end",
    "SIGKILL": "was killed, for want of memory perhaps (SIGKILL)",
}


def key_of(path: Path, choice: EngineChoice) -> str:
    """What an outcome hangs on: the file's content, the engine, the machine."""
    try:
        version = metadata.version(choice.package)
    except metadata.PackageNotFoundError:
        version = "?"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    machine = f"{platform.node()} {platform.machine()} {platform.release()}"
    return f"{REVISION} {digest} {version} {asdict(choice)} {machine}"


def outcomes() -> dict[str, Any]:
    """What is kept; nothing where that cannot be read."""
    try:
        kept = json.loads((cache_folder() / "proven.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}


def keep(key: str, outcome: TrialResult) -> None:
    """Adds an outcome. Where nothing can be written the next start tries again."""
    kept = {**outcomes(), key: asdict(outcome)}
    newest = dict([*kept.items()][-KEPT:])
    try:
        cache_folder().mkdir(parents=True, exist_ok=True)
        write_text(cache_folder() / "proven.json", json.dumps(newest, indent=1) + "\n")
    except OSError:
        pass


def check_engine(
    path: Path, choice: EngineChoice, seconds: float = SECONDS
) -> TrialResult:
    """What comes of a model in an engine: as remembered, or tried in a child now."""
    key = key_of(path, choice)
    try:
        return TrialResult(**outcomes()[key])
    except (KeyError, TypeError):
        outcome = tried(path, choice, seconds)
    keep(key, outcome)
    return outcome


def tried(path: Path, choice: EngineChoice, seconds: float) -> TrialResult:
    """Starts a child that loads the model and runs it, and says how that went."""
    order = json.dumps({"path": str(path), "seconds": seconds, **asdict(choice)})
    command = [sys.executable, "-c", CHILD, order]
    quiet = {"stdin": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    try:
        child = subprocess.run(
            command, stdout=subprocess.PIPE, timeout=seconds, **quiet
        )
    except subprocess.TimeoutExpired:
        return TrialResult(
            said=f"does not end within {seconds:.0f} seconds", broke=True
        )
    try:
        return TrialResult(**json.loads(child.stdout))
    except (ValueError, TypeError):
        return TrialResult(said=ended(child.returncode), broke=True)


def ended(status: int) -> str:
    """How a child ended that said nothing.

    >>> ended(-11), ended(7)
    ('crashes (SIGSEGV)', 'ends the process with status 7')
    """
    if status >= 0:
        return f"ends the process with status {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    return SIGNALS.get(name, f"crashes ({name})")


def free_memory() -> Optional[int]:
    """Bytes that programs can have without others' loss; None where nothing says."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        kib = next(line.split()[1] for line in lines if line.startswith("MemAvail"))
        return 1024 * int(kib)
    except (OSError, StopIteration):
        return None


def limit(seconds: float, memory: bool) -> None:
    """Bounds this process's time and, if `memory`, that too, where the system can.

    Data, not address space: a GPU's driver reserves far more addresses than it uses.
    Whatever runs out, this process is the first that the system ends for it.
    """
    try:
        import resource
    except ImportError:  # Windows: the parent's time limit alone
        return
    try:
        Path("/proc/self/oom_score_adj").write_text("1000")
    except OSError:
        pass
    free = free_memory()
    if free and memory:
        bytes_ = int(OF_MEMORY * free)
        resource.setrlimit(resource.RLIMIT_DATA, (bytes_, bytes_))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(int(seconds) + 1)  # should the parent be gone by then


def trial(path: Path, choice: EngineChoice) -> TrialResult:
    """Loads a model and runs it a few times on a blank picture."""
    from edge.engines.load import load

    try:
        engine = load(path, choice)
        blank, millis = engine.blank(), []
        for _ in range(1 + RUNS):
            start = time.perf_counter()
            engine(blank)
            millis.append(1e3 * (time.perf_counter() - start))
    except InputError as refusal:
        said = str(refusal)
        prefix = f"{path}: "
        return TrialResult(
            said=said[len(prefix) :] if said.startswith(prefix) else said
        )
    except MemoryError:
        return TrialResult(said="needs more memory than is free", broke=True)
    return TrialResult(min(millis[1:]))


def main() -> None:
    """The child: says the outcome as JSON on what was its stdout, and ends at once."""
    out = os.dup(1)
    os.dup2(2, 1)  # libraries write there too
    order = json.loads(sys.argv[1])
    path, seconds = Path(order.pop("path")), order.pop("seconds")
    order["drivers"] = tuple(order["drivers"])
    choice = EngineChoice(**order)
    limit(seconds, memory=not choice.delegate)  # what a delegate maps nobody knows
    outcome = trial(path, choice)
    os.write(out, json.dumps(asdict(outcome)).encode())
    os._exit(0)  # some engines crash as Python takes them down
