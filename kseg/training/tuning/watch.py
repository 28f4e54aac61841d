"""Follows one trial: reports its values, and ends it if it is hopeless or late."""

from __future__ import annotations

from math import isfinite
from typing import Any, Callable, Optional

import keras

from kseg.training.time_plan import TimeBudget

PRUNED, LATE = "pruned", "out of time"  # why a trial ended early


class TrialWatch(keras.callbacks.Callback):
    """Reports each validated epoch to Optuna, whose pruner may end the trial.

    `best` is the highest value of `name` so far. `ended` says why the watch ended the
    trial, or is empty. `note` is called after each epoch.
    """

    def __init__(
        self,
        trial: Any,
        name: str,
        clock: TimeBudget,
        saver: Any,
        note: Callable[[], None],
    ):
        super().__init__()
        self.trial, self.name, self.clock = trial, name, clock
        self.saver, self.note = saver, note
        self.best: Optional[float] = None
        self.ended = ""

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if self.clock.left() <= 0 and not self.ended:
            self.end(LATE)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """`logs` has the values of the validation, which the saver has added."""
        self.note()
        value = (logs or {}).get(self.name)
        if value is None or not isfinite(value):
            return
        self.best = value if self.best is None else max(self.best, value)
        self.trial.report(self.best, epoch + 1)
        last = epoch + 1 >= self.saver.config.epochs
        if not last and not self.ended and self.trial.should_prune():
            self.end(PRUNED)

    def end(self, why: str) -> None:
        """Ends the trial after the current step."""
        self.ended = why
        self.saver.end()
