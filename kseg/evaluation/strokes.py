"""Strokes on pictures: masks that are void but for what a person has drawn so far.

They name the segments of a grouping, so that a stroke labels a whole segment.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Optional, Sequence

import numpy as np

from edge.core.constants import IGNORE_INDEX, palette
from edge.core.errors import InputError
from edge.core.files import make_folder
from edge.model_file.info import ModelInfo
from kseg.core.progress import in_parallel
from kseg.core.runs import write_json
from kseg.data.masks import (
    Classes,
    files_by_stem,
    is_lossy,
    load_mask,
    lossy_error,
    read_classes,
    to_class_ids,
)
from kseg.data.pairs import Pair, check_pair

CLASSES = "classes.json"


@dataclass(frozen=True)
class StrokeMasks:
    """Masks by their pictures' stems, found sound, and what their ids mean.

    `declared` says whether a classes.json names the classes.
    """

    masks: dict[str, Path]
    classes: Classes
    declared: bool

    @property
    def info(self) -> ModelInfo:
        return ModelInfo(class_names=self.classes.names, colors=self.classes.colors)

    def read(self, picture: Path) -> np.ndarray:
        """The mask (H, W) uint8 of a picture: class ids, 255 where nothing is drawn."""
        path = self.masks[picture.stem]
        return to_class_ids(load_mask(path, picture), path, self.classes)


def open_strokes(folder: Path, pictures: Sequence[Path]) -> StrokeMasks:
    """The masks of `pictures` in a folder, each looked at.

    Class names come from a classes.json there or up to two folders above (DIR of
    DIR/masks and of DIR/train/masks). Raises InputError for the first fault.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; --truth is a folder of masks")
    given = find_classes(folder)
    classes = given or numbered_classes()
    classes.table[IGNORE_INDEX] = IGNORE_INDEX  # whatever else is void
    masks = files_by_stem(folder)
    for picture in pictures:
        if picture.stem not in masks:
            raise InputError(
                f"{picture}: has no mask in {folder}; add {picture.stem}.png (class "
                "ids, 255 where nothing is labelled) or leave the picture out"
            )
        if is_lossy(masks[picture.stem]):
            raise InputError(lossy_error(masks[picture.stem]))
    pairs = [Pair("", picture, masks[picture.stem]) for picture in pictures]
    in_parallel(lambda pair: check_pair(pair, classes), pairs, folder.name)
    return StrokeMasks(masks, classes, given is not None)


def find_classes(folder: Path) -> Optional[Classes]:
    for place in (folder, *folder.resolve().parents[:2]):
        classes = read_classes(place / CLASSES)
        if classes:
            return classes
    return None


def numbered_classes() -> Classes:
    """Classes 0 to 254, as ids say; 255 is void, and 0 with 255 is not binary here."""
    table = np.arange(256)  # and 255 is IGNORE_INDEX
    names = tuple(f"class {index}" for index in range(IGNORE_INDEX))
    return Classes(names, palette(IGNORE_INDEX), table)


def describe(output: Path, truth: StrokeMasks) -> None:
    """Writes the classes.json by which the masks under `output` can be read again.

    Raises InputError where one is there that would give their ids another meaning.
    """
    if not truth.declared:
        return
    path, names = output / CLASSES, truth.classes.names
    there = read_classes(path)
    if there is None:
        entries = zip(names, truth.classes.colors, strict=True)
        classes = [{"name": name, "color": color} for name, color in entries]
        make_folder(output)
        write_json(path, {"classes": classes, "ignore_index": IGNORE_INDEX})
        return
    meant = there.table[[*range(len(names)), IGNORE_INDEX]].tolist()
    if there.names != names or meant != [*range(len(names)), IGNORE_INDEX]:
        raise InputError(
            f"{path}: gives ids another meaning than the masks to be written (0 to "
            f"{len(names) - 1}, void {IGNORE_INDEX}); name another --output"
        )
