"""Opens the model and the data that the arguments of a command name."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Optional, Sequence

from edge import predict
from edge.core.errors import InputError, listed, shortened
from edge.core.images import images_of, list_images
from edge.model_file.info import made_by_others
from edge.model_file.metadata import info_of, read_info
from edge.model_file.reading import NOTHING, Reading
from edge.predict.base import Predictor
from edge.predict.open import SINGLE_PASS, predictor_of
from edge.predict.tta import TTA
from kseg.core.runs import find_model, run_config
from kseg.data.fold_data import is_data_of_fold, open_fold
from kseg.data.folder import is_split_by_seed, parts_of
from kseg.data.one_class import data_for
from kseg.data.open import SEMANTIC, open_data, task_of_data
from kseg.data.sample import Dataset, with_white_level
from kseg.data.some_images import with_some_images
from kseg.evaluation.grouped_objects import OPENERS
from kseg.evaluation.grouping import is_grouping

log = logging.getLogger(__name__)


def data_of(
    model: str,
    folder: Optional[Path],
    data: str,
    seed: Optional[int],
    task: str = "",
) -> Dataset:
    """Opens the data that a command names, or the training data of the run.

    `task` is that of the model; by default that of the run, else that of the data. The
    data of a fold are divided as they were for its training, and the train split of the
    run's own data has the images that were trained on.

    Raises InputError if neither is known, if the folder of the run's data is missing,
    and for data that cannot be opened for the task.
    """
    if not data and folder is None:
        raise InputError(
            f"{model}: not in a run folder, so its training data are unknown; give "
            "--data"
        )
    config = run_config(folder) if folder else None
    name = data or config.data
    if not data and name != "shapes" and not Path(name).is_dir():
        raise InputError(
            f"{name}: folder not found, but the run was trained on it; give its new "
            "path with --data"
        )
    wanted = task or (config.task if config else "")
    fold = config is not None and config.fold is not None
    if fold and data:
        fold = is_data_of_fold(config, folder, data, wanted)
    if seed is not None and (fold or not depends_on_seed(name)):
        raise InputError(
            f"--seed: has no effect: {name} has its own val split, or no train split "
            "to take one from; leave it out"
        )
    default = config.seed if config else 0
    own = config is not None and Path(name).resolve() == Path(config.data).resolve()
    if own and seed not in (None, default):
        log.warning(
            f"--seed {seed}: the run was trained with --seed {default}, so it has seen "
            "images of this val split, and the values are too high; leave the option "
            "out"
        )
    task = wanted
    try:
        scenes = config.objects if config and name == "shapes" else 0
        if fold:
            opened = open_fold(config, folder, name, task)
        else:
            opened = open_data(name, default if seed is None else seed, task, scenes)
    except InputError:
        if task and Path(name).is_dir():
            refuse_other_labels(model, task, name)
        raise
    if config and not data:
        opened = with_some_images(opened, config.images, config.seed)
    if name != "shapes":
        opened = as_seen_by(model, opened)
    return data_for(config.model, opened) if config else opened


def as_seen_by(model: str, data: Dataset) -> Dataset:
    """The data with images of 16 bits as bright as those the model was trained on.

    A folder of other images, or of the test split alone, may hold no bright one.
    """
    path, _ = locate(model)
    info = None if is_grouping(model) else read_info(path)
    if info is None or info.white_level <= 255 or info.white_level == data.white_level:
        return data
    return with_white_level(data, info.white_level)


def depends_on_seed(name: str) -> bool:
    """Whether a seed divides the data into training and validation images."""
    folder = Path(name)
    return name != "shapes" and (not folder.is_dir() or is_split_by_seed(folder))


def task_of_model(path: Path, wanted: str = "") -> str:
    """The task of a model file; "" if it does not name one.

    A grouping has the task that is `wanted`, by default semantic.
    """
    if is_grouping(str(path)):
        return wanted or SEMANTIC
    info = read_info(path)
    return info.task if info else ""


MOST_NAMES = 256  # of a model that does not tell how many classes it has
NUMBERED = re.compile(r"class \d+")  # names of `unknown_model`
# Task of a model -> the tasks of data that it can be measured on; others: its own.
MEASURED_ON = {"instance": ("instance", "detection")}


def refuse_other_labels(model: str, task: str, data: str) -> None:
    """Raises InputError for data whose labels are of no use to a model of a task."""
    labelled = task_of_data(data)
    if labelled not in MEASURED_ON.get(task, (task,)):
        raise InputError(
            f"{data}: is labelled for {labelled}, but the task of {model} is {task}; "
            f"give data that are labelled for {task}"
        )


def check_task(model: str, task: str, data_task: str) -> None:
    """Raises InputError if a model of a task cannot be measured on data of another."""
    suited = MEASURED_ON.get(task, (task,))
    if data_task not in suited:
        raise InputError(
            f"{model}: its task is {task}, and it cannot be measured on data that are "
            f"opened for {data_task}; add --task {suited[0]}"
        )


def check_classes(predictor: Predictor, data: Dataset, model: str) -> None:
    """Raises InputError if the classes of the model and of the data differ.

    Those of a model without names are matched by number, which is logged.
    """
    known, given = predictor.info.class_names, data.class_names
    named = tuple(name for name in known if not NUMBERED.fullmatch(name))
    if given in (known, named):
        return
    if predictor.info.decoder.get("guessed_names"):
        named = ()
    if not named and len(known) not in (len(given), MOST_NAMES):
        raise InputError(
            f"{model}: has {len(known)} classes, but {data.name} has {len(given)}: "
            f"{listed(given)}; use data with the classes of the model, or name them "
            "with --classes"
        )
    if not named:
        log.info(
            f"{model}: has no class names; its classes are matched to those of "
            f"{data.name} by number: 0 is {shortened(given[0])}"
        )
    else:
        remedy = "use data with the classes of the model"
        if all(map(NUMBERED.fullmatch, given)):  # their ids alone gave the classes
            remedy = f"add the classes.json of the training data to {data.name}"
        raise InputError(
            f"{model}: has the classes {listed(known)}, but {data.name} has "
            f"{listed(given)}; {remedy}"
        )


def list_given_images(given: Sequence[str]) -> list[Path]:
    """Lists the given files and the images of the given folders.

    Raises InputError for a missing file or folder, a folder without images, and two
    images whose results would have the same file name.
    """
    paths: list[Path] = []
    for name in given:
        path = Path(name)
        if not path.exists():
            raise InputError(f"{name}: no such image or folder")
        found = images_of(folder_of_images(path)) if path.is_dir() else [path]
        if not found:
            raise InputError(f"{name}: the folder contains no images")
        paths += found
    stems: dict[str, Path] = {}
    for path in paths:
        if path.stem in stems:
            raise InputError(
                f"{path} and {stems[path.stem]}: both results would be named "
                f"{path.stem}.png; predict them in two calls with different --output"
            )
        stems[path.stem] = path
    return paths


def folder_of_images(folder: Path) -> Path:
    """The folder itself, or images/ of a data folder that has a single split.

    Raises InputError for a data folder of several splits.
    """
    splits = [part / "images" for part in parts_of(folder).values()]
    there = [images for images in splits if images.is_dir()]
    if not there or list_images(folder):
        return folder
    if len(there) > 1:
        raise InputError(
            f"{folder}: has several splits; give the images of one, {there[-1]}"
        )
    return there[0]


def locate(model: str) -> tuple[Path, Optional[Path]]:
    """Finds the model file that the argument MODEL names, and its run folder if any.

    grouping:KIND has no file; its name is returned as the path.
    """
    return (Path(model), None) if is_grouping(model) else find_model(model)


def open_predictor(
    path: Path,
    engine: str = "auto",
    threads: Optional[int] = None,
    segments: Optional[int] = None,
    tta: TTA = SINGLE_PASS,
    task: str = SEMANTIC,
    given: Reading = NOTHING,
) -> Predictor:
    """Opens a `.keras`, `.tflite` or `.onnx` file, or grouping:KIND, as a predictor.

    `segments` and `task` apply to groupings only, `tta` (test-time augmentation) to
    networks only, `given` to files that kseg did not export. Raises InputError for
    other files and for options that do not apply.
    """
    if is_grouping(str(path), segments):
        if tta != SINGLE_PASS:
            raise InputError(
                f"{path}: --full-size, --tile, --flip and --scales apply to networks "
                "only; leave them out"
            )
        return OPENERS[task](str(path), segments)
    if path.suffix != ".keras":
        return predict.open_predictor(path, engine, threads, tta=tta, given=given)
    from kseg.evaluation.keras_engines import keras_engine
    from kseg.models.saving import load_model

    info = info_of(path)
    engine = keras_engine(load_model(path), info)
    predictor = predictor_of(engine, info, str(path), tta)
    if made_by_others(info):
        log.info(
            f"{path.name} has no kseg.json: it is given pixels from 0 to 255, and its "
            f"classes are {predictor.info.decoder.get('names_are', 'numbered')}"
        )
    return predictor
