"""Starts a command by its name: `python -m kseg.train` and `python -m kseg train`."""

from __future__ import annotations

import runpy
import sys
from importlib import import_module
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Optional, Sequence

from edge.core.arguments import run
from edge.core.errors import InputError

VERBS = {
    "train": "trains a network on labelled images",
    "evaluate": "measures a model on a split",
    "predict": "segments images: a mask and an overlay for each",
    "export": "converts a run for devices, and measures what that cost",
    "report": "writes a page that shows a run",
    "prepare": "brings another tool's export into the layout of folders",
    "doctor": "looks over a data set before it is trained on",
    "summary": "says what a network costs and sees, without running it",
    "benchmark": "measures kseg on this machine; it needs a checkout",
}
ROOT = Path(__file__).resolve().parents[2]
BENCHMARKS = ROOT / "benchmarks" / "__main__.py"


def verb(name: str, spec: Optional[ModuleSpec]) -> None:
    """Runs the command of a file of kseg; these are its `__name__` and `__spec__`.

    Imported rather than run, such a file does nothing. A file that is run by its path
    has no spec: there the path names the command.
    """
    if name == "__main__":
        start(spec.name.rpartition(".")[2] if spec else Path(sys.argv[0]).stem)


def start(name: str) -> None:
    """Runs a command on sys.argv and exits with its status."""
    if name == "benchmark":
        run("kseg.benchmark", benchmark)
    run(f"kseg.{name}", import_module(f"kseg.cli.{name}").main)


def benchmark(argv: Optional[Sequence[str]] = None) -> None:
    """Runs what stands beside kseg in a checkout and is in no wheel.

    Raises InputError where it is not there.
    """
    if not BENCHMARKS.is_file():
        raise InputError(
            "the benchmarks are in a checkout of kseg, not in the installed package; "
            "clone it and run python -m kseg.benchmark there"
        )
    sys.path.insert(0, str(ROOT))
    runpy.run_module("benchmarks", run_name="__main__", alter_sys=True)


def main(argv: Optional[Sequence[str]] = None) -> None:
    """`python -m kseg VERB`. Without a verb it lists them."""
    words = sys.argv[1:] if argv is None else list(argv)
    if not words or words[0] in ("-h", "--help"):
        print("usage: python -m kseg VERB ...; each has --help\n")
        for name, text in VERBS.items():
            print(f"  {name:10} {text}")
        return
    if words[0] not in VERBS:
        raise InputError(f"{words[0]}: no such command; {', '.join(VERBS)} are")
    sys.argv[1:] = words[1:]
    start(words[0])
