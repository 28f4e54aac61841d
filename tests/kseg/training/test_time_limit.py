"""A training with a time ends in time, whatever its machine does meanwhile."""

import re
import time
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from edge.core.errors import InputError
from kseg.core.configs import TrainConfig
from kseg.core.process_group import ProcessGroup
from kseg.core.runs import HISTORY, read_history
from kseg.core.timing import ReportTime
from kseg.training.checkpoint import TrainingState
from kseg.training.fit import fit
from kseg.training.optimizer import AdamW
from kseg.training.time_limit import TimeLimit
from kseg.training.time_plan import TimeBudget
from kseg.training.timed_schedule import TimedSchedule
from tests.kseg.training.helpers import epochs_of

STEPS = 20  # per epoch


class Simulation:
    """A training by a clock that only its parts move: no network, the real TimeLimit.

    `step_seconds(step)` is the time of a step; the first takes a while longer.
    """

    def __init__(self, seconds, step_seconds, used=0.0, state=None, **options):
        self.now, self.step_seconds = 0.0, step_seconds
        self.validation, self.report = 6.0, 25.0
        config = TrainConfig(hours=seconds / 3600, **{"epochs": 10_000} | options)
        self.saver = SimpleNamespace(
            steps=STEPS,
            config=config,
            state=state or TrainingState({}),
            every=1,
            headline="iou",
            done=False,
            last_step=0,
            folder=Path("nothing was saved here"),
        )
        budget = TimeBudget(seconds, 0.0, used, clock=lambda: self.now)
        optimizer = AdamW(TimedSchedule(1.0, 10, "cosine"))
        self.model = SimpleNamespace(optimizer=optimizer, stop_training=False)
        self.planned = []
        self.time_limit = TimeLimit(
            self.saver, budget, 10, rehearse=self.rehearse, on_plan=self.planned.append
        )
        self.time_limit.set_model(self.model)

    def rehearse(self, write_run) -> ReportTime:
        self.now += 3.0
        return ReportTime(self.report, 0.5, 1.0)

    def run(self, most=10**6) -> float:
        """Trains to the end, or for at most so many steps; returns the time by then."""
        self.now += 15.0  # the start
        saver, state = self.saver, self.saver.state
        while state.step < min(saver.last_step, most):
            epoch = len(state.history)
            self.time_limit.on_epoch_begin(epoch)
            self.epoch((epoch + 1) * STEPS, most)
            self.now += self.validation
            state.history.append({"val_iou": 0.5})
            self.time_limit.on_epoch_end(epoch)
        return self.now + self.report

    def epoch(self, end, most) -> None:
        state, optimizer = self.saver.state, self.model.optimizer
        for _ in range(end - state.step):
            self.now += self.step_seconds(state.step) + 8.0 * (
                not self.time_limit.taken
            )
            optimizer.iterations.assign_add(1)
            state.step += 1
            self.time_limit.on_train_batch_end(0)
            if self.model.stop_training or state.step >= most:
                return

    @property
    def rate(self) -> float:
        return float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))


@pytest.mark.parametrize(
    "step_seconds",
    [
        lambda step: 0.5,
        lambda step: 2.0 if step < STEPS else 0.5,  # reads files in the first epoch
        lambda step: 0.5 if step < 300 else 1.5,  # slower after a while
        lambda step: 1.5 if step < 100 else 0.5,  # faster
        lambda step: 0.2 + 0.6 * (step % 7 == 0),
    ],
)
@pytest.mark.parametrize("seconds", [150, 720])
def test_everything_ends_in_time_with_the_final_rate(seconds, step_seconds):
    run = Simulation(seconds, step_seconds)
    assert run.run() == pytest.approx(seconds, rel=0.05)
    assert run.rate == pytest.approx(0, abs=1e-6)
    assert run.saver.state.step == run.saver.state.end == run.saver.last_step
    assert run.planned[-1] == run.saver.last_step / STEPS


def test_less_than_an_epoch_fits():
    run = Simulation(120, lambda step: 6.0)
    assert run.run() == pytest.approx(120, rel=0.05)
    assert len(run.saver.state.history) == 1 and run.saver.state.step < STEPS


def test_a_time_without_room_for_training_is_refused():
    with pytest.raises(InputError, match="--hours 0.01: is too short: .* give at"):
        Simulation(36, lambda step: 0.5).run()


def test_the_time_of_folds_is_refused_as_it_was_given():
    def refused(**options):
        with pytest.raises(InputError) as error:
            Simulation(36, lambda step: 0.5, **options).run()
        return str(error.value)

    message = refused(folds=3, fold=0)
    assert "--hours 0.03: is too short for 3 folds: " in message
    assert message.endswith(", and --overwrite")  # the plan of the folds is written
    number = re.compile(r"give at least ([\d.e-]+)")
    least, alone = (float(number.search(x)[1]) for x in (message, refused()))
    assert least == pytest.approx(3 * alone, rel=0.1)


def test_a_long_pause_ends_the_training_at_once():
    run = Simulation(720, lambda step: 60.0 if step == 1000 else 0.5)
    assert run.run() == pytest.approx(720, rel=0.05)


def test_a_report_that_cannot_be_rehearsed_does_not_end_the_training(caplog):
    run = Simulation(720, lambda step: 0.5)

    def fail(write_run):
        raise InputError("nothing is labelled")

    run.time_limit.rehearse = fail
    assert run.run() == pytest.approx(720 + run.report, rel=0.05)
    assert "report is not known (nothing is labelled)" in caplog.text


def test_epochs_given_as_well_end_first():
    run = Simulation(3600, lambda step: 0.5, epochs=4)
    assert run.run() < 200
    assert run.saver.state.step == 4 * STEPS and run.rate == pytest.approx(0, abs=1e-6)


def test_what_ends_first_is_the_time_that_is_left():
    """With --epochs 3: 20 steps of 0.5 s, a validation of 6 s, a report of 25 s."""
    for epochs, seconds in ((3, 41.0), (10_000, 3540.0)):
        run = Simulation(3600, lambda step: 0.5, epochs=epochs)
        run.run(most=40)
        assert run.time_limit.seconds_left() == pytest.approx(seconds, abs=2)


def test_a_resumed_run_plans_what_is_left():
    first = Simulation(600, lambda step: 0.5)
    first.run(most=250)
    used, share = first.now, first.model.optimizer.progress
    second = Simulation(600, lambda step: 1.0, used=used, state=first.saver.state)
    assert second.planned == [first.planned[-1]]  # until it has its own plan
    optimizer = second.model.optimizer
    optimizer.progress.assign(share)
    optimizer.iterations.assign(250)
    before = second.rate
    assert 0 < before < 1
    assert used + second.run() == pytest.approx(600, rel=0.05)
    assert second.rate == pytest.approx(0, abs=1e-6)


def test_a_resumed_run_without_time_left_ends_after_a_few_steps():
    state = TrainingState({}, step=45, history=[{"val_iou": 0.5}] * 2)
    run = Simulation(60, lambda step: 0.5, used=59.0, state=state)
    run.run()
    assert 45 < run.saver.state.step < 50


@pytest.mark.slow
@pytest.mark.serial
def test_a_training_ends_by_its_time_and_has_trained_to_the_final_rate(
    tiny, tiny_config, tmp_path
):
    group = ProcessGroup(began=time.monotonic())
    config = tiny_config(tmp_path, hours=0.006, epochs=10_000, ema=0.9)
    assert not fit(config, tiny, tmp_path, group)
    assert time.monotonic() - group.began < 40  # of 22 seconds, on a busy machine
    lines = read_history(tmp_path / HISTORY)
    assert epochs_of(tmp_path) == list(range(1, len(lines) + 1))
    assert lines[-1]["learning_rate"] == pytest.approx(0, abs=1e-6)
    assert np.isfinite(lines[-1]["val_mean_iou"])
    resumed = tiny_config(tmp_path, hours=0.006, epochs=10_000, ema=0.9, resume=True)
    assert not fit(resumed, tiny, tmp_path)  # it is complete
    assert read_history(tmp_path / HISTORY) == lines
