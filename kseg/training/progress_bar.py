"""The progress of a training: a bar, and a line of metrics after each epoch."""

from __future__ import annotations

import logging
import sys
import time
from contextlib import AbstractContextManager
from typing import Any, Sequence

import keras
from tqdm import tqdm

from kseg.core.progress import bar, duration

log = logging.getLogger(__name__)


class ProgressBar(keras.callbacks.Callback):
    """A progress bar over all epochs, and a line of metrics after each epoch."""

    def __init__(self, steps: int, done: int, epochs: int, names: Sequence[str]):
        """Shows the loss and the metrics `names`, of training and validation."""
        super().__init__()
        self.steps, self.done, self.epochs = steps, done, epochs
        names = ("loss", *names)
        self.columns = (*names, *(f"val_{name}" for name in names))
        total = steps * epochs
        self.bar = bar(
            None, "training", total=total, initial=done, unit="step", delay=0
        )

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.bar.set_description(f"epoch {epoch + 1}/{self.epochs}", refresh=False)
        self.start = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.done += 1  # the bar counts only where it is shown
        self.bar.update()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        shown = {name: f"{logs[name]:.4f}" for name in self.columns if name in logs}
        values = "  ".join(f"{name} {value}" for name, value in shown.items())
        left = duration(self.seconds_left(epoch))
        part = self.done % self.steps  # where Ctrl-C or --hours ended it
        where = f", step {part} of {self.steps}" if part else ""
        self.bar.set_postfix(shown, refresh=False)
        with self.beside():
            log.info(f"epoch {epoch + 1:3d}{where}  {values}  {left} left")

    @staticmethod
    def beside() -> AbstractContextManager[None]:
        """A context in which lines can be logged: bars are hidden meanwhile."""
        return tqdm.external_write_mode(file=sys.stderr)

    def seconds_left(self, epoch: int) -> float:
        """The time of the epochs after `epoch`, each as long as this one."""
        return (self.epochs - epoch - 1) * (time.monotonic() - self.start)

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(self, *_: Any) -> None:
        self.bar.close()
