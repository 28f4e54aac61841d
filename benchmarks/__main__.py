"""Measures kseg on this machine.

    kseg benchmark WHAT --help

Each benchmark is a module of this folder with options of its own. None is imported
before it is asked for: the one beside MediaPipe runs where kseg is not.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import NamedTuple, Optional, Sequence

from edge.core.arguments import run
from edge.core.errors import InputError


class Benchmark(NamedTuple):
    module: str  # of this folder; its main(argv) measures
    text: str


BENCHMARKS = {
    "architectures": Benchmark(
        "architectures", "trains every network with an equal budget; what each gained"
    ),
    "train": Benchmark(
        "training", "a step of training beside its input, PyTorch, the convolutions"
    ),
    "sliding": Benchmark(
        "sliding", "a patch classifier slid over an image, and as convolutions"
    ),
    "resume": Benchmark(
        "resume", "kills trainings at random moments; resumed, each must end the same"
    ),
    "export": Benchmark(
        "export", "heads and resolutions of exported files, and Keras's own export"
    ),
    "mediapipe": Benchmark(
        "mediapipe", "the camera loop in turns with MediaPipe's ImageSegmenter"
    ),
}


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Runs the benchmark that the first word names on the words after it."""
    words = sys.argv[1:] if argv is None else list(argv)
    known = ", ".join(BENCHMARKS)
    if not words:
        raise InputError(f"name a benchmark: {known} (--help says what each measures)")
    if words[0] in ("-h", "--help"):
        print(overview())
    elif words[0] in BENCHMARKS:
        module = import_module(f"benchmarks.{BENCHMARKS[words[0]].module}")
        module.main(words[1:])
    else:
        raise InputError(f"{words[0]}: no such benchmark; {known} are")


def overview() -> str:
    """The benchmarks, a line each."""
    lines = ["usage: kseg benchmark WHAT ...; each has --help", ""]
    lines += [f"  {name:13}  {each.text}" for name, each in BENCHMARKS.items()]
    return "\n".join(lines)


if __name__ == "__main__":
    run("kseg.benchmark", main)
