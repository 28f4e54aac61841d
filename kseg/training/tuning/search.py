"""Runs a search: trial after trial, until the time is over."""

from __future__ import annotations

import logging
import shutil
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Optional

from edge.core.errors import GateFailed, InputError
from kseg.core import backend
from kseg.core.configs import TrainConfig, to_record
from kseg.core.run_lock import locked
from kseg.core.runs import read_history
from kseg.core.task_defaults import for_task
from kseg.core.tune_config import TuneConfig, training_of
from kseg.data.checks.quick import check_before_training
from kseg.data.fold_data import open_training_data
from kseg.data.one_class import data_for
from kseg.data.open import task_of_data
from kseg.data.sample import Dataset
from kseg.training.fit import fit
from kseg.training.folds import forget_networks
from kseg.training.setup import METRICS
from kseg.training.teachers import find_teachers, record_of_teachers
from kseg.training.time_plan import TimeBudget
from kseg.training.tuning.budget import (
    HOUR,
    check_hours,
    plan_epochs,
    times_of,
)
from kseg.training.tuning.record import (
    BY_USER,
    ENDED,
    NOT_FINITE,
    OPTIONS,
    SECONDS,
    fixed_options,
    is_done,
    trial_folder,
    write_search,
)
from kseg.training.tuning.space import Space, default_point, search_space, suggested
from kseg.training.tuning.storage import (
    importances,
    open_study,
    pruner_for,
    retry_interrupted,
)

log = logging.getLogger(__name__)

STARTED, EPOCHS, TRIAL_SECONDS, USED = "started", "epochs", "trial_seconds", "used"
PROBE_EPOCHS = 2
SPARE = 0.9  # a trial is started if this share of its time is left


@dataclass
class Search:
    """A search in a folder: the options of all trials, the data, and what is tried."""

    folder: Path
    config: TrainConfig
    given: set[str]
    data: Dataset
    space: Space
    headline: str
    study: Any
    clock: TimeBudget
    stopped: bool = field(default=False, init=False)

    @property
    def epochs(self) -> int:
        return self.study.user_attrs[EPOCHS]

    @property
    def trials(self) -> list[Any]:
        return self.study.get_trials(deepcopy=False)

    def note_time(self) -> None:
        """Writes down the time that was used, for another call."""
        self.study.set_user_attr(USED, self.clock.used())

    def trial_seconds(self) -> float:
        """The seconds of a whole trial: the mean of those known, else the estimate."""
        known = [
            t.user_attrs[SECONDS] for t in self.trials if t.state.name == "COMPLETE"
        ]
        return (
            sum(known) / len(known) if known else self.study.user_attrs[TRIAL_SECONDS]
        )


def tune(config: TuneConfig, given: set[str]) -> tuple[dict[str, Any], bool]:
    """Searches the options; returns the content of trials.json, and whether Ctrl-C was.

    The first trial has the default options. A folder with a search is continued.
    Raises InputError for options, data or a time that do not fit, and if another
    process searches in the folder; where there are no locks, that one goes on.
    """
    with locked(config.folder):
        return searched(config, given)


def searched(config: TuneConfig, given: set[str]) -> tuple[dict[str, Any], bool]:
    """Searches as `tune` does."""
    search = open_search(config, given)
    from optuna.exceptions import UpdateFinishedTrialError

    backend.start()
    try:
        if EPOCHS not in search.study.user_attrs:
            plan(search, config)
        if not search.stopped:
            search.study.pruner = pruner_for(search.epochs)
        while not search.stopped and may_start(search, config):
            run_trial(search)
            write(search)
    except UpdateFinishedTrialError:
        raise InputError(
            f"{search.folder}: another kseg tune has continued this search, so this "
            "one ends; give two searches different --output"
        ) from None
    finally:
        search.note_time()
    return write(search), search.stopped


def open_search(config: TuneConfig, given: set[str]) -> Search:
    """Opens the data and the study. Raises InputError for another search there."""
    fixed, names = training_of(config, given)
    task = fixed.task or task_of_data(fixed.data, fixed.model)
    base = for_task(fixed, names, task)
    folder = config.folder
    data = data_for(base.model, open_training_data(base, folder))
    check_before_training(data)
    space = search_space(base, names)
    if not space:
        raise InputError(
            "every option that is searched was given, so nothing is left to try; leave "
            "some out"
        )
    started = {
        "options": to_record(base),
        "data": data.fingerprint,
        "space": list(space),
        **record_of_teachers(find_teachers(base, data)),
    }
    study = open_study(folder, base.seed)
    before = study.user_attrs.get(STARTED)
    if before is not None and (others := differing(before, started)):
        raise InputError(
            f"{folder}: has a search with other {others[0]}; give the same, or another "
            "--output"
        )
    if before is None:
        study.set_user_attr(STARTED, started)
        study.enqueue_trial(default_point(base, space))
    retry_interrupted(study)
    earlier = study.user_attrs.get(USED, 0.0)
    clock = TimeBudget(config.hours * HOUR, time.monotonic(), earlier)
    headline = METRICS[data.task](base, data).headline
    return Search(folder, base, names, data, space, headline, study, clock)


def differing(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """What differs between two records of a search."""
    return [name for name in before if before[name] != now[name]]


def plan(search: Search, config: TuneConfig) -> None:
    """Measures a short training and notes how many epochs a trial gets.

    Ctrl-C leaves the search without a plan.
    """
    folder = search.folder / "probe"
    probe = replace(search.config, epochs=PROBE_EPOCHS, output=str(folder))
    log.info("\nmeasuring the time of a training of two epochs")
    forget_networks()
    search.stopped = fit(probe, search.data, folder)
    if search.stopped:
        return
    seconds = [line["seconds"] for line in read_history(folder / "history.csv")]
    shutil.rmtree(folder)
    startup, each = times_of(seconds)
    left = search.clock.left()
    epochs = config.epochs or plan_epochs(left, startup, each)
    whole = startup + epochs * each
    check_hours(config.hours, search.clock.used(), whole)
    search.study.set_user_attr(TRIAL_SECONDS, whole)
    search.study.set_user_attr(EPOCHS, epochs)
    log.info(
        f"an epoch takes {each:.1f} s: trials of {epochs} epochs, about "
        f"{whole / 60:.1f} min each, {left / HOUR:.2g} hours left"
    )


def may_start(search: Search, config: TuneConfig) -> bool:
    """Whether another trial is begun: it should end in time."""
    done = sum(map(is_done, search.trials))
    if done >= config.trials:
        log.info(f"\n{done} trials are done (--trials)")
        return False
    if search.clock.left() < SPARE * search.trial_seconds():
        log.info(f"\n--hours {config.hours:g}: no time is left for another trial")
        return False
    return True


def run_trial(search: Search) -> None:
    """Trains one trial and tells the study its result.

    A loss that is not finite fails the trial; after Ctrl-C its values are queued again.
    """
    from kseg.training.tuning.watch import TrialWatch

    study, trial = search.study, search.study.ask()
    options = suggested(trial, search.space)
    folder = trial_folder(search.folder, trial.number)
    trial.set_user_attr(OPTIONS, options)
    listed = ", ".join(f"{name} {value}" for name, value in options.items())
    log.info(f"\ntrial {trial.number}: {listed}")
    epochs = search.epochs
    config = replace(search.config, **options, epochs=epochs, output=str(folder))
    watches: list[Any] = []

    def watch(saver: Any) -> list[Any]:
        name = f"val_{search.headline}"
        watches.append(TrialWatch(trial, name, search.clock, saver, search.note_time))
        return watches

    start, ended = search.clock.used(), ""
    forget_networks()
    try:
        stopped = fit(config, search.data, folder, watch=watch)
        ended = watches[0].ended or (BY_USER if stopped else "")
    except GateFailed as failure:
        log.warning(f"trial {trial.number}: {failure}")
        ended = NOT_FINITE
    trial.set_user_attr(SECONDS, search.clock.used() - start)
    trial.set_user_attr(ENDED, ended)
    tell(study, trial, ended, watches[0].best if watches else None)
    if ended == BY_USER:
        study.enqueue_trial(trial.params, skip_if_exists=False)
        search.stopped = True


def tell(study: Any, trial: Any, ended: str, best: Optional[float]) -> None:
    """Tells the study how a trial ended: complete, pruned, or failed."""
    from optuna.trial import TrialState

    if not ended and best is not None:
        study.tell(trial, best)
    elif best is not None and ended not in (BY_USER, NOT_FINITE):
        study.tell(trial, state=TrialState.PRUNED)
    else:
        study.tell(trial, state=TrialState.FAIL)
    shown = "no value" if best is None else f"{best:.4f}"
    log.info(f"trial {trial.number}: {shown}{f' ({ended})' if ended else ''}")


def write(search: Search) -> dict[str, Any]:
    """Writes trials.json and best.toml."""
    facts = {
        "headline": search.headline,
        "epochs": search.study.user_attrs.get(EPOCHS),
        "hours": round(search.clock.used() / HOUR, 4),
        "importance": importances(search.study),
    }
    fixed = fixed_options(search.config, search.given)
    return write_search(search.folder, fixed, search.trials, facts)
