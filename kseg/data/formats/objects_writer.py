"""Writes images and their objects as a data folder, either completely or not at all."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Callable, Sequence

from edge.core.errors import InputError
from edge.core.files import make_folder
from kseg.core.progress import in_parallel
from kseg.core.results import ObjectCounts
from kseg.core.runs import write_json
from kseg.data.formats.counts import check_objects
from kseg.data.formats.credits import write_credits
from kseg.data.formats.objects import check_points, fitted, with_classes
from kseg.data.formats.source import SourceDataset, SourceObjects, SourcePair
from kseg.data.formats.writer import (
    Splits,
    copy_image,
    each,
    size_of_copy,
    staged,
)
from kseg.data.objects_file import (
    BOXES_ONLY,
    OBJECTS,
    LabelledImage,
    write_objects,
)

Written = tuple[LabelledImage, SourceObjects]


def boxes_only(pair: SourcePair, found: SourceObjects) -> SourceObjects:
    """The objects without their outlines."""
    objects = tuple(replace(one, polygons=(), rle=None) for one in found.objects)
    return replace(found, objects=objects)


def with_outlines(pair: SourcePair, found: SourceObjects) -> SourceObjects:
    """The objects as they are. Raises InputError for one without an outline."""
    count = sum(not one.outlined for one in found.objects)
    if count:
        raise InputError(
            f"{pair.image}: {count} of {len(found.objects)} objects are {BOXES_ONLY}"
        )
    return found


# Task -> what of the objects of an image it keeps.
KEPT: dict[str, Callable[[SourcePair, SourceObjects], SourceObjects]] = {
    "detection": boxes_only,
    "instance": with_outlines,
}


def write_objects_folder(
    export: SourceDataset,
    splits: Splits,
    folder: Path,
    alone: bool = True,
    *,
    task: str,
) -> ObjectCounts:
    """Copies the images, and writes the objects.json of each split and classes.json.

    Images are copied byte for byte, EXIF included; objects are in the upright image.
    `alone` is whether there must be an object at all.
    Raises InputError for labels that cannot be read, do not fit the images or are not
    enough for the task.
    """

    def read(pair: SourcePair) -> SourcePair:
        found = KEPT[task](pair, with_classes(pair.objects()))
        check_points(pair, found)
        return replace(pair, objects=lambda: found)

    # All labels are read before the first image is copied: most errors are in them.
    pairs = [pair for split in splits.values() for pair in split]
    in_memory = iter(in_parallel(read, pairs, folder.name))
    written: list[Written] = []
    bare = []
    with staged(folder) as part:
        for name, split in splits.items():
            make_folder(part / name / "images")
            items = [(part / name, next(in_memory)) for _ in split]
            images = each(write_image, items, f"preparing {name}")
            write_objects(
                part / name / OBJECTS, export.class_names, [one for one, _ in images]
            )
            written += images
            bare += [name] * (not any(one.objects for one, _ in images))
        counts = counts_of(export.class_names, written)
        counts = replace(counts, bare=tuple(bare))
        if alone:
            check_objects(counts, folder, pairs[0].image)
        entries = zip(export.class_names, export.colors, strict=True)
        classes = [{"name": name, "color": list(color)} for name, color in entries]
        write_credits(part, splits)
        record = {"task": task, "classes": classes}
        write_json(part / "classes.json", record)
    return counts


def write_image(item: tuple[Path, SourcePair]) -> Written:
    """Copies an image, given as (folder of its split, pair), and fits its objects."""
    split, pair = item
    copy = copy_image(pair, split)
    size = size_of_copy(pair, copy)
    found = fitted(pair.objects(), copy, size, pair.image)
    return LabelledImage(pair.file_name, size, found.objects), found


def counts_of(names: Sequence[str], written: list[Written]) -> ObjectCounts:
    """Counts the objects of all images."""
    objects = [one for image, _ in written for one in image.objects]
    ids = Counter(one.class_id for one in objects if not one.crowd)
    sets = ({o.class_id for o in one.objects if not o.crowd} for one, _ in written)
    found = Counter(class_id for classes in sets for class_id in classes)
    skipped: Counter[str] = sum((f.skipped for _, f in written), Counter())
    changed: Counter[str] = sum((f.changed for _, f in written), Counter())
    return ObjectCounts(
        {name: ids[index] for index, name in enumerate(names)},
        crowds=sum(one.crowd for one in objects),
        empty=sum(not image.objects for image, _ in written),
        skipped=dict(skipped),
        changed=dict(changed),
        images={name: found[index] for index, name in enumerate(names)},
    )


# Task -> the function that writes its data folder.
OBJECT_WRITERS: dict[str, Callable[..., ObjectCounts]] = {
    task: partial(write_objects_folder, task=task) for task in KEPT
}
