"""What a step of training takes: of `fit`, of PyTorch, of the convolutions alone.

    kseg benchmark train --data DIR --encoder mobilenetv2

`fit` is timed on the real pipeline and on one batch kept in memory; PyTorch's step, on
that batch, where it is installed: what the input costs, how fast that is beside
PyTorch, what is left to gain.

They are timed in turns, because a machine's speed changes from minute to minute: each
ratio is one of a round, and the median of the rounds' counts. Beside each time stands
that of the processors, summed over threads: where others use the machine too, it is the
one to compare.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from statistics import median
from typing import TYPE_CHECKING, Any, Callable, Optional, Sequence

from benchmarks.clock import WARM_UP, Millis, between, mean_millis, now
from benchmarks.pytorch_step import peak_mebibytes, pytorch_process
from benchmarks.results import JSON_HELP, show
from edge.core.log import say
from edge.core.system import usable_cores
from kseg.cli.parser import parse
from kseg.core import backend
from kseg.core.configs import TrainConfig, network_options
from kseg.core.names import ENCODER_NAMES, MODEL_NAMES, PRECISIONS
from kseg.core.options import DATA_HELP, Output, Size, option
from kseg.data.open import open_data

if TYPE_CHECKING:
    from kseg.models.analysis.graph import Graph, Step

NAMES = {
    "pipeline": "fit on the pipeline",
    "memory": "fit on one batch in memory",
    "pytorch": "PyTorch, channels last, that batch",
    "convolutions": "the convolutions alone",
}


@dataclass(frozen=True)
class TrainBenchmarkConfig:
    """Options of `kseg benchmark train`."""

    data: str = option("shapes", DATA_HELP)
    model: str = option("unet", "architecture", choices=MODEL_NAMES)
    encoder: str = option("plain", "what the features come from", choices=ENCODER_NAMES)
    batch_size: int = option(8, "images per step")
    size: Optional[Size] = option(None, "training crop; default: to suit the images")
    steps: int = option(20, "timed steps of each kind in a round")
    rounds: int = option(5, "rounds; the kinds alternate")
    precision: str = option(
        "float32", "of kseg's step; PyTorch's is float32", choices=PRECISIONS
    )
    json: Output = option("", JSON_HELP)


def main(argv: Optional[Sequence[str]] = None) -> None:
    config = parse(TrainBenchmarkConfig, "kseg benchmark train", __doc__, argv)
    show(train_speed(config), train_table, config.json)


def train_speed(config: TrainBenchmarkConfig) -> dict[str, Any]:
    """Medians over the rounds: milliseconds per step, images per second, ratios.

    The keys of the first three are those of NAMES; PyTorch's is missing where it is not
    installed or has no twin of the network, and so are its figures then.
    """
    data = open_data(config.data)
    training = TrainConfig(
        data=config.data,
        model=config.model,
        encoder=config.encoder,
        batch_size=config.batch_size,
        loss="ce",  # PyTorch's, of its own
    )
    network = network_options(training) | {
        "name": config.model,
        "num_classes": data.num_classes,
        "channels": data.channels,
    }
    with pytorch_process(network, training) as pytorch:
        backend.start()
        from kseg.models.analysis.graph import trace
        from kseg.training.setup import compile_for, new_network

        with backend.precision(config.precision):
            model = new_network(training, data)
        compile_for(model, training, data, total_steps=10_000)
        size, batches, kept = sources(config, training, data, model)
        turns = {
            "pipeline": partial(fit_millis, model, batches),
            "memory": partial(fit_millis, model, kept),
        }
        for turn in turns.values():  # traces and allocates
            turn(config.steps)
        peaks = {"kseg": peak_mebibytes()}
        if pytorch and pytorch.take(*next(kept.as_numpy_iterator())):
            turns["pytorch"] = pytorch.millis
        graph = trace(model, size)
        turns["convolutions"] = partial(
            mean_millis, convolutions(graph, config.batch_size)
        )
        rounds = in_turns(turns, config.rounds, config.steps)
        if "pytorch" in turns:
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


def sources(
    config: TrainBenchmarkConfig, training: TrainConfig, data: Any, model: Any
) -> tuple[tuple[int, int], Any, Any]:
    """The crop's size, the batches of training, and one of them for ever."""
    import tensorflow as tf

    from kseg.data.loading.batches import training_batches
    from kseg.data.loading.reader import CachedReader
    from kseg.models import geometry
    from kseg.training.setup import crop_size

    shape = geometry(model)
    info = replace(data.info, geometry=shape)
    size = crop_size(replace(training, size=config.size), data, info)
    reader = CachedReader(data.split("train"), training.max_side)
    say("reading the images once, as the first epoch does")
    for index in range(len(reader.split.sizes)):
        reader.read(index)
    batches = training_batches(
        reader, training, size, data.channels, border=shape.valid_border
    )
    kept = tf.data.Dataset.from_tensors(next(iter(batches))).repeat()
    return size, batches, kept


def in_turns(
    turns: dict[str, Callable[[int], Millis]], rounds: int, steps: int
) -> list[dict[str, Millis]]:
    """What a step of each takes, round by round; the first round warms up."""
    taken = []
    for number in range(rounds + 1):
        millis = {name: turn(steps) for name, turn in turns.items()}
        if number:
            taken.append(millis)
            shown = ", ".join(f"{name} {ms[0]:.1f} ms" for name, ms in millis.items())
            say(f"round {number}: {shown}")
    return taken


def summary(rounds: list[dict[str, Millis]], batch_size: int) -> dict[str, Any]:
    """The rounds' milliseconds per step -> medians and medians of ratios."""

    def medians(kind: int) -> dict[str, float]:
        return {name: median(x[name][kind] for x in rounds) for name in rounds[0]}

    def ratio(over: str, under: str) -> Optional[float]:
        if over not in rounds[0]:
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
        "convolutions_share": ratio("convolutions", "memory"),
    }


def train_table(figures: dict[str, Any]) -> str:
    from tabulate import tabulate

    size = "x".join(str(side) for side in figures["size"])
    columns = ("step_millis", "processor_millis", "images_per_second")
    rows = [
        (title, *(figures[column][name] for column in columns))
        for name, title in NAMES.items()
        if name in figures["step_millis"]
    ]
    heads = ("step", "ms", "processors' ms", "images/s")
    peaks = figures["peak_mebibytes"]
    lines = [
        f"{figures['model']}, crops {size}, batches of {figures['batch_size']}, "
        f"{figures['threads']} threads, {figures['precision']}",
        "",
        tabulate(rows, heads, floatfmt=("", ".1f", ".1f", ".2f")),
        "",
        f"input costs {figures['input_cost']:.1%} of a step in memory",
        f"convolutions are {figures['convolutions_share']:.0%} of a step in memory",
    ]
    if figures["speed_of_pytorch"]:
        lines.append(f"speed is {figures['speed_of_pytorch']:.2f} of PyTorch's")
    shown = (f"{name} {peak} MiB" for name, peak in peaks.items())
    return "\n".join([*lines, f"peak memory: {', '.join(shown)}"])


# --- the clock ---


def fit_millis(model: Any, batches: Any, steps: int) -> Millis:
    """The mean of `steps` steps of `fit` after the warm-up."""
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


# --- the bound ---


def convolutions(graph: Graph, batch_size: int) -> Callable[[], Any]:
    """A function that runs a network's convolutions forward and backward, on noise.

    The layers are the network's own, and so are the shapes. They run one after another:
    side by side, as nothing would keep them from, they would get in each other's way.
    What is left of a step without them is what could be saved.
    """
    import tensorflow as tf

    from kseg.models.analysis.graph import multiply_adds

    steps = [step for step in graph.steps if multiply_adds(step)]
    kinds = {kind for step in steps for kind in ends_of(step)}
    noise = {
        (shape, dtype): tf.cast(tf.random.normal((batch_size, *shape[1:])), dtype)
        for shape, dtype in kinds
    }

    def both_ways(step: Step) -> list[Any]:
        x, upstream = (noise[kind] for kind in ends_of(step))
        # Nobody asks for the gradient of what the first one takes: the image.
        wanted = [x] if step is not steps[0] else []
        wanted += [weight.value for weight in step.layer.trainable_weights]
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = step.layer(x)
        given = [y, *tape.gradient(y, wanted, output_gradients=upstream)]
        return [tf.cast(tf.reshape(x, [-1])[0], tf.float32) for x in given]

    @tf.function(autograph=False)
    def run() -> Any:
        done: list[Any] = []
        for step in steps:
            with tf.control_dependencies(done[-1:]):
                done += both_ways(step)
        return tf.stack(done)  # what nobody asked for would not be computed

    return run


def ends_of(step: Step) -> list[tuple[Any, str]]:
    """(shape, dtype) of what a layer takes and of what it gives."""
    dtype = step.layer.compute_dtype
    return [(tensor.shape, dtype) for tensor in (step.inputs[0], step.outputs[0])]
