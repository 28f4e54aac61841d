"""Adds the new images of an export to a data folder: `kseg prepare SRC --merge DATA`.

Images are there already if their pixels are. Frames that look like an image of val or
test go there, so that nothing is validated on the neighbour of a training image. Files
that are there keep their names. Everything is prepared first and put in place at the
end: labels before images, so that the folder can be read at any moment.
"""

from __future__ import annotations

import logging
import os
import shlex
import shutil
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Iterator, Sequence

from edge.core.errors import InputError, shortened
from edge.core.files import make_folder
from kseg.core.configs import PrepareConfig
from kseg.core.options import refuse_unused
from kseg.core.results import MaskCounts, MergeCounts, ObjectCounts, Prepared
from kseg.data.chosen import image_files
from kseg.data.folder import is_data_folder
from kseg.data.formats.convert import WRITERS, Counts, log_counts, read_source
from kseg.data.formats.writer import assign_splits, leftovers
from kseg.data.masks import stem_of
from kseg.data.merging.classes import class_numbers
from kseg.data.merging.labels import FORMS, MOVES, SAME, Addition, Labels
from kseg.data.merging.moves import Move, put_all
from kseg.data.merging.places import (
    Looks,
    already_there,
    copies,
    looks_of,
    moved_by_looks,
    only,
    places_of,
)
from kseg.data.missing import data_folder_error
from kseg.data.open import open_data, task_of
from kseg.data.sample import Dataset, Target

LISTED = 6  # names in one line
PART = "merge"  # of the name of the hidden folder inside the data folder

log = logging.getLogger(__name__)


def merge_export(config: PrepareConfig) -> Prepared:
    """Reads the export `config.src` and adds its new images to `config.merge`.

    The same call again changes nothing. Raises InputError for an export that cannot be
    read, classes that the folder does not have, and a folder without a val split; the
    folder is as before then.
    """
    folder = Path(config.merge)
    task = check_folder(config, folder)
    old = open_data(str(folder), None, task)
    check_splits(old, folder)
    name, _, export = read_source(replace(config, task=task), folder)
    splits = assign_splits(export, Path(config.src), None, 0)
    with temporary(folder) as part:
        converted = part / "new"
        counts = WRITERS[task](export, splits, converted, False)
        new = open_data(str(converted), None, task)
        numbers = class_numbers(
            *(new.class_names, old.class_names, used_classes(counts)),
            *(config.src, str(folder)),
        )
        labels = Labels(new, old, numbers, folder, converted)
        additions, merged = planned(labels)
        write(labels, additions, part)
    log_merge(folder, merged)
    masks = counts if isinstance(counts, MaskCounts) else None
    objects = counts if isinstance(counts, ObjectCounts) else None
    if additions:
        log_counts(Path(config.src), masks, objects)
        log.info(f"{folder}: next: {next_training(folder)}")
    found = {split: len(pairs) for split, pairs in splits.items()}
    return Prepared(
        *(folder, name, tuple(old.class_names), found),
        unlabelled=export.unlabelled,
        missing=export.missing,
        task=task,
        objects=objects,
        masks=masks,
        merged=merged,
    )


def next_training(folder: Path) -> str:
    """The command that trains on; RUN is the one that found the new labels."""
    return f"kseg train --data {shlex.quote(str(folder))} --init-from RUN"


# --- checks ---


def check_folder(config: PrepareConfig, folder: Path) -> str:
    """The task of the data folder.

    Raises InputError for options that do not fit, and for what is no data folder.
    """
    if config.dir:
        raise InputError(
            f"{config.dir}: DIR is a new folder, and --merge {folder} adds to one that "
            "is there; give one of them"
        )
    refuse_unused(config)
    if folder.exists() and not folder.is_dir():
        raise data_folder_error(folder)
    if not is_data_folder(folder):
        missing = "is no data folder" if folder.exists() else "no such data folder"
        raise InputError(
            f"--merge {folder}: {missing} (train/images/ with labels); make it "
            f"with kseg prepare {shlex.quote(config.src)} {shlex.quote(str(folder))}"
        )
    task = task_of(folder)
    if config.task not in ("", task):
        raise InputError(
            f"--task {config.task}: {folder} is labelled for {task}; leave --task out, "
            "or merge into other data"
        )
    return task


def check_splits(data: Dataset, folder: Path) -> None:
    """Raises InputError for labels that nothing can be added to.

    Without val, a training divides the images at random, neighbours too.
    """
    if "val" not in data.splits:
        raise InputError(
            f"{folder}: has no val split, so that images that look alike would be "
            f"divided at random; move some images and their labels to {folder}/val"
        )
    FORMS[data.task](folder)


def used_classes(counts: Counts) -> dict[str, int]:
    """Class -> how often it is labelled in the export."""
    return counts.images if isinstance(counts, MaskCounts) else counts.classes


# --- what is added, and where ---


def planned(labels: Labels) -> tuple[list[Addition], MergeCounts]:
    """The images that are added, and the counts of all."""
    new, old = labels.new, labels.old
    options = (old.channels, old.white_level)
    found, known = looks_of(new, *options), looks_of(old, *options)
    present = already_there(found, known)
    left_out = copies(found, known) - present.keys()
    kept = [
        index
        for index in range(len(found.names))
        if index not in present and index not in left_out
    ]
    chosen = only(found, kept)
    places = places_of(chosen, known)
    files = [p for split in new.splits.values() for p in image_files(split) or ()]
    taken = {s: set(map(stem_key, split.names)) for s, split in old.splits.items()}
    kept_labels = relabelled(labels, found, known, present)
    additions = []
    for index, place in zip(kept, places, strict=True):
        name = free_name(found.names[index], taken.setdefault(place, set()))
        additions.append(Addition(*found.place(index), files[index], place, name))
    return additions, MergeCounts(
        added=dict(Counter(each.target for each in additions)),
        moved=moved_by_looks(chosen, places),
        present=len(present),
        relabelled=len(kept_labels),
        kept=kept_labels,
        copies=len(left_out),
        renamed={
            f"{each.split}/{each.image.name}": each.name
            for each in additions
            if each.image.name != each.name
        },
    )


def stem_key(name: str) -> str:
    """What may occur once among the names of a split, on any system."""
    return stem_of(Path(name)).casefold()


def free_name(name: str, taken: set[str]) -> str:
    """A name that is not taken: the name itself, or with a number. It is taken then.

    >>> taken = {"a"}
    >>> free_name("A.png", taken), free_name("b.png", taken)
    ('A_2.png', 'b.png')
    """
    path = Path(name)
    stems = (path.stem, *(f"{path.stem}_{number}" for number in range(2, 100)))
    more = (f"{path.stem}_{number}" for number in count(100))
    choices = (f"{stem}{path.suffix}" for group in (stems, more) for stem in group)
    chosen = next(choice for choice in choices if stem_key(choice) not in taken)
    taken.add(stem_key(chosen))
    return chosen


def relabelled(
    labels: Labels, found: Looks, known: Looks, present: dict[int, int]
) -> tuple[str, ...]:
    """The images that are there and have other labels in the export, as SPLIT/NAME."""
    same = SAME[labels.new.task]
    changed = []
    for index, other in present.items():
        one = target_of(labels.new, *found.place(index))
        two = target_of(labels.old, *known.place(other))
        if not same(one, two, labels.numbers):
            changed.append(f"{known.splits[other]}/{known.names[other]}")
    return tuple(changed)


def target_of(data: Dataset, split: str, index: int) -> Target:
    """The labels of an image."""
    return data.splits[split].read(index).target


# --- writing ---


def write(labels: Labels, additions: Sequence[Addition], part: Path) -> None:
    """Puts the new labels and images in place: all of them, or none."""
    if not additions:
        return
    moves = MOVES[labels.new.task](labels, additions, make_folder(part / "labels"))
    for each in additions:
        target = labels.folder / each.target / "images" / each.name
        moves.append(Move(each.image, target))
    put_all(moves)


@contextmanager
def temporary(folder: Path) -> Iterator[Path]:
    """A hidden folder inside a data folder; those of killed processes are removed."""
    for left in leftovers(folder / PART):
        shutil.rmtree(left, ignore_errors=True)
    part = make_folder(folder / f".{PART}.{os.getpid()}.part")
    try:
        yield part
    finally:
        shutil.rmtree(part, ignore_errors=True)


# --- what is said ---


def log_merge(folder: Path, merged: MergeCounts) -> None:
    """Logs what was added, left out, moved and renamed, in a line each."""
    total = sum(merged.added.values())
    splits = ", ".join(f"{name} {number}" for name, number in merged.added.items())
    listed = f" ({splits})" if splits else ""
    there = f"; there already: {merged.present}" if merged.present else ""
    log.info(f"{folder}: new images: {total}{listed}{there}")
    if merged.copies:
        log.info(f"  left out as copies of images that are there: {merged.copies}")
    for split, number in merged.moved.items():
        log.info(f"  in {split}, because they look like its images: {number}")
    if merged.renamed:
        pairs = [f"{old} is {new}" for old, new in merged.renamed.items()]
        log.info(f"  renamed, as their names are taken: {first_of(pairs)}")
    if merged.relabelled:
        log.warning(
            f"{folder}: images that are there already with other labels: "
            f"{merged.relabelled}; their labels stay. To take the new ones, remove "
            f"these images and run this again: {first_of(merged.kept)}"
        )


def first_of(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(map(shortened, names[:LISTED])) + more
