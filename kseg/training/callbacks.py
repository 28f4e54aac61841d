"""Callbacks of training: validation, saved files, Ctrl-C, and TensorBoard."""

from __future__ import annotations

import logging
import shutil
import time
from importlib.util import find_spec
from math import isfinite
from pathlib import Path
from typing import Any, Callable, Optional

import keras
from keras import ops

from edge.core.errors import GateFailed, InputError, reason_of, remedy_of
from edge.core.files import atomic_write
from edge.core.system import handle_signals, restore_signals
from edge.model_file.info import ModelInfo
from kseg.core.configs import TrainConfig
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
from kseg.training.best_epoch import is_better, patience_exhausted
from kseg.training.checkpoint import NotFinite, TrainingState
from kseg.training.finite import (
    all_finite,
    describe_saved,
    first_not_finite,
    step_name,
    suggest_fix,
)
from kseg.training.optimizer import average_into

log = logging.getLogger(__name__)


class RunSaver(keras.callbacks.Callback):
    """Validates after epochs; saves the best model, the last one and checkpoints.

    The validated and saved network is in float32 and, with --ema, has the averaged
    weights. The best model has the highest `val_{headline}`; training ends after
    `patience` validated epochs without a better one. After an epoch without validation
    models and checkpoint are saved only if the last ones are `save_seconds` old.

    After the first Ctrl-C the current step is completed and a checkpoint is saved; the
    second ends the process at once. If the loss, a validation value or a weight is not
    finite, GateFailed is raised and the files saved before are not changed.
    """

    def __init__(
        self,
        network: keras.Model,
        folder: Path,
        info: ModelInfo,
        state: TrainingState,
        steps: int,
        validate: Callable[[], dict[str, float]],
        headline: str,
        config: TrainConfig,
        every: int = 1,
        refresh: Callable[[], None] = lambda: None,
    ):
        """Prepares a run.

        `network` is the float32 copy (see `as_float32`) that is validated and saved;
        `steps` is the number of steps of an epoch. `validate` returns values of
        `network` by name, among them `headline`, of which larger is better. It is
        called after the first epoch, every `every` epochs, and after the last.
        `refresh` completes the weights of `network`: see kseg.training.batch_norm.
        """
        super().__init__()
        self.folder, self.info, self.state = folder, info, state
        self.write_folder = folder  # a temporary one in processes other than the main
        self.steps, self.config = steps, config
        self.network, self.validate, self.headline = network, validate, headline
        self.every, self.refresh = every, refresh
        self.checkpoint_step = state.step  # of the last saved checkpoint
        self.saved, self.saved_epochs = time.monotonic(), len(state.history)
        # The last step, which --hours changes, and the time used by then.
        self.last_step: float = steps * config.epochs
        self.used_seconds: Callable[[], float] = lambda: 0.0
        self.stopped = False  # by Ctrl-C, or by `end`
        self.previous_handlers: dict[Any, Any] = {}  # of SIGINT

    @property
    def done(self) -> bool:
        """Whether training ends early: after Ctrl-C, or by `patience`."""
        history, patience = self.state.history, self.config.patience
        return self.stopped or patience_exhausted(history, patience, self.headline)

    @property
    def step_before(self) -> str:
        """The last step that was made, as messages name it."""
        return step_name(self.state.step - 1, self.steps)

    def on_train_begin(self, logs: Any = None) -> None:
        self.previous_handlers = handle_signals(self.stop, "SIGINT")

    def on_train_end(self, logs: Any = None) -> None:
        self.restore_handler()

    def restore_handler(self) -> None:
        """Restores the previous handler of Ctrl-C."""
        restore_signals(self.previous_handlers)
        self.previous_handlers = {}

    def stop(self, *_: Any) -> None:
        """Lets training end after the current step. The handler of Ctrl-C.

        It runs at any moment, also within a step, and leaves the network alone: with
        JAX, reading `self.model` copies the weights that Keras keeps to the network,
        and within a step these are deleted ones.
        """
        self.restore_handler()
        log.info(
            "\nstopping after this step; then the network is measured for the report; "
            "press Ctrl-C again to stop at once"
        )
        self.stopped = True

    def stop_all(self) -> None:
        """As `stop`, between two steps, in all processes after the same one."""
        self.stop()
        self.end()

    def end(self) -> None:
        """Ends training. To be called between two steps, by other callbacks."""
        self.stopped = self.model.stop_training = True

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.start = time.monotonic() - self.state.seconds
        if self.state.step % self.steps:  # Keras has just reset the metrics
            checkpoint.restore(self.folder / CHECKPOINT, self.model, "metrics")

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        # The mean loss of the epoch up to the step before (see LateLogs): not finite
        # from the first such step on.
        self.check_loss(logs)
        self.state.step += 1
        if self.stopped:
            self.model.stop_training = True
        # The end of an epoch saves its own.
        if self.save_is_due() and self.state.step % self.steps:
            self.save_step()

    def check_loss(self, logs: Optional[dict[str, Any]]) -> None:
        """Raises GateFailed if the loss of this epoch, up to now, is not finite."""
        if logs and not isfinite(logs["loss"]):
            raise self.failure(self.step_before, f"the loss is {logs['loss']}")

    def save_is_due(self) -> bool:
        """Whether the last checkpoint is `save_seconds` old."""
        return time.monotonic() - self.saved >= self.config.save_seconds

    def failure(self, where: str, what: str) -> GateFailed:
        """Makes the error: where and what failed, what to do, and what is saved."""
        saved = describe_saved(self.folder, self.saved_epochs, self.checkpoint_step)
        return GateFailed(f"{where}: {what}; {suggest_fix(self.config)}. {saved}")

    def save_step(self) -> None:
        """Saves a checkpoint within an epoch. If it fails, the previous one is kept."""
        self.state.seconds = time.monotonic() - self.start
        path = self.write_folder / CHECKPOINT
        try:
            self.save_checkpoint()
        except OSError as error:
            log.warning(
                f"{path}: {reason_of(error)}; step {self.state.step} is not saved"
            )
        except NotFinite as error:  # the loss of the next step stops all processes
            if self.stopped:
                raise self.failure(f"after {self.step_before}", str(error)) from None
            log.warning(f"{path}: step {self.state.step} is not saved: {error}")
        self.saved = time.monotonic()

    def save_checkpoint(self) -> None:
        """Saves a checkpoint. Raises as `checkpoint.save` does."""
        self.state.used_seconds = self.used_seconds()
        checkpoint.save(self.write_folder / CHECKPOINT, self.model, self.state)
        self.checkpoint_step = self.state.step

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        step = self.state.step
        self.check_loss(logs)
        complete = not step % self.steps or step >= self.last_step
        try:
            if complete:
                self.end_epoch(epoch, logs)
            else:
                self.save_interrupted_epoch()
        except OSError as error:
            raise InputError(
                f"{self.folder}: {reason_of(error)}, in epoch {epoch + 1}; the files "
                f"saved before are intact: {remedy_of(error)} and continue with "
                "--resume"
            ) from None
        if self.done:
            self.model.stop_training = True

    def save_interrupted_epoch(self) -> None:
        """Saves a checkpoint, and in the first epoch also the current model."""
        self.save_step()
        if not self.state.history:
            self.update_saved_network()
            self.start_run_folder()
            save_model(self.network, self.write_folder / BEST, self.info)
            (self.write_folder / LAST).unlink(missing_ok=True)  # of an overwritten run

    def start_run_folder(self) -> None:
        """Removes the files of an overwritten run and writes config.json."""
        remove_outdated(self.write_folder)
        write_json(self.write_folder / CONFIG, self.state.record)

    def end_epoch(self, epoch: int, logs: dict[str, Any]) -> None:
        """Validates and saves the models, the history and a checkpoint."""
        validated = not epoch or not (epoch + 1) % self.every
        validated = validated or self.state.step >= self.last_step
        saved = validated or self.stopped or self.save_is_due()
        if saved:
            self.update_saved_network()
        for name, value in self.validate().items() if validated else ():
            logs[f"val_{name}"] = value
        row = self.history_row(epoch, logs)
        if name := first_not_finite(row):
            raise self.failure(f"epoch {epoch + 1}", f"{name} is {row[name]}")
        if not self.state.history:
            self.start_run_folder()
        if saved:
            write_json(self.write_folder / CONFIG, self.state.record)
            self.save_network(is_better(row, self.state.history, self.headline))
        self.state.history.append(row)
        self.state.seconds = 0.0
        write_history(self.write_folder / HISTORY, self.state.history)
        if saved or self.stopped:  # perhaps only now
            self.save_end_of_epoch(epoch)

    def save_end_of_epoch(self, epoch: int) -> None:
        """Saves a checkpoint. A run killed before it repeats the end of the epoch."""
        try:
            self.save_checkpoint()
        except NotFinite as error:
            raise self.failure(f"end of epoch {epoch + 1}", str(error)) from None
        self.saved, self.saved_epochs = time.monotonic(), epoch + 1

    def save_network(self, best: bool) -> None:
        """Saves the last network. The best one is saved once and copied."""
        last = self.write_folder / LAST
        if best:
            save_model(self.network, self.write_folder / BEST, self.info)
            with atomic_write(last) as part:
                shutil.copyfile(self.write_folder / BEST, part)
        else:
            save_model(self.network, last, self.info)

    def history_row(self, epoch: int, logs: dict[str, Any]) -> dict[str, Any]:
        """Makes the row of an epoch in the history."""
        seconds = round(time.monotonic() - self.start, 2)
        rate = float(ops.convert_to_numpy(self.model.optimizer.learning_rate))
        row = {"epoch": epoch + 1, "seconds": seconds, "learning_rate": rate}
        row |= {name: float(value) for name, value in logs.items()}
        # The values of an epoch without validation are missing.
        return dict.fromkeys(self.state.history[0]) | row if self.state.history else row

    def update_saved_network(self) -> None:
        """Copies the weights of the trained network to the saved one.

        Raises GateFailed if they are not finite.
        """
        weights, where = self.model.get_weights(), f"after {self.step_before}"
        if not all_finite(weights):
            raise self.failure(where, "the weights are not finite")
        # Without those of heads that only training has, which are the last.
        self.network.set_weights(weights[: len(self.network.weights)])
        average_into(self.model.optimizer, self.network.trainable_variables)
        try:
            self.refresh()
        except NotFinite as error:
            raise self.failure(where, str(error)) from None


def tensorboard_writer(folder: Path) -> keras.callbacks.Callback:
    """Makes a callback that appends scalars to RUN/tensorboard after each epoch.

    Raises InputError if the package is missing: TensorFlow 2.21 does not install it.
    """
    if not find_spec("tensorboard"):
        raise InputError(
            "--tensorboard: the package is not installed; pip install tensorboard"
        )
    return keras.callbacks.TensorBoard(folder / EVENTS, write_graph=False)
