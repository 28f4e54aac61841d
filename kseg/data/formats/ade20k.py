"""ADE20K as the scene parsing benchmark has it, with 150 classes.

images/{training,validation}/NAME.jpg with annotations/{training,validation}/NAME.png.
Id 0 is void, the classes are 1 to 150.

Reference: http://sceneparsing.csail.mit.edu
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from edge.core.constants import IGNORE_INDEX, palette
from kseg.data.formats.class_masks import read_class_mask
from kseg.data.formats.source import SourceDataset, SourcePair, split_of
from kseg.data.masks import (
    INVALID,
    Classes,
    files_by_stem,
)

DESCRIPTION = "images/training/ with annotations/training/ (ADE20K)"
IMAGES, LABELS = "images", "annotations"
FOLDERS = ("training", "validation")
LIST = "objectInfo150.txt"
NAMES = (
    "wall, building, sky, floor, tree, ceiling, road, bed, windowpane, grass, "
    "cabinet, sidewalk, person, earth, door, table, mountain, plant, curtain, chair, "
    "car, water, painting, sofa, shelf, house, sea, mirror, rug, field, armchair, "
    "seat, fence, desk, rock, wardrobe, lamp, bathtub, railing, cushion, base, box, "
    "column, signboard, chest of drawers, counter, sand, sink, skyscraper, fireplace,"
    " refrigerator, grandstand, path, stairs, runway, case, pool table, pillow, "
    "screen door, stairway, river, bridge, bookcase, blind, coffee table, toilet, "
    "flower, book, hill, bench, countertop, stove, palm, kitchen island, computer, "
    "swivel chair, boat, bar, arcade machine, hovel, bus, towel, light, truck, tower,"
    " chandelier, awning, streetlight, booth, television receiver, airplane, dirt "
    "track, apparel, pole, land, bannister, escalator, ottoman, bottle, buffet, "
    "poster, stage, van, ship, fountain, conveyer belt, canopy, washer, plaything, "
    "swimming pool, stool, barrel, basket, waterfall, tent, bag, minibike, cradle, "
    "oven, ball, food, step, tank, trade name, microwave, pot, animal, bicycle, lake,"
    " dishwasher, screen, blanket, sculpture, hood, sconce, vase, traffic light, "
    "tray, ashcan, fan, pier, crt screen, plate, monitor, bulletin board, shower, "
    "radiator, glass, clock, flag"
).split(", ")


def matches(folder: Path) -> bool:
    """Whether a folder has this layout and the names of ADE20K.

    Other data with the same layout have other classes.
    """
    parts = parts_of(folder)
    named = any(any((folder / LABELS / p).glob("ADE_*.png")) for p in parts)
    return bool(parts) and (named or (folder / LIST).is_file())


def parts_of(folder: Path) -> list[str]:
    """The folders that have images and masks."""
    roots = folder / IMAGES, folder / LABELS
    return [part for part in FOLDERS if all((root / part).is_dir() for root in roots)]


def read(folder: Path, skip_missing: bool) -> SourceDataset:
    """Reads all masks; training and validation are splits."""
    classes = ade20k_classes()
    export = SourceDataset(skip_missing, classes.names, classes.colors)
    for part in parts_of(folder):
        images = files_by_stem(folder / IMAGES / part)
        masks = files_by_stem(folder / LABELS / part)
        for stem, path in masks.items():
            if stem not in images:
                export.add_missing(folder / IMAGES / part / f"{stem}.jpg", path)
                continue
            mask = partial(read_class_mask, path, images[stem], classes)
            pair = SourcePair(stem, images[stem], mask, origin=str(path))
            export.splits[split_of(part)].append(pair)
        export.unlabelled += len(images.keys() - masks.keys())
    return export


READERS = {"semantic": read}


def default_task(folder: Path) -> str:
    return "semantic"


def ade20k_classes() -> Classes:
    """The 150 classes; id 0 of the masks is void, id k is class k - 1."""
    table = np.full(256, INVALID)
    table[[0, IGNORE_INDEX]] = IGNORE_INDEX
    table[1 : len(NAMES) + 1] = np.arange(len(NAMES))
    colors = palette(len(NAMES) + 1)[1:]  # as in the palette of their masks, by id
    return Classes(tuple(NAMES), tuple(colors), table, source="ADE20K's 150")
