"""What a step of training takes: of `fit`, of PyTorch, of the convolutions alone.

They are timed in turns, because a machine's speed changes from minute to minute: each
ratio is one of a round, and the median of the rounds' counts. Beside each time stands
that of the processors, summed over threads: where others use the machine too, it is the
one to compare.
"""

from __future__ import annotations

import importlib.util
import multiprocessing
import os
import sys
import time
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import partial
from multiprocessing.connection import Connection
from statistics import median
from typing import TYPE_CHECKING, Any, Callable, Iterator, Optional

import psutil
from tabulate import tabulate

from edge.core.constants import IGNORE_INDEX
from edge.core.log import say
from kseg import backend
from kseg.config import BenchmarkConfig, TrainConfig, network_options
from kseg.data import open_data
from kseg.graph import Graph, Step, multiply_adds, trace
from kseg.train import compile_for, crop_size, new_network

if TYPE_CHECKING:
    import torch


Millis = tuple[float, float]  # per step: by the clock, and of the processors
WARM_UP = 3  # steps of each turn that are not counted
NAMES = {
    "pipeline": "fit on the pipeline",
    "memory": "fit on one batch in memory",
    "pytorch": "PyTorch, channels last, that batch",
    "convolutions": "the convolutions alone",
}


def train_speed(config: BenchmarkConfig) -> dict[str, Any]:
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
        "threads": threads(),
        **summary(rounds, config.batch_size),
        "peak_mebibytes": {name: round(peak) for name, peak in peaks.items()},
    }


def sources(
    config: BenchmarkConfig, training: TrainConfig, data: Any, model: Any
) -> tuple[tuple[int, int], Any, Any]:
    """The crop's size, the batches of training, and one of them for ever."""
    import tensorflow as tf

    from kseg.data.pipeline import Reader, training_batches
    from kseg.models import geometry

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


def now() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def between(start: tuple[float, float], end: tuple[float, float], steps: int) -> Millis:
    wall, processors = (
        1e3 * (after - before) / steps for before, after in zip(start, end, strict=True)
    )
    return wall, processors


def mean_millis(step: Callable[[], Any], steps: int) -> Millis:
    """The mean of `steps` calls after the warm-up."""
    for _ in range(WARM_UP):
        step()
    start = now()
    for _ in range(steps):
        step()
    return between(start, now(), steps)


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


def threads() -> int:
    """The processors that this process may use: TensorFlow's number of threads."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def peak_mebibytes() -> float:
    """The most memory that this process has had at one time."""
    if sys.platform == "win32":
        return psutil.Process().memory_info().peak_wset / 2**20
    import resource

    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


# --- the bound ---


def convolutions(graph: Graph, batch_size: int) -> Callable[[], Any]:
    """A function that runs a network's convolutions forward and backward, on noise.

    The layers are the network's own, and so are the shapes. They run one after another:
    side by side, as nothing would keep them from, they would get in each other's way.
    What is left of a step without them is what could be saved.
    """
    import tensorflow as tf

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


# --- PyTorch ---


class PyTorch:
    """PyTorch's step of training, asked for over a pipe.

    It runs in a process of its own, whose memory and threads are its own: in one
    process, the idle threads of each library would take time from the other's. Asked
    for nothing, it sleeps.
    """

    def __init__(self, pipe: Connection):
        self.pipe, self.peak = pipe, 0.0

    def take(self, images: Any, masks: Any) -> bool:
        """Hands over the batch; False, and why in the log, if there is no twin."""
        self.pipe.send((images, masks))
        complaint = self.pipe.recv()
        if complaint:
            say(f"PyTorch is left out: {complaint}")
        return not complaint

    def millis(self, steps: int) -> Millis:
        self.pipe.send(steps)
        millis, self.peak = self.pipe.recv()
        return millis


@contextmanager
def pytorch_process(
    network: dict[str, Any], training: TrainConfig
) -> Iterator[Optional[PyTorch]]:
    """PyTorch's side of the comparison, or None, and a line, without PyTorch.

    To be entered before TensorFlow has taken memory, which Linux would count as the new
    process's peak.
    """
    if importlib.util.find_spec("torch") is None:
        say("PyTorch is left out: it is not installed; pip install 'kseg[torch]'")
        yield None
        return
    context = multiprocessing.get_context("spawn")
    pipe, other_end = context.Pipe()
    process = context.Process(
        target=serve, args=(other_end, network, training, threads()), daemon=True
    )
    process.start()
    other_end.close()  # or a process that died would be waited for without end
    try:
        yield PyTorch(pipe)
    finally:
        pipe.close()
        process.join()


def serve(
    pipe: Connection, network: dict[str, Any], training: TrainConfig, threads: int
) -> None:
    """What the process does: takes a batch, then times as many steps as it is told."""
    # Keras makes the network and no more. It would import TensorFlow, and have its
    # memory counted as PyTorch's, wherever it can.
    os.environ["KERAS_BACKEND"] = "torch"
    sys.modules["tensorflow"] = None
    # Threads that wait in a busy loop make a step ten times as long as soon as somebody
    # else uses the machine, and count as work.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    import torch

    from kseg.models import build_model
    from kseg.torch_twin import torch_twin

    torch.set_num_threads(threads)
    try:
        images, masks = pipe.recv()
        try:
            twin = torch_twin(build_model(**network))
        except ValueError as error:
            pipe.send(str(error))
            return
        pipe.send("")
        step = torch_step(twin, training, images, masks)
        while True:
            steps = pipe.recv()
            pipe.send((mean_millis(step, steps), peak_mebibytes()))
    except EOFError:
        pass  # the other side has closed


def torch_step(
    twin: torch.nn.Module, training: TrainConfig, images: Any, masks: Any
) -> Callable[[], None]:
    """A function that makes one step on images (B, H, W, C) and masks (B, H, W)."""
    import torch

    x = torch.from_numpy(images).permute(0, 3, 1, 2)
    x = x.contiguous(memory_format=torch.channels_last)
    mask = torch.from_numpy(masks)
    optimizer = torch.optim.AdamW(
        twin.parameters(), training.peak_rate, weight_decay=training.weight_decay
    )

    def step() -> None:
        optimizer.zero_grad()
        torch_loss(twin(x), mask).backward()
        optimizer.step()

    return step


def torch_loss(logits: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Cross-entropy without void, as kseg's: (B, C, H, W), (B, H, W) -> scalar."""
    from torch.nn import functional

    return functional.cross_entropy(logits, mask.long(), ignore_index=IGNORE_INDEX)
