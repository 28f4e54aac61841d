"""Converts another tool's export to a data folder."""

from __future__ import annotations

import logging
import shlex
from pathlib import Path
from typing import Callable, Collection, Optional, Union

from edge.core.errors import InputError, shortened
from edge.core.inputs import is_archive, no_folder
from kseg.core.configs import PrepareConfig
from kseg.core.options import flag, refuse_unused
from kseg.core.results import MaskCounts, ObjectCounts, Prepared
from kseg.data.folder import is_data_folder, parts_of
from kseg.data.formats import scenes
from kseg.data.formats.counts import (
    mask_doubts,
    mask_lines,
    object_doubts,
    object_lines,
)
from kseg.data.formats.detect import FORMATS, detect_format
from kseg.data.formats.labels import BACKGROUND
from kseg.data.formats.objects_writer import OBJECT_WRITERS
from kseg.data.formats.source import SourceDataset
from kseg.data.formats.unread import unread_error
from kseg.data.formats.writer import (
    Splits,
    assign_splits,
    check_target,
    write_data_folder,
)

BACKGROUND_FORMATS = (
    "coco",
    "labelme",
    "yolo",
    "cvat",
    "bowl",
    "supervisely",
)  # of outlines: the rest is background
LICENSED_FORMATS = ("coco",)  # with the licence of each image
LISTED = 24  # classes in the log; the result has all
# Task -> the function (export, splits, folder, alone) that writes its data folder, and
# counts pixels or objects.
Counts = Union[MaskCounts, ObjectCounts]
WRITERS: dict[str, Callable[..., Counts]] = {
    "semantic": write_data_folder,
    **OBJECT_WRITERS,
}

log = logging.getLogger(__name__)


def convert_export(config: PrepareConfig) -> Prepared:
    """Reads the export `config.src`, and writes the data folder `config.dir`.

    The export "shapes" are generated scenes.

    Raises InputError for a folder that is not a known export, for labels that cannot be
    read or are not enough for the task, and where `dir` has files already.
    """
    source, target = Path(config.src), Path(config.dir)
    if not 0 < config.val_share < 1:
        raise InputError(
            f"--val-share {config.val_share}: must be over 0 and under 1; it is a "
            "share of the images"
        )
    if not config.dir:
        raise InputError(
            f"{source}: give DIR too, the data folder to write: kseg prepare SRC DIR"
        )
    refuse_unused(config)
    check_target(target)
    name, task, export = read_source(config, target)
    if name != scenes.NAME:
        check_split_options(config, export)
    splits = assign_splits(export, source, config.val_share, config.seed)
    log.info(f"{source}: {describe(name, export, splits)}")
    found = WRITERS[task](export, splits, target)
    masks = found if isinstance(found, MaskCounts) else None
    objects = found if isinstance(found, ObjectCounts) else None
    log_counts(target, masks, objects)
    log.info(f"{target}: {next_step(target, splits)}")
    counts = {split: len(pairs) for split, pairs in splits.items()}
    return Prepared(
        *(target, name, tuple(export.class_names), counts),
        unlabelled=export.unlabelled,
        missing=export.missing,
        other_licences=export.other_licences,
        task=task,
        objects=objects,
        masks=masks,
    )


def read_source(config: PrepareConfig, target: Path) -> tuple[str, str, SourceDataset]:
    """The format of `config.src`, the task that is read of it, and what was read.

    Raises InputError for an unknown format, invalid labels, and a target inside of it.
    """
    if config.src == scenes.NAME:
        task = config.task or "semantic"
        found = scenes.read_scenes(task, config.count, config.val_share)
        return scenes.NAME, task, found
    source = Path(config.src)
    check_outside(source, target)
    name = format_of(source)
    task = config.task or FORMATS[name].default_task(source)
    export = read_export(source, name, task, config.skip_missing, config.licenses)
    return name, task, export


def log_counts(
    folder: Path, masks: Optional[MaskCounts], objects: Optional[ObjectCounts]
) -> None:
    """Logs what was written of each class, and what looks wrong with it."""
    if objects:
        log.info(f"{folder}: {describe_objects(objects)}")
    lines = [*(mask_lines(masks) if masks else ())]
    lines += object_lines(objects) if objects else ()
    for line in lines:
        log.info(f"  {line}")
    doubts = [*(mask_doubts(masks) if masks else ())]
    doubts += object_doubts(objects) if objects else ()
    for line in doubts:
        log.warning(f"{folder}: {line}")


def check_outside(source: Path, target: Path) -> None:
    """Raises InputError for a target in its source, also by links: it would be read."""
    if source.resolve() in target.resolve().parents:
        raise InputError(
            f"{target}: is inside {source}, which is not changed; choose a folder "
            "outside of it"
        )


def read_export(
    folder: Path,
    name: str,
    task: str,
    skip_missing: bool,
    licenses: tuple[str, ...] = (),
) -> SourceDataset:
    """Reads an export for a task, images with some licences only if they are given.

    Raises InputError if the format cannot give the task or has no licences.
    """
    if licenses and name not in LICENSED_FORMATS:
        raise InputError(
            f"--licenses: {folder} is an export of the format {name}, which has no "
            f"licences of images; only {', '.join(LICENSED_FORMATS)} has; leave it out"
        )
    readers = FORMATS[name].READERS
    if task not in readers:
        raise InputError(
            f"{folder}: an export of the format {name} has no objects for --task "
            f"{task}; use --task {' or '.join(readers)}"
        )
    options = {"licenses": licenses} if licenses else {}
    return readers[task](folder, skip_missing, **options)


def check_split_options(config: PrepareConfig, export: SourceDataset) -> None:
    """Raises InputError for options of a new val split if none is made."""
    if export.splits.get("val"):
        reason = "has its own val split"
    elif not (export.splits.get("train") or export.splits.get("")):
        reason = "has no train split"
    else:
        return
    default = PrepareConfig(config.src, config.dir)
    for name in ("val_share", "seed"):
        if getattr(config, name) != getattr(default, name):
            raise InputError(
                f"{flag(name)}: has no effect: {config.src} {reason}; leave it out"
            )


def format_of(folder: Path) -> str:
    """The format of an export. Raises InputError if it is not a known one."""
    if not folder.is_dir():
        raise InputError(f"{folder}: {no_folder(folder)}; prepare reads a folder")
    if is_data_folder(folder):
        raise InputError(
            f"{folder}: is already a data folder, and "
            f"{next_step(folder, parts_of(folder))}"
        )
    name = detect_format(folder)
    if name is None:
        inside = next((p for p in sorted(folder.glob("*/")) if detect_format(p)), None)
        if inside:  # archives often hold one folder, such as VOCdevkit/VOC2012
            raise InputError(
                f"{folder}: not a known export format, but its folder {inside} is; run "
                "this command on it"
            )
        error = unread_error(folder)
        if error:
            raise error
        archive = next(filter(is_archive, sorted(folder.iterdir())), None)
        if archive:
            raise InputError(
                f"{folder}: not a known export format, but it has the archive "
                f"{archive.name}; unpack it and run this command on what it holds"
            )
        known = "; ".join(module.DESCRIPTION for module in FORMATS.values())
        raise InputError(
            f"{folder}: not a known export format; export it in one of these: {known}"
        )
    return name


def next_step(folder: Path, splits: Collection[str]) -> str:
    """The command that uses a data folder; without train it can only be evaluated."""
    data = f"--data {shlex.quote(str(folder))}"
    if "train" in splits:
        return f"is ready; next: kseg train {data}"
    split = next(iter(splits))
    return (
        f"is ready, without a train split ({' and '.join(splits)} alone); next: "
        f"kseg evaluate saved_models/RUN {data} --split {split}"
    )


def describe(name: str, export: SourceDataset, splits: Splits) -> str:
    """What was found, in one line."""
    counts = ", ".join(f"{split} {len(pairs)}" for split, pairs in splits.items())
    names = ", ".join(map(shortened, export.class_names[:LISTED]))
    more = len(export.class_names) - LISTED
    number = len(export.class_names)
    parts = [
        f"read as {name}: {counts}",
        f"{number} class{'es' * (number > 1)}: {names}",
    ]
    if more > 0:
        parts[-1] += f" and {more} more"
    if name in BACKGROUND_FORMATS and export.class_names[0] == BACKGROUND:
        parts.append(f"pixels without a label are the class {BACKGROUND}")
    if export.unlabelled:
        parts.append(f"left out without labels: {export.unlabelled}")
    if export.other_licences:
        parts.append(f"left out with other licences: {export.other_licences}")
    if export.missing:
        parts.append(f"left out without image: {export.missing}")
    return "; ".join(parts)


def describe_objects(counts: ObjectCounts) -> str:
    """How many objects were written and what was left out, in one line."""
    names = sorted(counts.classes, key=lambda name: -counts.classes[name])
    found = (f"{shortened(name)} {counts.classes[name]}" for name in names[:LISTED])
    listed = ", ".join(found)
    more = f" and {len(names) - LISTED} more classes" if len(names) > LISTED else ""
    parts = [f"{counts.total} objects: {listed}{more}"]
    if counts.crowds:
        parts.append(f"crowds: {counts.crowds}")
    if counts.empty:
        parts.append(f"images without objects: {counts.empty}")
    parts += [f"left out: {number} {why}" for why, number in counts.skipped.items()]
    parts += [f"{why}: {number}" for why, number in counts.changed.items()]
    return "; ".join(parts)
