"""Compares a large network of objects in Keras with the same one in PyTorch.

    kseg benchmark object-inference --model detr --size 640x640 --threads 2

Both have the published form on ResNet50, random weights and one image. Keras runs as
in `kseg evaluate RUN`, and with its weights as constants of the graph; PyTorch in a
process of its own, in the memory format channels last. `faster_rcnn` and `mask_rcnn`
are those of torchvision, which may be in another environment: `--python`. Measurements
alternate; the figures are medians over the rounds, ratios are medians of each round's
ratio.
"""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Callable, Iterator, Optional, Sequence

from benchmarks.child_process import ChildProcess
from benchmarks.clock import Millis, mean_millis
from benchmarks.pytorch_step import peak_mebibytes, pytorch_process
from benchmarks.results import JSON_HELP, option, show
from benchmarks.training import alternate
from edge.core.constants import MOST_THREADS
from edge.core.log import say
from edge.core.system import usable_cores
from kseg.cli.parser import parse
from kseg.core import backend
from kseg.core.options import Output, Size

if TYPE_CHECKING:
    import keras
    import torch

NAMES = {
    "keras": "Keras",
    "constants": "Keras, weights as constants",
    "pytorch": "PyTorch, channels last",
}


def detr_module(model: keras.Model) -> torch.nn.Module:
    from benchmarks.torch_detr import torch_detr

    return torch_detr(model)


# Network -> the options of `build_model` for its published form.
PUBLISHED: dict[str, dict[str, Any]] = {
    "detr": {"num_classes": 91, "encoder": "resnet50"},
    "faster_rcnn": {"num_classes": 90, "encoder": "resnet50"},
    "mask_rcnn": {"num_classes": 90, "encoder": "resnet50"},
}
# Network -> function of the Keras network that makes the same one in PyTorch.
MODULES: dict[str, Callable[[keras.Model], torch.nn.Module]] = {"detr": detr_module}
TORCHVISION = Path(__file__).resolve().with_name("torchvision_child.py")


@dataclass(frozen=True)
class ObjectInferenceConfig:
    """Options of `kseg benchmark object-inference`."""

    model: str = option("detr", "network", choices=tuple(PUBLISHED))
    size: Size = option((640, 640), "size of the image in pixels")
    threads: Optional[int] = option(
        None, "threads; default: one per processor", most=MOST_THREADS
    )
    images: int = option(3, "images per measurement")
    rounds: int = option(5, "rounds of measurement; all variants run in each")
    python: str = option(
        "", "Python of an environment with torchvision; default: this one"
    )
    json: Output = option("", JSON_HELP)


def main(argv: Optional[Sequence[str]] = None) -> None:
    name = "kseg benchmark object-inference"
    config = parse(ObjectInferenceConfig, name, __doc__, argv)
    show(compare(config), comparison_table, config.json)


def compare(config: ObjectInferenceConfig) -> dict[str, Any]:
    """Medians over the rounds of the milliseconds for an image, and ratios."""
    threads = config.threads or usable_cores()
    with pytorch_of(config, threads) as pytorch:
        backend.start()
        import tensorflow as tf

        try:
            tf.config.threading.set_intra_op_parallelism_threads(threads)
        except RuntimeError:  # it has run in this process before, with its threads
            say("TensorFlow keeps the number of threads that it started with")
        model = published(config.model)
        calls = keras_calls(model, config.size)
        variants = {name: partial(mean_millis, call) for name, call in calls.items()}
        if pytorch:
            variants["pytorch"] = pytorch
        rounds = alternate(variants, config.rounds, config.images)
    return {
        "model": f"{config.model}-resnet50",
        "parameters": model.count_params(),
        "size": config.size,
        "threads": threads,
        **summary(rounds),
    }


@contextmanager
def pytorch_of(
    config: ObjectInferenceConfig, threads: int
) -> Iterator[Optional[Callable[[int], Millis]]]:
    """A function of a number of images that times PyTorch; None without PyTorch."""
    if config.model in MODULES:
        task = (config.model, config.size)
        with pytorch_process(task, threads, serve) as pytorch:
            yield pytorch and pytorch.millis
        return
    arguments = [config.model, *map(str, (*config.size, threads))]
    python = config.python or sys.executable
    with ChildProcess(python, TORCHVISION, arguments, "torchvision") as child:
        yield lambda images: tuple(child.ask(images)["millis"])


def published(name: str) -> keras.Model:
    """The network in its published form."""
    from kseg.models import build_model

    return build_model(name, **PUBLISHED[name])


def random_image(size: tuple[int, int]) -> Any:
    """(h, w, 3) uint8."""
    import numpy as np

    return np.random.RandomState(0).randint(0, 256, (*size, 3)).astype(np.uint8)


def keras_calls(
    model: keras.Model, size: tuple[int, int]
) -> dict[str, Callable[[], Any]]:
    """Variant -> a function that predicts one image."""
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import (
        convert_variables_to_constants_v2,
    )

    from kseg.models.keras_engine import KerasEngine

    image = random_image(size)
    engine = KerasEngine(model, size)
    signature = [tf.TensorSpec((1, *size, 3), tf.float32)]

    def run(x: Any) -> Any:
        return model(x, training=False)

    traced = tf.function(run, input_signature=signature).get_concrete_function()
    frozen = convert_variables_to_constants_v2(traced)
    batch = tf.constant(image[None].astype("float32"))
    return {"keras": partial(engine, image), "constants": partial(frozen, batch)}


def serve(pipe: Connection, task: tuple[str, tuple[int, int]], threads: int) -> None:
    """Main function of PyTorch's process: times images until the pipe is closed."""
    os.environ["KERAS_BACKEND"] = "torch"  # Keras only builds the network
    sys.modules["tensorflow"] = None  # type: ignore[assignment]
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    import torch

    torch.set_num_threads(threads)
    name, size = task
    with torch.inference_mode():
        module = MODULES[name](published(name))
        image = torch.from_numpy(random_image(size)).permute(2, 0, 1)[None]
        image = image.float().contiguous(memory_format=torch.channels_last)
        try:
            while True:
                images = pipe.recv()
                millis = mean_millis(lambda: module(image), images)
                pipe.send((millis, peak_mebibytes()))
        except EOFError:
            pass  # the parent has closed the pipe


def summary(rounds: list[dict[str, Millis]]) -> dict[str, Any]:
    """Milliseconds by round -> medians, and medians of ratios to PyTorch."""
    names = list(rounds[0])
    clock, processor = (
        {name: round(median(x[name][kind] for x in rounds), 2) for name in names}
        for kind in (0, 1)
    )
    ratios = {
        name: round(median(x["pytorch"][0] / x[name][0] for x in rounds), 4)
        for name in names
        if "pytorch" in names and name != "pytorch"
    }
    return {"millis": clock, "processor_millis": processor, "speed_of_pytorch": ratios}


def comparison_table(figures: dict[str, Any]) -> str:
    """The results as text."""
    from tabulate import tabulate

    size = "x".join(map(str, figures["size"]))
    ratios = figures["speed_of_pytorch"]
    rows = [
        (
            *(NAMES[name], millis, figures["processor_millis"][name]),
            ratios.get(name, 1.0 if ratios else None),
        )
        for name, millis in figures["millis"].items()
    ]
    heads = ("engine", "ms", "processor ms", "speed relative to PyTorch")
    return "\n".join(
        [
            f"{figures['model']}, {figures['parameters']:,} parameters, one image of "
            f"{size}, {figures['threads']} threads, float32",
            "",
            tabulate(rows, heads, floatfmt=("", ".1f", ".1f", ".2f"), missingval="-"),
        ]
    )
