"""Measures a training step of `fit`, of PyTorch, and of the convolutions alone.

    kseg benchmark train --data DIR --encoder mobilenetv2
    kseg benchmark train --model instances

`fit` is timed on the input pipeline and on one batch in memory; PyTorch, if installed,
on the same batch. The results show the time of the input pipeline, the speed relative
to PyTorch, and the share of the convolutions. With --auxiliary or --boundary, a step
without the heads is timed too; PyTorch's step and the convolutions have none.

Measurements alternate, because the speed of a machine varies over minutes: a ratio is
computed within each round, and the median over the rounds is reported. Processor time,
summed over threads, is reported too; compare it if other programs use the machine.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from statistics import median
from typing import Any, Callable, Optional, Sequence

from benchmarks.clock import WARM_UP, Millis, between, mean_millis, now
from benchmarks.convolutions import convolutions
from benchmarks.pytorch_step import peak_mebibytes, pytorch_process
from benchmarks.results import JSON_HELP, option, show
from edge.core.log import say
from edge.core.system import usable_cores
from kseg.cli.parser import parse
from kseg.core import backend
from kseg.core.configs import TrainConfig, network_options
from kseg.core.names import (
    ENCODER_NAMES,
    MODEL_NAMES,
    OBJECT_MODELS,
    OBJECT_TASKS,
    PRECISIONS,
    TASKS,
)
from kseg.core.options import DATA_HELP, Output, Size, Strides
from kseg.core.process_group import ALONE
from kseg.core.task_defaults import for_task
from kseg.data.open import SEMANTIC, open_data, task_of_data
from kseg.data.sample import Dataset

STEPS_OF_EPOCH = 10_000  # of the schedule of the learning rate
NAMES = {
    "pipeline": "fit on the input pipeline",
    "memory": "fit on one batch in memory",
    "without_heads": "fit without heads, same batch",
    "pytorch": "PyTorch, channels last, same batch",
    "convolutions": "convolutions only",
}


@dataclass(frozen=True)
class TrainBenchmarkConfig:
    """Options of `kseg benchmark train`."""

    data: str = option("shapes", DATA_HELP)
    model: str = option("unet", "architecture", choices=MODEL_NAMES)
    encoder: str = option("plain", "encoder of the network", choices=ENCODER_NAMES)
    task: str = option(
        "",
        "task of the training; default: the data's if the model is for it, else the "
        "model's",
        choices=TASKS,
    )
    strides: Strides = option(
        (), "strides of the levels of `instances`; default as in kseg train"
    )
    auxiliary: float = option(0.0, "weight of auxiliary heads, as in kseg train")
    boundary: float = option(0.0, "weight of the boundary head, as in kseg train")
    batch_size: int = option(8, "images per training step")
    size: Optional[Size] = option(
        None, "training crop in pixels; default: the images' size, at most 320x320"
    )
    steps: int = option(20, "timed steps per measurement")
    rounds: int = option(5, "rounds of measurement; all variants run in each")
    precision: str = option(
        "float32", "precision of kseg's step; PyTorch uses float32", choices=PRECISIONS
    )
    json: Output = option("", JSON_HELP)


def main(argv: Optional[Sequence[str]] = None) -> None:
    config = parse(TrainBenchmarkConfig, "kseg benchmark train", __doc__, argv)
    show(train_speed(config), train_table, config.json)


def train_speed(config: TrainBenchmarkConfig) -> dict[str, Any]:
    """Medians over the rounds: milliseconds per step, images per second, ratios.

    The first three have the keys of NAMES. "pytorch" is missing if PyTorch is not
    installed or does not support the network, "without_heads" without heads; the ratio
    of a missing one is None.
    """
    training = training_config(config)
    headless = replace(training, auxiliary=0.0, boundary=0.0)
    data = open_data(training.data, training.seed, training.task)
    with pytorch_process(training) as pytorch:
        backend.start()
        from kseg.models.analysis.graph import trace
        from kseg.training.fit import compiled_network
        from kseg.training.setup import new_loss

        loss = new_loss(training, data)
        model = compiled_network(training, data, STEPS_OF_EPOCH, loss)
        size, batches, one_batch = prepare_batches(training, data, model)
        variants = {
            "pipeline": partial(fit_millis, model, batches),
            "memory": partial(fit_millis, model, one_batch),
        }
        if training.training_heads:
            plain = compiled_network(headless, data, STEPS_OF_EPOCH, loss)
            variants["without_heads"] = partial(fit_millis, plain, one_batch)
        for run in variants.values():  # traces and allocates
            run(config.steps)
        peaks = {"kseg": peak_mebibytes()}
        batch = next(one_batch.as_numpy_iterator())
        if pytorch and pytorch.prepare(network_of(headless, data), *batch):
            variants["pytorch"] = pytorch.millis
        graph = trace(model, size)
        variants["convolutions"] = partial(
            mean_millis, convolutions(graph, config.batch_size)
        )
        rounds = alternate(variants, config.rounds, config.steps)
        if "pytorch" in variants:
            peaks["pytorch"] = pytorch.peak
    return {
        "model": f"{config.model}-{config.encoder}",
        "size": size,
        "batch_size": config.batch_size,
        "precision": config.precision,
        "threads": usable_cores(),
        **summary(rounds, config.batch_size),
        "peak_mebibytes": {name: round(peak) for name, peak in peaks.items()},
    }


def training_config(config: TrainBenchmarkConfig) -> TrainConfig:
    """The configuration of a training with the options of the benchmark.

    Raises InputError for strides of a task without levels.
    """
    tasks = tuple(OBJECT_TASKS) if config.model in OBJECT_MODELS else (SEMANTIC,)
    found = config.task or task_of_data(config.data)
    training = TrainConfig(
        data=config.data,
        model=config.model,
        encoder=config.encoder,
        strides=config.strides,
        batch_size=config.batch_size,
        size=config.size,
        loss="ce",  # that of the PyTorch step; the tasks of objects have one loss
        precision=config.precision,
        auxiliary=config.auxiliary,
        boundary=config.boundary,
    )
    task = found if config.task or found in tasks else tasks[0]
    given = {"model", "batch_size", *(["strides"] if config.strides else [])}
    return for_task(training, given, task)


def network_of(training: TrainConfig, data: Dataset) -> dict[str, Any]:
    """The arguments of `build_model` for the network of a training."""
    from kseg.training.setup import METRICS

    return {
        **network_options(training),
        **METRICS[data.task](training, data).network_options(),
        "name": training.model,
        "num_classes": data.num_classes,
        "channels": data.channels,
    }


def prepare_batches(
    training: TrainConfig, data: Dataset, model: Any
) -> tuple[tuple[int, int], Any, Any]:
    """The crop size, the training batches, and an endless repetition of one batch."""
    import tensorflow as tf

    from kseg.data.loading import BATCHES
    from kseg.models import geometry
    from kseg.training.setup import crop_size

    shape = geometry(model)
    size = crop_size(training, data, replace(data.info, geometry=shape))
    loader = BATCHES[data.task](training, data, size, shape, ALONE)
    reader = loader.readers["train"]
    say("reading the images into the cache")
    for index in range(len(reader.split.sizes)):
        reader.read(index)
    batches = loader.training()
    one_batch = tf.data.Dataset.from_tensors(next(iter(batches))).repeat()
    return size, batches, one_batch


def alternate(
    variants: dict[str, Callable[[int], Millis]], rounds: int, steps: int
) -> list[dict[str, Millis]]:
    """The time of a step of each variant, by round; a first round is not counted."""
    results = []
    for number in range(rounds + 1):
        millis = {name: run(steps) for name, run in variants.items()}
        if number:
            results.append(millis)
            shown = ", ".join(f"{name} {ms[0]:.1f} ms" for name, ms in millis.items())
            say(f"round {number}: {shown}")
    return results


def summary(rounds: list[dict[str, Millis]], batch_size: int) -> dict[str, Any]:
    """Milliseconds per step by round -> medians, and medians of ratios."""

    def medians(kind: int) -> dict[str, float]:
        return {name: median(x[name][kind] for x in rounds) for name in rounds[0]}

    def ratio(over: str, under: str) -> Optional[float]:
        if not {over, under} <= set(rounds[0]):
            return None
        return round(median(x[over][0] / x[under][0] for x in rounds), 4)

    clock, processors = medians(0), medians(1)
    return {
        "step_millis": {name: round(ms, 2) for name, ms in clock.items()},
        "processor_millis": {name: round(ms, 2) for name, ms in processors.items()},
        "images_per_second": {
            name: round(1e3 * batch_size / ms, 2) for name, ms in clock.items()
        },
        "input_cost": round(ratio("pipeline", "memory") - 1, 4),
        "speed_of_pytorch": ratio("pytorch", "memory"),
        "step_with_heads": ratio("memory", "without_heads"),
        "convolutions_share": ratio("convolutions", "memory"),
    }


def train_table(figures: dict[str, Any]) -> str:
    """The results as text."""
    from tabulate import tabulate

    size = "x".join(str(side) for side in figures["size"])
    columns = ("step_millis", "processor_millis", "images_per_second")
    rows = [
        (title, *(figures[column][name] for column in columns))
        for name, title in NAMES.items()
        if name in figures["step_millis"]
    ]
    heads = ("step", "ms", "processor ms", "images/s")
    peaks = figures["peak_mebibytes"]
    lines = [
        f"{figures['model']}, crops {size}, batches of {figures['batch_size']}, "
        f"{figures['threads']} threads, {figures['precision']}",
        "",
        tabulate(rows, heads, floatfmt=("", ".1f", ".1f", ".2f")),
        "",
        f"the input pipeline adds {figures['input_cost']:.1%} to a step in memory",
        f"convolutions take {figures['convolutions_share']:.0%} of a step in memory",
    ]
    if figures["speed_of_pytorch"]:
        lines.append(f"speed relative to PyTorch: {figures['speed_of_pytorch']:.2f}")
    if figures["step_with_heads"]:
        lines.append(
            f"a step with heads takes {figures['step_with_heads']:.2f} times that "
            "without"
        )
    shown = (f"{name} {peak} MiB" for name, peak in peaks.items())
    return "\n".join([*lines, f"peak memory: {', '.join(shown)}"])


# --- time of fit ---


def fit_millis(model: Any, batches: Any, steps: int) -> Millis:
    """The mean time of `steps` steps of `fit` after the warm-up."""
    import keras

    ends: list[tuple[float, float]] = []

    class Clock(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            ends.append(now())

    model.fit(
        batches,
        steps_per_epoch=steps + WARM_UP,
        callbacks=[Clock()],
        shuffle=False,
        verbose=0,
    )
    return between(ends[WARM_UP - 1], ends[-1], steps)
