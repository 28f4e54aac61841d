"""Times a training step of PyTorch in a separate process."""

from __future__ import annotations

import importlib.util
import multiprocessing
import os
import sys
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any, Callable, Iterator, Optional

import psutil

from benchmarks.clock import Millis, mean_millis
from edge.core.log import say
from edge.core.system import usable_cores
from kseg.core.configs import TrainConfig

if TYPE_CHECKING:
    import torch

    from benchmarks.torch_losses import Loss


def peak_mebibytes() -> float:
    """The peak memory of this process in MiB."""
    if sys.platform == "win32":
        return psutil.Process().memory_info().peak_wset / 2**20
    import resource

    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


# --- PyTorch ---


class PyTorch:
    """A training step of PyTorch, run by another process over a pipe.

    A separate process has its own memory and threads; in one process, the idle threads
    of each library would slow down the other. It sleeps between requests.
    """

    def __init__(self, pipe: Connection):
        self.pipe, self.peak = pipe, 0.0

    def prepare(self, network: dict[str, Any], images: Any, target: Any) -> bool:
        """Builds the network and sends the batch.

        `network` are the arguments of `build_model`. Returns False and logs why if the
        network is unsupported.
        """
        self.pipe.send((network, images, target))
        problem = self.pipe.recv()
        if problem:
            say(f"PyTorch is skipped: {problem}")
        return not problem

    def millis(self, steps: int) -> Millis:
        """The mean time of a step, over `steps` steps."""
        self.pipe.send(steps)
        millis, self.peak = self.pipe.recv()
        return millis


@contextmanager
def pytorch_process(
    options: Any, threads: Optional[int] = None, main: Optional[Callable] = None
) -> Iterator[Optional[PyTorch]]:
    """Starts the process of PyTorch; yields None if PyTorch is not installed.

    The process runs `main` of a pipe, `options` and the number of threads; the default
    is `serve`, whose options are a TrainConfig, and a thread for each processor. Enter
    it before TensorFlow allocates memory, which Linux would count in the peak of the
    new process.
    """
    if importlib.util.find_spec("torch") is None:
        say("PyTorch is skipped: it is not installed; pip install 'kseg[torch]'")
        yield None
        return
    context = multiprocessing.get_context("spawn")
    pipe, other_end = context.Pipe()
    process = context.Process(
        target=main or serve,
        args=(other_end, options, threads or usable_cores()),
        daemon=True,
    )
    process.start()
    other_end.close()  # else a process that ended would be waited for forever
    try:
        yield PyTorch(pipe)
    finally:
        pipe.close()
        process.join()


def serve(pipe: Connection, training: TrainConfig, threads: int) -> None:
    """Main function of the process: receives network and batch, then times steps."""
    # Keras only builds the network. It would import TensorFlow if it could, and the
    # memory of TensorFlow would be counted as PyTorch's.
    os.environ["KERAS_BACKEND"] = "torch"
    sys.modules["tensorflow"] = None
    # Threads that wait in a busy loop count as processor time, and make a step ten
    # times slower when other programs use the machine.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    import torch

    from benchmarks.torch_losses import LOSSES
    from benchmarks.torch_model import torch_model
    from kseg.models import build_model

    torch.set_num_threads(threads)
    try:
        network, images, target = pipe.recv()
        try:
            torch_network = torch_model(build_model(**network))
        except ValueError as error:
            pipe.send(str(error))
            return
        pipe.send("")
        loss = LOSSES[training.task or "semantic"](network, images.shape[1:3])
        step = torch_step(torch_network, training, loss, images, target)
        while True:
            steps = pipe.recv()
            pipe.send((mean_millis(step, steps), peak_mebibytes()))
    except EOFError:
        pass  # the parent has closed the pipe


def torch_step(
    torch_network: torch.nn.Module,
    training: TrainConfig,
    loss: Loss,
    images: Any,
    target: Any,
) -> Callable[[], None]:
    """A function that runs one step on images (B, H, W, C) and their target.

    The target is an array, or a dict of arrays. With `training.ema` a step also
    averages the weights.
    """
    import torch
    from keras import tree
    from torch.optim import swa_utils

    x = torch.from_numpy(images).permute(0, 3, 1, 2)
    x = x.contiguous(memory_format=torch.channels_last)
    truth = tree.map_structure(torch.from_numpy, target)
    optimizer = torch.optim.AdamW(
        torch_network.parameters(),
        training.peak_rate,
        weight_decay=training.weight_decay,
    )
    average = None
    if training.ema:
        rule = swa_utils.get_ema_multi_avg_fn(training.ema)
        average = swa_utils.AveragedModel(torch_network, multi_avg_fn=rule)

    def step() -> None:
        optimizer.zero_grad()
        loss(torch_network(x), truth).backward()
        optimizer.step()
        if average:
            average.update_parameters(torch_network)

    return step
