"""Plans a training that has a time, `--hours`, and keeps the plan while it runs."""

from __future__ import annotations

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from math import ceil, inf, isfinite
from pathlib import Path
from typing import Any, Callable, Optional, Sequence

import keras
import numpy as np
from keras import ops

from edge.core.errors import InputError
from kseg.core.configs import TrainConfig
from kseg.core.process_group import ALONE, ProcessGroup
from kseg.core.runs import BEST, CHECKPOINT, CONFIG, write_json
from kseg.core.timing import Rehearse, ReportTime, WriteRun
from kseg.data.sample import Dataset
from kseg.models.saving import save_model
from kseg.training.callbacks import RunSaver
from kseg.training.progress_bar import ProgressBar
from kseg.training.time_plan import (
    Costs,
    Pace,
    TimeBudget,
    seconds_of,
    steps_that_fit,
)

log = logging.getLogger(__name__)

UNTIMED = 2  # first steps of a process, which compile
FIRST = UNTIMED + 1  # the step after which there is a first plan
SAID = 8  # timed steps before the plan is logged
LEAST = 10  # steps of a training
SHARE = 0.1  # of the steps that are left, until a new plan; of the time, to log one
SHORTEST, LONGEST = 0.5, 30.0  # seconds until a new plan
CHANGED = 0.25  # a plan that differs by more is logged again, after a while
AGAIN, CHEAP = 0.6, 0.02  # shares of the time: of the second rehearsal, and its cost


class TimeLimit(keras.callbacks.Callback):
    """Measures steps, validations and the report, and ends training in time.

    The last step is planned after a few steps and then again and again, the more often
    the nearer it is. `saver.last_step` and the learning rate follow. Of several
    processes the plan of the main one holds for all: each plans after the same steps.
    """

    def __init__(
        self,
        saver: RunSaver,
        budget: TimeBudget,
        validated: int,
        group: ProcessGroup = ALONE,
        rehearse: Optional[Callable[[WriteRun], ReportTime]] = None,
        on_plan: Callable[[float], None] = lambda epochs: None,
    ):
        """`validated` is the number of images of a validation.

        `on_plan` is called with the planned number of epochs.
        """
        super().__init__()
        self.saver, self.budget, self.validated = saver, budget, validated
        self.group, self.rehearse, self.on_plan = group, rehearse, on_plan
        self.limit = saver.steps * saver.config.epochs
        self.pace, self.taken = Pace(), 0  # the steps of this process
        self.ends: dict[bool, float] = {}  # by whether an end of an epoch validates
        self.report, self.rehearsal = ReportTime(0.0, 0.0, 0.0), 0.0
        self.next, self.said, self.said_at = 0, 0.0, inf
        self.rehearsed, self.fresh = False, not saver.state.step
        self.mark = budget.clock()
        saver.last_step, saver.used_seconds = saver.state.end or inf, budget.used
        if saver.state.end:  # of a resumed run, until its first plan
            self.on_plan(self.epochs)

    # --- what Keras calls ---

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.mark = self.budget.clock()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        now = self.budget.clock()
        self.taken += 1
        if self.taken > UNTIMED:
            self.pace.add(now - self.mark)
        self.mark = now
        step = self.saver.state.step
        if self.taken >= FIRST and (step >= self.next or self.is_late()):
            self.plan()
        if step >= self.saver.last_step:
            self.model.stop_training = True

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Follows RunSaver's, which has validated and saved."""
        saver = self.saver
        if saver.done or saver.state.step >= saver.last_step:
            return
        row = saver.state.history[-1]
        validated = row[f"val_{saver.headline}"] is not None
        self.note_end(validated, self.budget.clock() - self.mark)
        if self.taken < FIRST:
            return
        if self.rehearse_again():
            self.measure_report()
        self.plan()
        before = self.budget.used() - self.said_at > SHARE * self.budget.seconds
        if before and abs(self.epochs / self.said - 1) > CHANGED:
            self.say("new plan")

    def note_end(self, validated: bool, seconds: float) -> None:
        """Notes how long the end of an epoch took.

        The first validation builds a graph; others take no longer than the report.
        """
        known = self.validated * self.report.image
        if validated and known and validated not in self.ends:
            seconds = min(seconds, known)
        self.ends[validated] = seconds

    # --- the plan ---

    @property
    def epochs(self) -> float:
        """How many epochs are planned."""
        return self.saver.last_step / self.saver.steps

    def plan(self) -> None:
        """Plans the last step, and after which step there is a new plan."""
        saver, first = self.saver, not self.next
        if first:
            self.measure_report()
        step, more = saver.state.step, self.agreed(self.steps_left())
        if first and self.fresh and step + more < min(LEAST, self.limit):
            raise InputError(self.too_short())
        saver.last_step = saver.state.end = min(step + more, self.limit)
        self.next = step + self.agreed(SAID if first else self.steps_between(more))
        set_last_step(self.model.optimizer, int(saver.last_step) - step)
        self.on_plan(self.epochs)
        if not first and not self.said:
            self.say("plan")
        self.pace.forget_half()
        self.mark = self.budget.clock()

    def is_late(self) -> bool:
        """Whether a step took so long that what is left is for the report.

        Several processes plan after the same steps, whatever their clocks say.
        """
        costs = self.costs()
        needed = costs.last_end + costs.report
        return self.group.processes == 1 and self.budget.left() < needed

    def steps_between(self, more: int) -> int:
        """How many steps to take before a new plan, of `more` that are left; from 1."""
        a_second = 1 / max(self.pace.step, 1e-6)
        steps = min(SHARE * more, LONGEST * a_second)
        return max(1, int(max(steps, SHORTEST * a_second)))

    def steps_left(self) -> int:
        """How many more steps fit into the time; used in the main process."""
        saver = self.saver
        step, epoch = saver.state.step, len(saver.state.history)
        index, costs = step - epoch * saver.steps, self.costs()
        left = self.budget.left()
        return steps_that_fit(left, index, saver.steps, costs)

    def seconds_left(self) -> float:
        """Seconds to the end of everything: of the plan, which --epochs may end early.

        Before the first plan those of the budget.
        """
        saver, left = self.saver, max(0.0, self.budget.left())
        step, epoch = saver.state.step, len(saver.state.history)
        if not isfinite(saver.last_step):
            return left
        more, index = max(0, int(saver.last_step) - step), step - epoch * saver.steps
        return min(left, seconds_of(more, index, saver.steps, self.costs()))

    def costs(self) -> Costs:
        """What was measured; a validation that was not is assumed to be as the report.

        An end of an epoch has a validation once in `saver.every`.
        """
        assumed = self.report.first + self.validated * self.report.image
        validated = self.ends.get(True, assumed)
        plain, every = self.ends.get(False, 0.0), self.saver.every
        mean = (validated + (every - 1) * plain) / every
        return Costs(self.pace.step, mean, validated, self.report.seconds)

    def agreed(self, number: int) -> int:
        """The number of the main process, in all of them."""
        if self.group.processes == 1:
            return number
        from jax.experimental import multihost_utils

        return int(multihost_utils.broadcast_one_to_all(np.int32(number)))

    def say(self, what: str) -> None:
        """Logs the plan in one line, in the main process."""
        self.said, self.said_at = self.epochs, self.budget.used()
        if not self.group.is_main:
            return
        costs = self.costs()
        end = time.localtime(time.time() + self.seconds_left())
        count = f"{self.said:.0f}" if self.said >= 10 else f"{self.said:.1f}"
        with ProgressBar.beside():
            log.info(
                f"{what} for {self.saver.config.hours:g} h: {count} epochs of "
                f"{self.saver.steps} steps, {costs.step:.3g} s a step, "
                f"{costs.last_end:.3g} s a validation, {costs.report:.0f} s for the "
                f"report; ends at {time.strftime('%H:%M:%S', end)}"
            )

    def too_short(self) -> str:
        """The message on a time in which there is no training."""
        costs, used = self.costs(), self.budget.used()
        least = used + costs.last_end + costs.report + LEAST * costs.step
        # That of a fold is its share of the option's value.
        folds = self.saver.config.folds or 1
        given = f"{self.budget.seconds / 3600 * folds:g}"
        what = f"is too short for {folds} folds" if folds > 1 else "is too short"
        # What was saved by then, and the plan of the folds, are a run.
        written = folds > 1 or (self.saver.folder / CHECKPOINT).exists()
        again = ", and --overwrite" if written else ""
        return (
            f"--hours {given}: {what}: the start took "
            f"{used:.0f} s, a validation and the report take about "
            f"{costs.last_end + costs.report:.0f} s, and {LEAST} steps "
            f"{LEAST * costs.step:.0f} s; give at least "
            f"{2 * least * folds / 3600:.2g}{again}"
        )

    # --- the report ---

    def measure_report(self) -> None:
        """Makes the report of a few images, and notes how long that of all takes.

        It runs in a thread of its own, outside the strategy for several devices. If it
        fails, training goes on: a few images may have no labels, unlike all of them.
        """
        if self.rehearse is None:
            return
        start = self.budget.clock()
        try:
            with ThreadPoolExecutor(1) as pool:
                self.report = pool.submit(self.rehearse, self.write_run).result()
        except Exception as error:
            log.warning(
                f"the time of the report is not known ({error}); training may end late"
            )
        self.rehearsal = self.budget.clock() - start

    def rehearse_again(self) -> bool:
        """Whether to measure the report once more: with weights that are trained.

        Those at the start may find more, or less, in an image.
        """
        cheap = self.rehearsal < CHEAP * self.budget.seconds
        late = self.budget.used() > AGAIN * self.budget.seconds
        again = bool(self.rehearsal) and cheap and late and not self.rehearsed
        self.rehearsed = self.rehearsed or again
        return again

    def write_run(self, folder: Path) -> None:
        """Writes the current model and the options as a run folder."""
        saver = self.saver
        save_model(saver.network, folder / BEST, saver.info)
        write_json(folder / CONFIG, saver.state.record)


class TimedBar(ProgressBar):
    """A progress bar whose number of steps is that of the current plan."""

    def __init__(self, time_limit: TimeLimit, names: Sequence[str]):
        super().__init__(time_limit.saver.steps, time_limit.saver.state.step, 0, names)
        self.time_limit = time_limit

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        super().on_epoch_begin(epoch, logs)
        planned = self.time_limit.epochs
        count = f"{ceil(planned)}" if isfinite(planned) else "?"
        self.bar.set_description(f"epoch {epoch + 1}/{count}", refresh=False)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        end = self.time_limit.saver.last_step
        self.bar.total = end if isfinite(end) else None
        super().on_train_batch_end(batch, logs)

    def seconds_left(self, epoch: int) -> float:
        return self.time_limit.seconds_left()


def set_last_step(optimizer: Any, more: int) -> None:
    """Tells the learning rate of an optimizer that training ends after `more` steps."""
    # With float16 Keras wraps the optimizer, and steps without an update do not count.
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    done = int(ops.convert_to_numpy(optimizer.iterations))
    optimizer.schedule.plan(done, done + more)


def time_limit_of(
    config: TrainConfig,
    data: Dataset,
    saver: RunSaver,
    batches: Any,
    group: ProcessGroup,
    rehearse: Optional[Rehearse],
) -> Optional[TimeLimit]:
    """The TimeLimit of a training with --hours; None without."""
    if not config.hours:
        return None
    began = time.monotonic() if group.began is None else group.began
    budget = TimeBudget(config.hours * 3600, began, saver.state.used_seconds)

    def on_plan(epochs: float) -> None:
        batches.epochs = epochs

    return TimeLimit(
        saver,
        budget,
        validated=len(data.split("val").sizes),
        group=group,
        rehearse=partial(rehearse, data) if rehearse and group.is_main else None,
        on_plan=on_plan,
    )
