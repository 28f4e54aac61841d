"""How a trial is followed and ended."""

from types import SimpleNamespace

import pytest

from kseg.training.time_plan import TimeBudget
from kseg.training.tuning.watch import LATE, PRUNED, TrialWatch


class Trial:
    def __init__(self, hopeless=False):
        self.reported, self.hopeless = [], hopeless

    def report(self, value, step):
        self.reported.append((value, step))

    def should_prune(self):
        return self.hopeless


class Saver:
    config = SimpleNamespace(epochs=3)
    ended = 0

    def end(self):
        self.ended += 1


@pytest.fixture
def follow():
    def make(trial, left=1.0):
        notes = []
        clock = TimeBudget(left, 0.0, clock=lambda: 0.0)
        watch = TrialWatch(trial, "val_x", clock, Saver(), lambda: notes.append(1))
        watch.notes = notes
        return watch

    return make


def test_the_best_value_so_far_is_reported(follow):
    watch = follow(Trial())
    for epoch, logs in enumerate([{"val_x": 0.5}, {"val_x": 0.4}, {"loss": 1.0}]):
        watch.on_train_batch_end(0)
        watch.on_epoch_end(epoch, logs)
    assert watch.trial.reported == [(0.5, 1), (0.5, 2)]
    assert (watch.best, watch.ended, watch.saver.ended) == (0.5, "", 0)
    assert len(watch.notes) == 3


def test_a_hopeless_trial_is_ended_but_not_after_its_last_epoch(follow):
    watch = follow(Trial(hopeless=True))
    watch.on_epoch_end(2, {"val_x": 0.1})
    assert watch.saver.ended == 0
    watch.on_epoch_end(0, {"val_x": 0.1})
    assert (watch.saver.ended, watch.ended) == (1, PRUNED)


def test_the_end_of_the_time_ends_a_trial_once(follow):
    watch = follow(Trial(), left=0.0)
    watch.on_train_batch_end(0)
    watch.on_train_batch_end(1)
    assert (watch.saver.ended, watch.ended, watch.best) == (1, LATE, None)


def test_a_value_that_is_not_a_number_is_not_reported(follow):
    watch = follow(Trial())
    watch.on_epoch_end(0, {"val_x": float("nan")})
    assert watch.trial.reported == [] and watch.best is None
