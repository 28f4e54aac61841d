"""What happens around the steps of training: the bar, validation, files, Ctrl-C."""

from __future__ import annotations

import signal
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import keras
from keras import ops

from edge.core.errors import InputError
from edge.core.log import say
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
from kseg.evaluation.metrics.keras_metrics import MeanIoU
from kseg.models.layers.norm import as_float32
from kseg.models.saving import save_model
from kseg.training.checkpoint import TrainingState, restore, save
from kseg.training.optimizer import average_into

SHOWN = ("loss", "mean_iou", "val_loss", "val_mean_iou")


class ShowProgress(keras.callbacks.Callback):
    """One bar over all epochs, with the time left, and a line after each."""

    def __init__(self, steps: int, done: int, epochs: int):
        super().__init__()
        self.epochs = epochs
        self.bar = bar(total=steps * epochs, initial=done, unit="step", delay=0)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.bar.set_description(f"epoch {epoch + 1}/{self.epochs}", refresh=False)
        self.start = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.bar.update()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        values = "  ".join(f"{name} {logs[name]:.4f}" for name in SHOWN if name in logs)
        left = (self.epochs - epoch - 1) * (time.monotonic() - self.start) / 60
        line = f"epoch {epoch + 1:3d}  {values}  {left:.0f} min left"
        self.bar.write(line, file=sys.stderr)

    def __enter__(self) -> ShowProgress:
        return self

    def __exit__(self, *_: Any) -> None:
        self.bar.close()


class RunSaver(keras.callbacks.Callback):
    """Validates after each epoch, keeps the best and the last weights, and checkpoints.

    What is validated and kept is the network as it will be used: in float32, with the
    averaged weights where they are averaged. The best is the one of the highest
    validation mean IoU; after `patience` epochs without a better one training ends.

    The first Ctrl-C lets the step finish and keeps a checkpoint; the second is abrupt.
    """

    def __init__(
        self,
        model: keras.Model,
        folder: Path,
        info: ModelInfo,
        progressed: TrainingState,
        steps: int,
        validation: Any,
        config: TrainConfig,
    ):
        super().__init__()
        self.folder, self.info, self.at = folder, info, progressed
        self.files = folder  # elsewhere in processes that do not write the run
        self.steps, self.validation = steps, validation
        self.save_seconds, self.patience = config.save_seconds, config.patience
        self.stopped = False  # by Ctrl-C
        self.kept = as_float32(model)  # what is saved
        self.used = keras.Model(self.kept.inputs, self.kept.outputs)  # the same layers
        metric = MeanIoU(model.output_shape[-1])
        self.used.compile(loss=model.loss, metrics=[metric])

    @property
    def done(self) -> bool:
        """Whether training ends here, early or not."""
        return self.stopped or patience_ended(self.at.history, self.patience)

    def on_train_begin(self, logs: Any = None) -> None:
        self.previous = signal.signal(signal.SIGINT, self.stop)

    def on_train_end(self, logs: Any = None) -> None:
        signal.signal(signal.SIGINT, self.previous)

    def stop(self, *_: Any) -> None:
        signal.signal(signal.SIGINT, self.previous)
        say("\nstopping after this step; Ctrl-C again: at once")
        self.stopped = self.model.stop_training = True

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.start = self.saved = time.monotonic()
        self.start -= self.at.seconds
        if self.at.step % self.steps:  # `fit` has just put the metrics back to nothing
            restore(self.folder / CHECKPOINT, self.model, "metrics")

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.at.step += 1
        due = time.monotonic() - self.saved >= self.save_seconds
        if due and self.at.step % self.steps:  # an epoch's end has its own
            self.save_step()

    def save_step(self) -> None:
        """A checkpoint within an epoch; where there is no room the older one stays."""
        self.at.seconds = time.monotonic() - self.start
        path = self.files / CHECKPOINT
        try:
            save(path, self.model, self.at)
        except OSError as error:
            say(f"{path}: {error.strerror or error}; step {self.at.step} is not kept")
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
        self.refresh_kept()
        for name, value in self.used.evaluate(
            self.validation, verbose=0, return_dict=True
        ).items():
            logs[f"val_{name}"] = value
        seconds = round(time.monotonic() - self.start, 2)
        rate = float(ops.convert_to_numpy(self.model.optimizer.learning_rate))
        line = {"epoch": epoch + 1, "seconds": seconds, "learning_rate": rate}
        line |= {name: float(value) for name, value in logs.items()}
        if not self.at.history:
            self.begin_run()
        write_json(self.files / CONFIG, self.at.record)
        if line["val_mean_iou"] > best_of(self.at.history):
            save_model(self.kept, self.files / BEST, self.info)
        save_model(self.kept, self.files / LAST, self.info)
        self.at.history.append(line)
        self.at.seconds = 0.0
        write_history(self.files / HISTORY, self.at.history)
        # Last: killed before it, --resume repeats the epoch's end as it was.
        save(self.files / CHECKPOINT, self.model, self.at)

    def refresh_kept(self) -> None:
        """Gives the network that is kept the weights of the one that is trained."""
        self.kept.set_weights(self.model.get_weights())
        average_into(self.model.optimizer, self.kept.trainable_variables)


def best_of(history: list[dict[str, Any]]) -> float:
    return max((line["val_mean_iou"] for line in history), default=-1.0)


def patience_ended(history: list[dict[str, Any]], patience: int) -> bool:
    """Whether the last `patience` epochs brought nothing better; 0 waits for ever."""
    waited = len(history) > patience > 0
    return waited and best_of(history[-patience:]) <= best_of(history[:-patience])


def event_writer(folder: Path) -> keras.callbacks.Callback:
    """Writes scalars after each epoch into RUN/tensorboard, beside those there.

    Raises InputError without the package, which TensorFlow 2.21 does not bring along.
    """
    if not find_spec("tensorboard"):
        raise InputError("--tensorboard: needs its package; pip install tensorboard")
    return keras.callbacks.TensorBoard(folder / EVENTS, write_graph=False)
