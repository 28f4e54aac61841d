"""The folders of a k-fold training, and the runs that a MODEL of several names.

RUN/config.json has the options and the images of each fold, RUN/fold0, RUN/fold1, ...
are run folders with fold.json, RUN/folds.json sums up the folds that are finished.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.core.errors import InputError
from edge.core.files import make_folder
from kseg.core.configs import fold_folder
from kseg.core.runs import BEST, count_folds, find_model, read_json, write_json
from kseg.core.text import command

log = logging.getLogger(__name__)

FOLD = "fold.json"  # of a fold: the images that it is validated with
SUMMARY = "folds.json"  # of all folds


@dataclass(frozen=True)
class Fold:
    """The content of fold.json: its validation images (SPLIT/NAME), and its state."""

    val: list[str]
    finished: bool = False


def write_fold(folder: Path, fold: Fold) -> None:
    """Writes fold.json of a fold's run folder, which is made."""
    make_folder(folder)
    write_json(folder / FOLD, {"val": fold.val, "finished": fold.finished})


def read_fold(folder: Path) -> Fold:
    """Reads fold.json of a fold's run folder. Raises InputError if it is damaged."""
    path = folder / FOLD
    if not path.is_file():
        raise InputError(
            f"{path}: is missing, so it is unknown which images this fold was "
            "validated with; restore it, or train again"
        )
    content: Any = read_json(path)
    try:
        return Fold([str(name) for name in content["val"]], bool(content["finished"]))
    except (TypeError, KeyError):
        raise InputError(f"{path}: is damaged; restore it, or train again") from None


def is_finished(folder: Path) -> bool:
    """Whether a fold has been trained to its end."""
    return (folder / FOLD).is_file() and read_fold(folder).finished


def trained_folds(folder: Path) -> list[Path]:
    """The finished folds of a k-fold training; others are named in the log.

    Raises InputError if there is none.
    """
    folders = [fold_folder(folder, fold) for fold in range(count_folds(folder))]
    found = [each for each in folders if is_finished(each) and (each / BEST).is_file()]
    if not found:
        raise InputError(
            f"{folder}: no fold is finished; continue with "
            f"{command('train', '--output', folder)} --resume"
        )
    if len(found) < len(folders):
        log.info(
            f"{folder}: {len(found)} of {len(folders)} folds are finished and used"
        )
    return found


def is_several(model: str) -> bool:
    """Whether MODEL names several models: a k-fold training, or names with commas."""
    path = Path(model)
    return count_folds(path) > 0 if path.exists() else "," in model


def resolve_runs(model: str) -> list[Path]:
    """MODEL -> its run folders and model files: "RUN", "RUN1,RUN2", or a k-fold run.

    The folder of a k-fold training stands for its finished folds. Each of the returned
    paths has a model. Raises InputError for what is neither.
    """
    if not is_several(model):
        find_model(model)
        return [Path(model)]
    names = [model] if Path(model).exists() else model.split(",")
    found: list[Path] = []
    for name in names:
        if not name:
            raise InputError(f"{model}: has an empty name; write RUN1,RUN2")
        if count_folds(Path(name)):
            found += trained_folds(Path(name))
            continue
        find_model(name)
        found.append(Path(name))
    if len({path.resolve() for path in found}) < len(found):
        raise InputError(f"{model}: names a run twice; give each once")
    return found
