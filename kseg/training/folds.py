"""Trains once for each fold of the images, and sums up what the folds give."""

from __future__ import annotations

import logging
import shutil
import time
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Callable, Optional, Sequence

from edge.core.errors import InputError
from edge.core.files import make_folder
from kseg.core import backend
from kseg.core.configs import TrainConfig, fold_folder, to_record
from kseg.core.fold_runs import (
    FOLD,
    SUMMARY,
    Fold,
    is_finished,
    write_fold,
)
from kseg.core.fold_summary import summarize_folds
from kseg.core.process_group import ProcessGroup
from kseg.core.results import Run
from kseg.core.run_lock import check_unlocked, locked, reserve_unlocked
from kseg.core.runs import (
    BEST,
    CHECKPOINT,
    CONFIG,
    LAST,
    LOCK,
    count_folds,
    folds_of,
    read_record,
    recorded_config,
    remove_outdated,
    reserve,
    write_json,
)
from kseg.core.task_defaults import for_task
from kseg.data.checks.quick import check_before_training
from kseg.data.fold_data import open_undivided
from kseg.data.folds import divide, with_fold
from kseg.data.one_class import data_for
from kseg.data.open import task_of_data
from kseg.data.sample import Dataset
from kseg.data.some_images import with_some_images
from kseg.training.fit import check_same_data, merge_resumed
from kseg.training.setup import METRICS
from kseg.training.teachers import (
    Teacher,
    find_teachers,
    record_of_teachers,
    warn_of_seen_images,
)

log = logging.getLogger(__name__)

# Options that say how the folds of this call are started; the plan has none of them.
OF_A_CALL = ("fold", "resume", "overwrite", "json")
TrainOne = Callable[[TrainConfig, set[str], ProcessGroup], Run]


@dataclass(frozen=True)
class Plan:
    """A k-fold training: its folder, options, which of them were given, and its folds.

    `parts` are the validation images of each fold, as SPLIT/NAME.
    """

    folder: Path
    config: TrainConfig
    given: set[str]
    parts: list[list[str]]


def is_k_fold(config: TrainConfig) -> bool:
    """Whether a training is that of folds, or continues one."""
    return bool(config.folds) or (config.resume and count_folds(config.run_folder) > 0)


def train_folds(
    config: TrainConfig,
    given: set[str],
    group: ProcessGroup,
    train_one: TrainOne,
    write_page: Callable[[Path, dict[str, Any]], None],
) -> Run:
    """Trains the folds, one after the other; `--fold` selects one of them.

    `train_one` trains and reports one run. folds.json is written after each fold, and
    `write_page` writes report.html of all. A fold that is finished is not repeated, one
    that was interrupted is continued. Raises InputError for options or data that do not
    fit, and what `train_one` raises; folds that are finished then stay.
    """
    if group.processes > 1:
        raise InputError(
            "--folds: one process trains a fold; leave --coordinator out, or give each "
            "machine another --fold"
        )
    one = config.fold is not None  # other machines may train the others
    with nullcontext() if one else locked(config.run_folder):
        plan, data = plan_of(config, given)
        warn_of_seen_images(plan.config, data)
        headline = METRICS[data.task](plan.config, data).headline
        alone, stopped = config if one else None, False
        for number in [config.fold] if one else range(len(plan.parts)):
            try:
                stopped = train_fold(plan, number, alone, group, train_one)
            except Exception:
                if not one:  # other machines may have begun theirs
                    forget_plan_alone(plan.folder, number)
                raise
            group = replace(group, began=time.monotonic())  # the next fold, for --hours
            summary = summarize_folds(plan.folder, headline)
            write_json(plan.folder / SUMMARY, summary)
            write_page(plan.folder, summary)
            if stopped:
                break
    return Run(plan.folder, summary, [], plan.config, stopped)


def train_fold(
    plan: Plan,
    number: int,
    alone: Optional[TrainConfig],
    group: ProcessGroup,
    train_one: TrainOne,
) -> bool:
    """Trains a fold unless it is finished. True if Ctrl-C ended it.

    `alone` are the options of a call for this fold alone: it is resumed or replaced
    only if they say so. Otherwise it continues from its checkpoint, if it has one.
    """
    folder = fold_folder(plan.folder, number)
    started = (folder / CHECKPOINT).is_file()
    if is_finished(folder) and (alone is None or alone.resume):
        log.info(f"{folder}: is finished")
        return False
    resume, overwrite = started, not started
    if alone is not None:
        resume, overwrite = alone.resume, alone.overwrite
    config = replace(plan.config, fold=number, resume=resume, overwrite=overwrite)
    if config.hours:  # of all folds together
        config = replace(config, hours=config.hours / len(plan.parts))
    reserve_unlocked(config)  # before its files change
    log.info(
        f"\n{folder}: the training of fold {number}, {number + 1} of {len(plan.parts)}"
    )
    write_fold(folder, Fold(plan.parts[number]))
    forget_networks()
    run = train_one(config, plan.given, group)
    if not run.stopped:
        write_fold(folder, Fold(plan.parts[number], finished=True))
    return run.stopped


def forget_networks() -> None:
    """Frees what Keras keeps of earlier networks, and begins their names again."""
    backend.start()
    import keras

    keras.utils.clear_session()


def plan_of(config: TrainConfig, given: set[str]) -> tuple[Plan, Dataset]:
    """The plan of a new or continued k-fold training, and its data, undivided.

    A call for one fold takes the plan that is there, so that machines share it.
    """
    folder = replace(config, fold=None).run_folder
    known = count_folds(folder)
    if config.resume and not known:
        raise InputError(
            f"{folder}: has no folds to resume; leave out --resume, or give the "
            "--output of a k-fold training"
        )
    whole_again = config.overwrite and config.fold is None
    if known and not whole_again and (config.resume or config.fold is not None):
        return known_plan(config, given, folder)
    return new_plan(config, given, folder)


def known_plan(
    config: TrainConfig, given: set[str], folder: Path
) -> tuple[Plan, Dataset]:
    """Reads the plan in a folder. Raises InputError if options or data differ."""
    record = read_record(folder)
    recorded = recorded_config(record)
    asked = replace(config, fold=None, resume=True, output=str(folder))
    merged = merge_resumed(asked, given - set(OF_A_CALL), recorded)
    merged = replace(merged, resume=False, overwrite=False)
    data = data_for(merged.model, open_undivided(merged))
    teachers = record_of_teachers(find_teachers(merged, data))
    if recorded.teacher and "teachers" not in record:  # of an older version
        record |= teachers
    check_same_data(facts_of(data) | teachers, record, data)
    try:
        parts = [[str(name) for name in part] for part in record["folds"]]
        before = {str(name) for name in record["given"]}
    except (KeyError, TypeError):
        raise InputError(
            f"{folder / CONFIG}: is damaged; train again with --overwrite"
        ) from None
    plan = Plan(folder, merged, before | (given - set(OF_A_CALL)), parts)
    return check_fold(plan, config), data


def new_plan(
    config: TrainConfig, given: set[str], folder: Path
) -> tuple[Plan, Dataset]:
    """Divides the images and writes the plan; nothing is written for data that fail.

    A plan that another machine has written meanwhile, for a fold of its own, is taken.
    Raises InputError if the folder has a run and --overwrite is not given.
    """
    config = replace(config, output=str(folder))
    whole = replace(config, fold=None)
    check_free(whole, config.fold)
    task = config.task or task_of_data(config.data, config.model)
    given = given - set(OF_A_CALL)
    planned = replace(for_task(whole, given, task), resume=False, overwrite=False)
    whole_data = open_undivided(planned)
    assert planned.folds
    parts = divide(whole_data, planned.folds, planned.seed)
    for part in parts:  # rather than after hours of the folds before it
        each = with_fold(whole_data, part, CONFIG)
        each = with_some_images(each, planned.images, planned.seed)
        check_before_training(each, report=False)
    data = data_for(planned.model, whole_data)
    plan = check_fold(Plan(folder, planned, given, parts), config)
    teachers = find_teachers(planned, data)
    backend.start()
    if config.fold is not None and count_folds(folder):
        return known_plan(config, given, folder)
    # Others may have begun while the images were divided.
    check_free(whole, config.fold)
    make_folder(folder)
    clear_folder(folder)
    write_json(folder / CONFIG, record_of_plan(plan, data, teachers))
    return plan, data


def check_free(whole: TrainConfig, fold: Optional[int]) -> None:
    """Raises InputError for a folder with a run, unless it is to be replaced.

    It is not replaced while it, or one of its folds, is trained. A call for one `fold`
    has not locked the folder itself.
    """
    folder = reserve(whole)
    own = [] if fold is None else [folder]
    check_unlocked(*own, *folds_of(folder))


def forget_plan_alone(folder: Path, number: int) -> None:
    """Removes a plan of which nothing is trained, so that it can be made again.

    As where pretrained weights could not be downloaded. `number` is the fold that was
    begun here; other machines may have begun others.
    """
    folds = folds_of(folder)
    made = [each / name for each in folds for name in (CHECKPOINT, BEST, LOCK)]
    made += [each / FOLD for each in folds if each != fold_folder(folder, number)]
    if any(path.exists() for path in made):
        return
    clear_folder(folder)
    (folder / CONFIG).unlink(missing_ok=True)


def check_fold(plan: Plan, config: TrainConfig) -> Plan:
    """The plan. Raises InputError for a --fold that it does not have."""
    count = len(plan.parts)
    if config.fold is not None and config.fold >= count:
        raise InputError(
            f"--fold {config.fold}: the folds are 0 to {count - 1} (--folds {count})"
        )
    return plan


def facts_of(data: Dataset) -> dict[str, Any]:
    """What the plan records of the undivided data."""
    return {
        "data": {
            "name": data.name,
            "names": data.class_names,
            "channels": data.channels,
            "images": {name: len(split.sizes) for name, split in data.splits.items()},
            "fingerprint": data.fingerprint,
        }
    }


def record_of_plan(
    plan: Plan, data: Dataset, teachers: Sequence[Teacher] = ()
) -> dict[str, Any]:
    """The content of config.json in the folder of all folds."""
    from kseg.core.provenance import versions

    return {
        "config": to_record(plan.config),
        **facts_of(data),
        **record_of_teachers(teachers),
        "versions": versions(),
        "given": sorted(plan.given),
        "folds": plan.parts,
    }


def clear_folder(folder: Path) -> None:
    """Removes what an overwritten run or k-fold training left in a folder.

    An old fold would be continued otherwise.
    """
    remove_outdated(folder)
    for name in (BEST, LAST, CHECKPOINT, SUMMARY):
        (folder / name).unlink(missing_ok=True)
    for path in folder.glob("fold*"):
        if path.is_dir() and (path / FOLD).is_file():
            shutil.rmtree(path)
