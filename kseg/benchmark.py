"""Measures kseg on this machine.

    python -m kseg.benchmark architectures
    python -m kseg.benchmark train --data DIR --encoder mobilenetv2
    python -m kseg.benchmark sliding
    python -m kseg.benchmark resume

`architectures` trains every network with an equal budget and shows what each gained.
`train` times the steps of `fit` on the real pipeline against the same step on one batch
kept in memory, in turns; what the first takes longer is the cost of the input.
`sliding` times a patch classifier slid over a picture against the same as convolutions.
`resume` kills trainings at random moments: each must end, once resumed, bit for bit as
one that nobody stopped.
"""

from __future__ import annotations

import time
from dataclasses import asdict, replace
from statistics import median
from typing import Any, Optional, Sequence

from edge.command import BadInput, run, say
from kseg import architectures, backend, resuming
from kseg.config import BenchmarkConfig, TrainConfig, parse
from kseg.data import open_data
from kseg.runs import write_result
from kseg.train import compile_for, crop_size, new_network

WARM_UP = 3  # steps of each fit that are not counted


def main(argv: Optional[Sequence[str]] = None) -> None:
    config = parse(BenchmarkConfig, __doc__, argv)
    measure, shown = BENCHMARKS[config.what]
    figures = measure(config)
    if config.json != "-":
        print(shown(figures))
    write_result(config.json, figures)


def train_speed(config: BenchmarkConfig) -> dict[str, Any]:
    """Milliseconds per step on the pipeline and on one batch, and their ratio."""
    data = open_data(config.data)
    backend.start()
    import tensorflow as tf

    from kseg.data.pipeline import Reader, training_batches
    from kseg.models import geometry

    training = TrainConfig(
        data=config.data,
        model=config.model,
        encoder=config.encoder,
        batch_size=config.batch_size,
    )
    model = new_network(training, data)
    compile_for(model, training, data, total_steps=10_000)
    shape = geometry(model)
    info = replace(data.info, **asdict(shape))
    size = crop_size(replace(training, size=config.size), data, info)
    reader = Reader(data.split("train"), training.max_side)
    say("reading the images once, as the first epoch does")
    for index in range(len(reader.split.sizes)):
        reader.read(index)
    batches = training_batches(
        reader, training, size, data.channels, border=shape.border
    )
    kept = tf.data.Dataset.from_tensors(next(iter(batches))).repeat()
    pipeline, memory = [], []
    for turn in range(config.rounds + 1):
        pair = [step_millis(model, source, config.steps) for source in (batches, kept)]
        if turn:  # the first round also traces and allocates
            pipeline.append(pair[0])
            memory.append(pair[1])
            say(f"round {turn}: pipeline {pair[0]:.1f} ms, memory {pair[1]:.1f} ms")
    ratios = [a / b for a, b in zip(pipeline, memory, strict=True)]
    return {
        "model": f"{config.model}-{config.encoder}",
        "size": size,
        "batch_size": config.batch_size,
        "pipeline_step_millis": round(median(pipeline), 2),
        "memory_step_millis": round(median(memory), 2),
        "input_cost": round(median(ratios) - 1, 4),
        "images_per_second": round(1e3 * config.batch_size / median(pipeline), 2),
    }


def step_millis(model: Any, batches: Any, steps: int) -> float:
    """Mean time of `steps` steps of `fit` after the warm-up."""
    import keras

    ends: list[float] = []

    class Clock(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            ends.append(time.perf_counter())

    model.fit(
        batches,
        steps_per_epoch=steps + WARM_UP,
        callbacks=[Clock()],
        shuffle=False,
        verbose=0,
    )
    return 1e3 * (ends[-1] - ends[WARM_UP - 1]) / steps


def train_table(figures: dict[str, Any]) -> str:
    size = "x".join(str(side) for side in figures["size"])
    return "\n".join(
        (
            f"{figures['model']}, crops {size}, batches of {figures['batch_size']}",
            f"step of fit on the pipeline   {figures['pipeline_step_millis']:9.1f} ms",
            f"step on one batch in memory   {figures['memory_step_millis']:9.1f} ms",
            f"input costs                   {figures['input_cost']:9.1%} of a step",
            f"images per second             {figures['images_per_second']:9.2f}",
        )
    )


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
        raise BadInput(f"{data.name}: its pictures are smaller than {WINDOW}x{WINDOW}")
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
}


if __name__ == "__main__":
    run("kseg.benchmark", main)
