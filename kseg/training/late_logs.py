"""Training that does not wait for the result of each step."""

from __future__ import annotations

from typing import Any

import keras


class LateLogs(keras.callbacks.CallbackList):
    """Callbacks that get the logs of the step before, an empty dict in the first.

    Logs become numbers when they are passed on, and for that a GPU must have ended the
    step. Those of the step before are there while the GPU computes this one, so it does
    not stand still while the next one is prepared.
    """

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.waiting: Any = None
        super().on_epoch_begin(epoch, logs)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        before, self.waiting = self.waiting, logs
        super().on_train_batch_end(batch, before)
