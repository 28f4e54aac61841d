"""Shows where the time of a training step goes, by kind of operation.

    kseg benchmark step --data DIR --encoder mobilenetv2
    kseg benchmark step --size 256x256 --batch-size 4

TensorFlow's profiler times every operation of `fit` on one batch in memory. Operations
run one after another, on all threads, so that their times add up to the step's; each is
the median over the steps. Run it where nothing else runs: the times are of a clock, and
an operation that was interrupted counts as long as it took.
"""

from __future__ import annotations

import re
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Iterator, Optional, Sequence

from benchmarks.clock import WARM_UP
from benchmarks.results import JSON_HELP, option, show
from benchmarks.training import (
    STEPS_OF_EPOCH,
    TrainBenchmarkConfig,
    fit_millis,
    prepare_batches,
    training_config,
)
from edge.core.errors import InputError
from edge.core.system import usable_cores
from kseg.cli.parser import parse
from kseg.core import backend
from kseg.core.names import ENCODER_NAMES, MODEL_NAMES, PRECISIONS
from kseg.core.options import DATA_HELP, Output, Size
from kseg.data.open import open_data

SLOWEST = 8  # operations that are listed

# Kind -> pattern of "name:type"; the first that is found counts.
KINDS = {
    "optimizer": r"/(adam_?w|sgd)(_\d+)?/|:ResourceApply",
    "convolution, by weights": r"BackpropFilter",
    "convolution, by inputs": r"BackpropInput",
    "convolution, forward": r":\w*Conv2[dD]\w*$",
    "batch norm, backward": r":\w*BatchNormGrad\w*$",
    "batch norm, forward": r":\w*BatchNorm\w*$",
    "loss": r"/compile_loss/|/joint_loss/|:SparseSoftmax\w*$",
    "metric": r":(ArgMax|TopKV2|UnsortedSegmentSum|DenseBincount)$",
    "activation": r":\w*(Relu|Sigmoid|Swish|Elu)\w*$",
    "pooling": r":\w*Pool\w*$",
    "enlarging": r":Resize\w*$",
    "joining, and its gradient": r":(_Mkl\w*)?(Concat\w*|Slice)$",
    "layout": r":(Transpose|\w*MklToTf|\w*Reorder)$",
}
OTHER = "other"
CONVOLUTIONS = tuple(kind for kind in KINDS if kind.startswith("convolution"))
OPERATION = re.compile(r"[\w./-]+:\w+")  # others are functions of the runtime
CALLS = ("PartitionedCall", "StatefulPartitionedCall")  # the operations inside count


@dataclass(frozen=True)
class StepConfig:
    """Options of `kseg benchmark step`."""

    data: str = option("shapes", DATA_HELP)
    model: str = option("unet", "architecture", choices=MODEL_NAMES)
    encoder: str = option("plain", "encoder of the network", choices=ENCODER_NAMES)
    batch_size: int = option(8, "images per training step")
    size: Optional[Size] = option(
        None, "training crop in pixels; default: the images' size, at most 320x320"
    )
    steps: int = option(10, "profiled steps")
    precision: str = option("float32", "precision of the step", choices=PRECISIONS)
    json: Output = option("", JSON_HELP)


def main(argv: Optional[Sequence[str]] = None) -> None:
    config = parse(StepConfig, "kseg benchmark step", __doc__, argv)
    show(step_parts(config), parts_table, config.json)


def step_parts(config: StepConfig) -> dict[str, Any]:
    """Milliseconds, share and number of the operations of each kind.

    Raises InputError if Keras does not run on TensorFlow.
    """
    names = ("data", "model", "encoder", "batch_size", "size", "precision")
    shared = {name: getattr(config, name) for name in names}
    training = training_config(TrainBenchmarkConfig(**shared))
    data = open_data(training.data, training.seed, training.task)
    backend.start()
    import keras

    if keras.backend.backend() != "tensorflow":
        raise InputError(
            f"KERAS_BACKEND={keras.backend.backend()}: the profiler is that of "
            "TensorFlow; unset KERAS_BACKEND"
        )
    one_at_a_time()
    from kseg.training.fit import compiled_network
    from kseg.training.setup import new_loss

    loss = new_loss(training, data)
    model = compiled_network(training, data, STEPS_OF_EPOCH, loss)
    size, _, batch = prepare_batches(training, data, model)
    fit_millis(model, batch, 1)  # traces and allocates
    return {
        "model": f"{config.model}-{config.encoder}",
        "size": size,
        "batch_size": config.batch_size,
        "precision": config.precision,
        "threads": usable_cores(),
        **by_kind(profiled(model, batch, config.steps)),
    }


def one_at_a_time() -> None:
    """Lets operations run one after another, unless TensorFlow has started already."""
    import tensorflow as tf

    try:
        tf.config.threading.set_inter_op_parallelism_threads(1)
    except RuntimeError:
        pass  # after other trainings in this process their times overlap


def profiled(model: Any, batch: Any, steps: int) -> dict[str, float]:
    """Milliseconds of each operation of a step of `fit`, by "name:type"."""
    import tensorflow as tf

    with tempfile.TemporaryDirectory() as folder:
        tf.profiler.experimental.start(folder)
        try:
            fit_millis(model, batch, steps)
        finally:
            tf.profiler.experimental.stop()
        times = operation_times(Path(folder))
    total = steps + WARM_UP
    return {
        name: median(millis) * len(millis) / total
        for name, millis in times.items()
        if len(millis) >= total  # others are not part of a step
    }


def operation_times(folder: Path) -> dict[str, list[float]]:
    """The milliseconds of each run of each operation, from a profile."""
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    times: dict[str, list[float]] = defaultdict(list)
    for path in folder.rglob("*.xplane.pb"):
        space = xplane_pb2.XSpace()
        space.ParseFromString(path.read_bytes())
        for name, millis in operations(space):
            times[name].append(millis)
    return times


def operations(space: Any) -> Iterator[tuple[str, float]]:
    """Yields name and milliseconds of the operations of a profile."""
    for plane in space.planes:
        for line in plane.lines:
            for event in line.events:
                name = plane.event_metadata[event.metadata_id].name
                known = OPERATION.fullmatch(name)
                if known and name.rpartition(":")[2] not in CALLS:
                    yield name, event.duration_ps / 1e9


def kind_of(name: str) -> str:
    """The kind of an operation.

    >>> kind_of("gradient_tape/unet/up1_conv/Conv2DBackpropFilter:Conv2DBackpropFilter")
    'convolution, by weights'
    """
    return next((k for k, p in KINDS.items() if re.search(p, name)), OTHER)


def by_kind(operations: dict[str, float]) -> dict[str, Any]:
    """Milliseconds by operation -> those of each kind, and the slowest operations."""
    total = sum(operations.values())
    kinds: dict[str, list[float]] = defaultdict(list)
    for name, millis in operations.items():
        kinds[kind_of(name)].append(millis)
    order = sorted(kinds, key=lambda kind: -sum(kinds[kind]))
    slowest = sorted(operations, key=lambda name: -operations[name])[:SLOWEST]
    return {
        "millis": round(total, 2),
        "convolutions_share": share(sum(sum(kinds[k]) for k in CONVOLUTIONS), total),
        "kinds": {
            kind: {
                "millis": round(sum(kinds[kind]), 2),
                "share": share(sum(kinds[kind]), total),
                "operations": len(kinds[kind]),
            }
            for kind in order
        },
        "slowest": {name: round(operations[name], 2) for name in slowest},
    }


def share(part: float, total: float) -> float:
    """A part of a total; 0 of nothing."""
    return round(part / total, 4) if total else 0.0


def parts_table(figures: dict[str, Any]) -> str:
    """The results as text."""
    from tabulate import tabulate

    size = "x".join(str(side) for side in figures["size"])
    rows = [
        (kind, row["millis"], f"{row['share']:.1%}", row["operations"])
        for kind, row in figures["kinds"].items()
    ]
    rows.append(("all operations", figures["millis"], "", ""))
    slow = [(name, millis) for name, millis in figures["slowest"].items()]
    return "\n".join(
        [
            f"{figures['model']}, crops {size}, batches of {figures['batch_size']}, "
            f"{figures['threads']} threads, {figures['precision']}",
            "",
            tabulate(rows, ("kind", "ms", "share", "operations"), floatfmt=".1f"),
            "",
            f"convolutions take {figures['convolutions_share']:.0%} of the operations",
            "",
            tabulate(slow, ("slowest operations", "ms"), floatfmt=".1f"),
        ]
    )
