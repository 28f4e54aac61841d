"""The position of this process among those that train one run."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Optional

from edge.core.system import handle_signals

SUPERVISED = "KSEG_WATCHED"  # names its supervisor's temporary folder to a child


@dataclass(frozen=True)
class ProcessGroup:
    """The position of this process in a run, and its share of each batch."""

    process: int = 0
    processes: int = 1
    devices: int = 1  # of all processes together
    coordinator: str = ""  # HOST:PORT, where process 0 listens
    # When the command began, by time.monotonic, for --hours; None: now.
    began: Optional[float] = field(default=None, compare=False, repr=False)

    @property
    def is_main(self) -> bool:
        """Whether this process writes the run's files and its log."""
        return self.process == 0

    def local_slice(self, images: int) -> slice:
        """Which of a global batch of `images` this process reads.

        >>> ProcessGroup(process=1, processes=2, devices=4).local_slice(8)
        slice(4, 8, None)
        """
        each = images // self.processes
        return slice(self.process * each, (self.process + 1) * each)

    def padded_count(self, images: int) -> int:
        """The smallest number, at least `images`, that the devices divide evenly.

        >>> ProcessGroup(devices=4).padded_count(5)
        8
        """
        return images + -images % self.devices

    def written(self, folder: Path) -> Path:
        """Where callbacks write: the run folder, or a temporary one in other processes.

        So every process runs the same callbacks: a computation that only process 0
        starts would wait for the others forever.
        """
        return folder if self.is_main else Path(os.environ[SUPERVISED])

    def callbacks(self, stop: Callable[[], None]) -> list[Any]:
        """With several processes: what calls `stop` in all of them at the same step.

        If only one process stopped, the others would wait. JAX passes a SIGTERM at any
        of them on, and chooses a step that none has reached.
        """
        if self.processes == 1:
            return []
        import keras
        from jax.experimental import multihost_utils

        steps = iter(range(sys.maxsize))

        def begin(logs: Any = None) -> None:
            handle_signals(signal.SIG_IGN, "SIGINT")  # the supervisor handles it

        def after_step(batch: int, logs: Any = None) -> None:
            if multihost_utils.reached_preemption_sync_point(next(steps)):
                stop()

        callback = keras.callbacks.LambdaCallback
        return [callback(on_train_begin=begin, on_train_batch_end=after_step)]


ALONE = ProcessGroup()
