"""Measures kseg on this machine.

    python -m kseg.benchmark architectures
    python -m kseg.benchmark train --data DIR --encoder mobilenetv2
    python -m kseg.benchmark sliding
    python -m kseg.benchmark resume
    python -m kseg.benchmark export --run saved_models/RUN

`architectures` trains every network with an equal budget and shows what each gained.
`train` times in turns the steps of `fit` on the real pipeline and on one batch kept in
memory, PyTorch's on that batch, where it is installed, and the convolutions alone: what
the input costs, how fast that is beside PyTorch, what is left to gain.
`sliding` times a patch classifier slid over a picture against the same as convolutions.
`resume` kills trainings at random moments: each must end, once resumed, bit for bit as
one that nobody stopped.
`export` times heads and resolutions of exported files beside Keras's own export.
"""

from __future__ import annotations

from typing import Optional, Sequence

from benchmarks import architectures, resume
from benchmarks.config import BenchmarkConfig
from benchmarks.export import export_speed, export_table
from benchmarks.sliding import sliding_speed, sliding_table
from benchmarks.training import train_speed, train_table
from edge.core.arguments import run
from kseg.cli.parser import parse_given, refuse_idle
from kseg.cli.tables import write_result


def main(argv: Optional[Sequence[str]] = None) -> None:
    config, given = parse_given(BenchmarkConfig, "kseg.benchmark", __doc__, argv)
    refuse_idle(config, given, config.what)
    measure, shown = BENCHMARKS[config.what]
    figures = measure(config)
    if config.json != "-":
        print(shown(figures))
    write_result(config.json, figures)


BENCHMARKS = {
    "train": (train_speed, train_table),
    "architectures": (architectures.compare, architectures.table),
    "sliding": (sliding_speed, sliding_table),
    "resume": (resume.run_kill_test, resume.table),
    "export": (export_speed, export_table),
}


if __name__ == "__main__":
    run("kseg.benchmark", main)
