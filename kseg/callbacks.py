"""What happens around the steps of training: the bar, the checkpoints, Ctrl-C."""

from __future__ import annotations

import csv
import io
import signal
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import keras

from edge.command import BadInput, say, write_text
from edge.metadata import ModelInfo
from kseg import runs
from kseg.progress import bar

HISTORY = "history.csv"
SHOWN = ("loss", "mean_iou", "val_loss", "val_mean_iou")


class Progress(keras.callbacks.Callback):
    """One bar over all epochs, with the time left, and a line after each."""

    def __init__(self, steps: int, done: int, epochs: int):
        super().__init__()
        self.steps, self.done, self.epochs = steps, done, epochs

    def on_train_begin(self, logs: Any = None) -> None:
        total, initial = self.steps * self.epochs, self.steps * self.done
        self.bar = bar(total=total, initial=initial, unit="step", delay=0)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.bar.set_description(f"epoch {epoch + 1}/{self.epochs}", refresh=False)
        self.start = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.bar.update()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        values = "  ".join(f"{name} {logs[name]:.4f}" for name in SHOWN)
        left = (self.epochs - epoch - 1) * (time.monotonic() - self.start) / 60
        line = f"epoch {epoch + 1:3d}  {values}  {left:.0f} min left"
        self.bar.write(line, file=sys.stderr)

    def on_train_end(self, logs: Any = None) -> None:
        self.bar.close()


class Keeper(keras.callbacks.Callback):
    """After each epoch it keeps the best weights by validation mean IoU, and the last.

    Each file is written beside and renamed. The first Ctrl-C lets the step finish and
    keeps the weights; the second is abrupt.
    """

    def __init__(
        self, folder: Path, info: ModelInfo, record: dict, history: list[dict]
    ):
        super().__init__()
        self.folder, self.info, self.record = folder, info, record
        self.history, self.stopped = history, False

    def on_train_begin(self, logs: Any = None) -> None:
        self.previous = signal.signal(signal.SIGINT, self.stop)
        # The same layers without the optimizer, whose state is two thirds of a file.
        model = self.model
        self.bare = keras.Model(model.inputs, model.outputs, name=model.name)

    def on_train_end(self, logs: Any = None) -> None:
        signal.signal(signal.SIGINT, self.previous)

    def stop(self, *_: Any) -> None:
        signal.signal(signal.SIGINT, self.previous)
        say("\nstopping after this step and a validation; Ctrl-C again: at once")
        self.stopped = self.model.stop_training = True

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.start, self.steps = time.monotonic(), 0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.steps += 1

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if not self.history:
            runs.clear_stale(self.folder)
        best = max((line["val_mean_iou"] for line in self.history), default=-1.0)
        seconds = round(time.monotonic() - self.start, 2)
        values = {name: float(value) for name, value in logs.items()}
        runs.write_json(self.folder / runs.CONFIG, self.record)
        if values["val_mean_iou"] > best:
            runs.save_model(self.bare, self.folder / runs.BEST, self.info)
        if self.steps < self.params["steps"]:
            return  # broken off: --resume does this epoch again, from its beginning
        self.history.append({"epoch": epoch + 1, "seconds": seconds, **values})
        runs.save_model(self.model, self.folder / runs.LAST, self.info)
        write_history(self.folder / HISTORY, self.history)


def event_writer(folder: Path) -> keras.callbacks.Callback:
    """Writes scalars after each epoch into RUN/tensorboard, beside those there.

    Raises BadInput without the package, which TensorFlow 2.21 does not bring along.
    """
    if not find_spec("tensorboard"):
        raise BadInput("--tensorboard: needs its package; pip install tensorboard")
    return keras.callbacks.TensorBoard(folder / runs.EVENTS, write_graph=False)


def write_history(path: Path, history: list[dict[str, Any]]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, history[0].keys(), lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    write_text(path, text.getvalue())


def read_history(path: Path) -> list[dict[str, Any]]:
    """`history.csv` as a list of epochs. Raises BadInput where it is missing."""
    if not path.is_file():
        raise BadInput(f"{path}: is missing, so the run cannot be resumed")
    try:
        with path.open(newline="") as file:
            lines = [{k: float(v) for k, v in x.items()} for x in csv.DictReader(file)]
        return [{**line, "epoch": int(line["epoch"])} for line in lines]
    except (ValueError, TypeError, KeyError) as error:
        raise BadInput(f"{path}: is damaged ({error}); train again") from None
