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

import time
from statistics import median
from typing import Any, Optional, Sequence

from edge.core.arguments import run
from edge.core.errors import InputError
from kseg import architectures, backend, resuming
from kseg.config import BenchmarkConfig, parse_given, refuse_idle
from kseg.data import open_data
from kseg.export_speed import export_speed, export_table
from kseg.runs import write_result
from kseg.training_speed import train_speed, train_table


def main(argv: Optional[Sequence[str]] = None) -> None:
    config, given = parse_given(BenchmarkConfig, __doc__, argv)
    refuse_idle(config, given, config.what)
    measure, shown = BENCHMARKS[config.what]
    figures = measure(config)
    if config.json != "-":
        print(shown(figures))
    write_result(config.json, figures)


def sliding_speed(config: BenchmarkConfig) -> dict[str, Any]:
    """Milliseconds per picture of a patch classifier, slid and as convolutions."""
    backend.start()
    import keras
    import numpy as np

    from kseg.keras_engine import KerasEngine
    from kseg.models.patch import (
        STRIDE,
        WINDOW,
        convolutionalized,
        patch_classifier,
        sliding_window,
    )

    data = open_data(config.data)
    picture, _ = data.split("val").read(0)
    if min(picture.shape[:2]) < WINDOW:
        raise InputError(
            f"{data.name}: its pictures are smaller than {WINDOW}x{WINDOW}"
        )
    steps = ((side - WINDOW) // STRIDE for side in picture.shape[:2])
    height, width = (WINDOW + count * STRIDE for count in steps)
    picture = picture[:height, :width]
    classifier = patch_classifier(data.num_classes, data.channels)
    image = keras.Input((None, None, data.channels))
    twin = KerasEngine(keras.Model(image, convolutionalized(classifier, image)))
    slid, whole = [], []
    for turn in range(config.rounds + 1):
        start = time.perf_counter()
        scores = sliding_window(classifier, picture)
        middle = time.perf_counter()
        twin_scores = twin(picture)
        if turn:
            slid.append(1e3 * (middle - start))
            whole.append(1e3 * (time.perf_counter() - middle))
    ratios = [a / b for a, b in zip(slid, whole, strict=True)]
    return {
        "size": (height, width),
        "patches": scores.shape[0] * scores.shape[1],
        "sliding_millis": round(median(slid), 2),
        "convolution_millis": round(median(whole), 2),
        "times_faster": round(median(ratios), 1),
        "largest_difference": float(np.abs(scores - twin_scores).max()),
    }


def sliding_table(figures: dict[str, Any]) -> str:
    height, width = figures["size"]
    return "\n".join(
        (
            f"{figures['patches']} patches of a {height}x{width} picture",
            f"slid, 64 patches at a time  {figures['sliding_millis']:9.1f} ms",
            f"the same as convolutions    {figures['convolution_millis']:9.1f} ms",
            f"times faster                {figures['times_faster']:9.1f}",
            f"largest difference          {figures['largest_difference']:9.1e}",
        )
    )


BENCHMARKS = {
    "train": (train_speed, train_table),
    "architectures": (architectures.compare, architectures.table),
    "sliding": (sliding_speed, sliding_table),
    "resume": (resuming.survive, resuming.table),
    "export": (export_speed, export_table),
}


if __name__ == "__main__":
    run("kseg.benchmark", main)
