"""Measures kseg on this machine.

    kseg benchmark NAME --help

Each benchmark is a module of this folder with its own options. A benchmark is imported
only when it is run: the one with MediaPipe works without kseg.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import NamedTuple, Optional, Sequence

from edge.core.arguments import run
from edge.core.errors import InputError


class Benchmark(NamedTuple):
    module: str  # a module of this folder with main(argv)
    text: str  # one line for --help


BENCHMARKS = {
    "architectures": Benchmark(
        "architectures",
        "train every architecture with an equal budget and compare them",
    ),
    "objects": Benchmark(
        "objects", "train every network that finds objects and compare them"
    ),
    "ablation": Benchmark(
        "ablation", "train variants of one training with several seeds and compare them"
    ),
    "train": Benchmark(
        "training", "a training step compared with PyTorch and with its convolutions"
    ),
    "step": Benchmark(
        "step", "where the time of a training step goes, by kind of operation"
    ),
    "depthwise": Benchmark(
        "depthwise", "the depthwise convolutions of a network with JAX, in both forms"
    ),
    "object-inference": Benchmark(
        "object_inference",
        "large networks of objects in Keras, compared with the same in PyTorch",
    ),
    "sliding": Benchmark(
        "sliding", "a patch classifier: sliding window compared with convolutions"
    ),
    "resume": Benchmark(
        "resume", "kill and resume trainings; the results must be equal"
    ),
    "export": Benchmark(
        "export",
        "speed of exported files by head and resolution, and of Keras's export",
    ),
    "decoding": Benchmark(
        "decoding", "objects and masks from a network's outputs, without the network"
    ),
    "proposals": Benchmark(
        "proposals", "R-CNN and Fast R-CNN: passes and time for each image"
    ),
    "drawing": Benchmark("drawing", "drawing objects on a frame, part by part"),
    "localize": Benchmark(
        "localize", "one object: the loss of its class, of its box, and of both"
    ),
    "soak": Benchmark(
        "soak", "the camera for long, while broker, stream and disk fail at random"
    ),
    "sources": Benchmark(
        "sources", "the camera with several sources compared with one"
    ),
    "padding": Benchmark(
        "padding", "accuracy by the padding inside a network, and without it"
    ),
    "mediapipe": Benchmark(
        "mediapipe", "the camera loop compared with MediaPipe's own tasks"
    ),
}


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Runs the benchmark named by the first argument with the other arguments."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    known = ", ".join(BENCHMARKS)
    if not arguments:
        raise InputError(f"give a benchmark: {known} (--help describes them)")
    if arguments[0] in ("-h", "--help", "--help-all"):
        print(overview())
    elif arguments[0] in BENCHMARKS:
        module = import_module(f"benchmarks.{BENCHMARKS[arguments[0]].module}")
        module.main(arguments[1:])
    else:
        raise InputError(f"{arguments[0]}: no such benchmark; use {known}")


def overview() -> str:
    """The benchmarks, one line each."""
    lines = [
        "usage: kseg benchmark NAME [OPTIONS]; kseg benchmark NAME --help lists them",
        "",
    ]
    lines += [f"  {name:17}  {each.text}" for name, each in BENCHMARKS.items()]
    return "\n".join(lines)


if __name__ == "__main__":
    run("kseg benchmark", main)
