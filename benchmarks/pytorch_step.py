"""A training step of PyTorch, in a process of its own."""

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
from edge.core.constants import IGNORE_INDEX
from edge.core.log import say
from edge.core.system import usable_cores
from kseg.core.configs import TrainConfig

if TYPE_CHECKING:
    import torch


def peak_mebibytes() -> float:
    """The most memory that this process has had at one time."""
    if sys.platform == "win32":
        return psutil.Process().memory_info().peak_wset / 2**20
    import resource

    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


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
        target=serve, args=(other_end, network, training, usable_cores()), daemon=True
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

    from benchmarks.torch_model import torch_model
    from kseg.models import build_model

    torch.set_num_threads(threads)
    try:
        images, masks = pipe.recv()
        try:
            twin = torch_model(build_model(**network))
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
