"""What happens around the steps of training: the bar, validation, files, Ctrl-C."""

from __future__ import annotations

import logging
import sys
import time
from importlib.util import find_spec
from math import isfinite
from pathlib import Path
from typing import Any, Callable

import keras
from keras import ops

from edge.core.errors import GateFailed, InputError
from edge.core.system import handle_signals, restore_signals
from edge.model_file.info import ModelInfo
from kseg.core.configs import TrainConfig
from kseg.core.progress import bar
from kseg.core.runs import (
    BEST,
    CHECKPOINT,
    CONFIG,
    EVENTS,
    HISTORY,
    LAST,
    remove_outdated,
    write_history,
    write_json,
)
from kseg.models.saving import save_model
from kseg.training import checkpoint
from kseg.training.checkpoint import NotFinite, TrainingState
from kseg.training.finite import (
    all_finite,
    first_not_finite,
    remedy,
    step_name,
    what_is_kept,
)
from kseg.training.optimizer import average_into

log = logging.getLogger(__name__)


class ShowProgress(keras.callbacks.Callback):
    """One bar over all epochs, with the time left, and a line after each."""

    def __init__(self, steps: int, done: int, epochs: int, headline: str):
        super().__init__()
        self.epochs = epochs
        self.shown = ("loss", headline, "val_loss", f"val_{headline}")
        self.bar = bar(total=steps * epochs, initial=done, unit="step", delay=0)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.bar.set_description(f"epoch {epoch + 1}/{self.epochs}", refresh=False)
        self.start = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.bar.update()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        known = [name for name in self.shown if name in logs]
        values = "  ".join(f"{name} {logs[name]:.4f}" for name in known)
        left = (self.epochs - epoch - 1) * (time.monotonic() - self.start) / 60
        self.bar.set_postfix({n: f"{logs[n]:.4f}" for n in known}, refresh=False)
        with self.bar.external_write_mode(file=sys.stderr):  # clear of the bar
            log.info(f"epoch {epoch + 1:3d}  {values}  {left:.0f} min left")

    def __enter__(self) -> ShowProgress:
        return self

    def __exit__(self, *_: Any) -> None:
        self.bar.close()


class RunSaver(keras.callbacks.Callback):
    """Validates after each epoch, keeps the best and the last weights, and checkpoints.

    What is validated and kept is the network as it will be used: in float32, with the
    averaged weights where they are averaged. The best is the one of the highest
    `val_{headline}`; after `patience` epochs without a better one training ends.

    The first Ctrl-C lets the step finish and keeps a checkpoint; the second is abrupt.
    A loss, a validation or a weight that is not finite raises GateFailed, and what was
    kept before stays.
    """

    def __init__(
        self,
        kept: keras.Model,
        folder: Path,
        info: ModelInfo,
        progressed: TrainingState,
        steps: int,
        validate: Callable[[], dict[str, float]],
        headline: str,
        config: TrainConfig,
    ):
        """`kept` is the network, by `as_float32`, that is saved; `steps` an epoch's.

        `validate` measures `kept` and gives values by name, that of `headline`, larger
        being better, among them.
        """
        super().__init__()
        self.folder, self.info, self.at = folder, info, progressed
        self.files = folder  # elsewhere in processes that do not write the run
        self.steps, self.config = steps, config
        self.kept, self.validate, self.headline = kept, validate, headline
        self.kept_step = progressed.step  # of the checkpoint that is there
        self.stopped = False  # by Ctrl-C
        self.previous: dict[Any, Any] = {}  # what Ctrl-C did before

    @property
    def done(self) -> bool:
        """Whether training ends here, early or not."""
        history, patience = self.at.history, self.config.patience
        return self.stopped or patience_ended(history, patience, self.headline)

    def on_train_begin(self, logs: Any = None) -> None:
        self.previous = handle_signals(self.stop, "SIGINT")

    def on_train_end(self, logs: Any = None) -> None:
        self.release()

    def release(self) -> None:
        """Ctrl-C does again what it did before."""
        restore_signals(self.previous)
        self.previous = {}

    def stop(self, *_: Any) -> None:
        self.release()
        log.info("\nstopping after this step; Ctrl-C again: at once")
        self.stopped = self.model.stop_training = True

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.start = self.saved = time.monotonic()
        self.start -= self.at.seconds
        if self.at.step % self.steps:  # `fit` has just put the metrics back to nothing
            checkpoint.restore(self.folder / CHECKPOINT, self.model, "metrics")

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        # The mean loss of the epoch, which Keras has made a number already: nan or
        # infinite from the first step on whose loss is.
        if logs and not isfinite(logs["loss"]):
            where = step_name(self.at.step, self.steps)
            raise self.refusal(where, f"the loss is {logs['loss']}")
        self.at.step += 1
        due = time.monotonic() - self.saved >= self.config.save_seconds
        if due and self.at.step % self.steps:  # an epoch's end has its own
            self.save_step()

    def refusal(self, where: str, what: str) -> GateFailed:
        """Why training stops: where, what is wrong, what helps, what is left."""
        left = what_is_kept(self.folder, len(self.at.history), self.kept_step)
        return GateFailed(f"{where}: {what}; {remedy(self.config)}. {left}")

    def save_step(self) -> None:
        """A checkpoint within an epoch; where there can be none the older one stays."""
        self.at.seconds = time.monotonic() - self.start
        path = self.files / CHECKPOINT
        try:
            checkpoint.save(path, self.model, self.at)
            self.kept_step = self.at.step
        except OSError as error:
            log.warning(
                f"{path}: {error.strerror or error}; step {self.at.step} is not kept"
            )
        except NotFinite as error:  # the next step's loss stops all processes together
            log.warning(f"{path}: step {self.at.step} is not kept: {error}")
        self.saved = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        whole = not self.at.step % self.steps
        try:
            if whole:
                self.end_epoch(epoch, logs)
            else:
                self.break_off()
        except OSError as error:
            raise InputError(
                f"{self.folder}: {error.strerror or error}, in epoch {epoch + 1}; what "
                "was there before is whole: make room and go on with --resume"
            ) from None
        if self.done:
            self.model.stop_training = True

    def break_off(self) -> None:
        """Keeps the step; and where no epoch was whole yet, the network as it is."""
        self.save_step()
        if not self.at.history:
            self.begin_run()
            self.refresh_kept()
            save_model(self.kept, self.files / BEST, self.info)

    def begin_run(self) -> None:
        """The run takes the folder: what an overwritten one left there goes."""
        remove_outdated(self.files)
        write_json(self.files / CONFIG, self.at.record)

    def end_epoch(self, epoch: int, logs: dict[str, Any]) -> None:
        """Validates, and keeps the models, the history and the checkpoint."""
        self.refresh_kept()
        for name, value in self.validate().items():
            logs[f"val_{name}"] = value
        line = self.line_of(epoch, logs)
        if name := first_not_finite(line):
            raise self.refusal(f"epoch {epoch + 1}", f"its {name} is {line[name]}")
        if not self.at.history:
            self.begin_run()
        write_json(self.files / CONFIG, self.at.record)
        if line[f"val_{self.headline}"] > best_of(self.at.history, self.headline):
            save_model(self.kept, self.files / BEST, self.info)
        save_model(self.kept, self.files / LAST, self.info)
        self.at.history.append(line)
        self.at.seconds = 0.0
        write_history(self.files / HISTORY, self.at.history)
        # Last: killed before it, --resume repeats the epoch's end as it was.
        try:
            checkpoint.save(self.files / CHECKPOINT, self.model, self.at)
        except NotFinite as error:
            raise self.refusal(f"epoch {epoch + 1}, at its end", str(error)) from None
        self.kept_step = self.at.step

    def line_of(self, epoch: int, logs: dict[str, Any]) -> dict[str, Any]:
        """An epoch's line of the history."""
        seconds = round(time.monotonic() - self.start, 2)
        rate = float(ops.convert_to_numpy(self.model.optimizer.learning_rate))
        line = {"epoch": epoch + 1, "seconds": seconds, "learning_rate": rate}
        return line | {name: float(value) for name, value in logs.items()}

    def refresh_kept(self) -> None:
        """Gives the network that is kept the weights of the one that is trained.

        Raises GateFailed where they are not finite.
        """
        weights = self.model.get_weights()
        if not all_finite(weights):
            where = "after " + step_name(self.at.step - 1, self.steps)
            raise self.refusal(where, "the weights are not finite")
        self.kept.set_weights(weights)
        average_into(self.model.optimizer, self.kept.trainable_variables)


def best_of(history: list[dict[str, Any]], headline: str) -> float:
    """The highest finite `val_{headline}`; -infinity where there is none."""
    values = (line[f"val_{headline}"] for line in history)
    known = (value for value in values if value is not None and isfinite(value))
    return max(known, default=float("-inf"))


def patience_ended(history: list[dict[str, Any]], patience: int, headline: str) -> bool:
    """Whether the last `patience` epochs brought nothing better; 0 waits for ever."""
    if not len(history) > patience > 0:
        return False
    before, since = history[:-patience], history[-patience:]
    return best_of(since, headline) <= best_of(before, headline)


def event_writer(folder: Path) -> keras.callbacks.Callback:
    """Writes scalars after each epoch into RUN/tensorboard, beside those there.

    Raises InputError without the package, which TensorFlow 2.21 does not bring along.
    """
    if not find_spec("tensorboard"):
        raise InputError("--tensorboard: needs its package; pip install tensorboard")
    return keras.callbacks.TensorBoard(folder / EVENTS, write_graph=False)
