"""Partly labelled masks: a few strokes drawn by a person, and void elsewhere.

They give the segments of a grouping their classes: a stroke labels a whole segment.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Optional, Sequence

import numpy as np

from edge.core.constants import IGNORE_INDEX, palette
from edge.core.errors import InputError
from edge.core.files import make_folder
from edge.core.inputs import no_folder
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
    stem_of,
    to_class_ids,
)
from kseg.data.pairs import Pair, check_pair

CLASSES = "classes.json"


@dataclass(frozen=True)
class StrokeMasks:
    """Checked masks by the stems of their images, and the meaning of their ids.

    `declared` is True if a classes.json names the classes.
    """

    masks: dict[str, Path]
    classes: Classes
    declared: bool

    @property
    def info(self) -> ModelInfo:
        return ModelInfo(class_names=self.classes.names, colors=self.classes.colors)

    def read(self, image: Path) -> np.ndarray:
        """Reads the mask of an image: class ids (H, W) uint8, 255 where it is empty."""
        path = self.masks[stem_of(image)]
        return to_class_ids(load_mask(path, image), path, self.classes)


def open_strokes(folder: Path, images: Sequence[Path]) -> StrokeMasks:
    """Finds the masks of `images` in a folder and checks each of them.

    Class names come from a classes.json in the folder or in one of the two folders
    above it (DIR of DIR/masks and of DIR/train/masks). Raises InputError for the first
    mask that is missing or wrong.
    """
    if not folder.is_dir():
        raise InputError(
            f"{folder}: {no_folder(folder)}; --truth takes a folder of masks"
        )
    declared = find_classes(folder)
    classes = declared or numbered_classes()
    classes.table[IGNORE_INDEX] = IGNORE_INDEX  # void, in addition to other void ids
    masks = {stem_of(path): path for path in files_by_stem(folder).values()}
    for image in images:
        if stem_of(image) not in masks:
            raise InputError(
                f"{image}: has no mask in {folder}; add {image.stem}.png (class ids, "
                "255 where nothing is labelled) or leave the image out"
            )
        if is_lossy(masks[stem_of(image)]):
            raise InputError(lossy_error(masks[stem_of(image)]))
    pairs = [Pair("", image, masks[stem_of(image)]) for image in images]
    in_parallel(lambda pair: check_pair(pair, classes), pairs, folder.name)
    return StrokeMasks(masks, classes, declared is not None)


def find_classes(folder: Path) -> Optional[Classes]:
    """Reads the classes.json of a folder or of the two folders above it, if any."""
    for parent in (folder, *folder.resolve().parents[:2]):
        classes = read_classes(parent / CLASSES)
        if classes:
            return classes
    return None


def numbered_classes() -> Classes:
    """Returns the classes 0 to 254 with 255 as void.

    A mask of 0 and 255 is therefore not read as a binary mask.
    """
    table = np.arange(256)  # 255 is IGNORE_INDEX
    names = tuple(f"class {index}" for index in range(IGNORE_INDEX))
    return Classes(names, palette(IGNORE_INDEX), table)


def write_classes(output: Path, strokes: StrokeMasks) -> None:
    """Writes a classes.json for the masks under `output`, if the classes have names.

    Raises InputError if a classes.json exists that assigns the ids differently.
    """
    if not strokes.declared:
        return
    path, names = output / CLASSES, strokes.classes.names
    existing = read_classes(path)
    if existing is None:
        entries = zip(names, strokes.classes.colors, strict=True)
        classes = [{"name": name, "color": color} for name, color in entries]
        make_folder(output)
        write_json(path, {"classes": classes, "ignore_index": IGNORE_INDEX})
        return
    ids = [*range(len(names)), IGNORE_INDEX]
    if existing.names != names or existing.table[ids].tolist() != ids:
        raise InputError(
            f"{path}: assigns the class ids differently from the masks to be written "
            f"(0 to {len(names) - 1}, void {IGNORE_INDEX}); use another --output"
        )
