"""Names and colours of the classes of well-known data sets, in the order of their ids.

Models of other people are often trained on one of these, and their files rarely say so.
"""

from __future__ import annotations

from typing import NamedTuple, Optional, Sequence, Tuple

from edge.core.constants import palette

Color = Tuple[int, int, int]

BACKGROUNDS = (  # names, in small letters, of a first class that is not drawn
    *("background", "_background_", "__background__", "bg", "???"),
    *("unlabeled", "unlabelled", "void", "nothing"),
)


class ClassList(NamedTuple):
    """The classes of a data set: its `title` in messages, names, and RGB colours."""

    title: str
    names: Tuple[str, ...]
    colors: Tuple[Color, ...]


def is_background(name: str) -> bool:
    """Whether a class's name says that nothing is there."""
    return name.strip().lower() in BACKGROUNDS


def colors_of(names: Sequence[str]) -> Tuple[Color, ...]:
    """A colour for each name, of Pascal VOC's palette; black only for a background.

    Classes in black are not drawn. A first class without a name, "class 0", counts as
    a background, as most maps have one.

    >>> colors_of(["background", "cat"]), colors_of(["road"])
    (((0, 0, 0), (128, 0, 0)), ((128, 0, 0),))
    """
    first = names[0] if names else ""
    skipped = 0 if is_background(first) or first == "class 0" else 1
    return palette(len(names) + skipped)[skipped:]


def words(text: str) -> Tuple[str, ...]:
    """Names separated by commas and line ends."""
    return tuple(" ".join(part.split()) for part in text.split(","))


VOC_NAMES = words(
    """background, aeroplane, bicycle, bird, boat, bottle, bus, car, cat, chair, cow,
    diningtable, dog, horse, motorbike, person, pottedplant, sheep, sofa, train,
    tvmonitor"""
)
CITYSCAPES_NAMES = words(
    """road, sidewalk, building, wall, fence, pole, traffic light, traffic sign,
    vegetation, terrain, sky, person, rider, car, truck, bus, train, motorcycle,
    bicycle"""
)
CITYSCAPES_COLORS = (
    *((128, 64, 128), (244, 35, 232), (70, 70, 70), (102, 102, 156), (190, 153, 153)),
    *((153, 153, 153), (250, 170, 30), (220, 220, 0), (107, 142, 35), (152, 251, 152)),
    *((70, 130, 180), (220, 20, 60), (255, 0, 0), (0, 0, 142), (0, 0, 70)),
    *((0, 60, 100), (0, 80, 100), (0, 0, 230), (119, 11, 32)),
)
ADE20K_NAMES = words(
    """wall, building, sky, floor, tree, ceiling, road, bed, windowpane, grass, cabinet,
    sidewalk, person, earth, door, table, mountain, plant, curtain, chair, car, water,
    painting, sofa, shelf, house, sea, mirror, rug, field, armchair, seat, fence, desk,
    rock, wardrobe, lamp, bathtub, railing, cushion, base, box, column, signboard,
    chest of drawers, counter, sand, sink, skyscraper, fireplace, refrigerator,
    grandstand, path, stairs, runway, case, pool table, pillow, screen door, stairway,
    river, bridge, bookcase, blind, coffee table, toilet, flower, book, hill, bench,
    countertop, stove, palm, kitchen island, computer, swivel chair, boat, bar,
    arcade machine, hovel, bus, towel, light, truck, tower, chandelier, awning,
    streetlight, booth, television receiver, airplane, dirt track, apparel, pole, land,
    bannister, escalator, ottoman, bottle, buffet, poster, stage, van, ship, fountain,
    conveyer belt, canopy, washer, plaything, swimming pool, stool, barrel, basket,
    waterfall, tent, bag, minibike, cradle, oven, ball, food, step, tank, trade name,
    microwave, pot, animal, bicycle, lake, dishwasher, screen, blanket, sculpture, hood,
    sconce, vase, traffic light, tray, ashcan, fan, pier, crt screen, plate, monitor,
    bulletin board, shower, radiator, glass, clock, flag"""
)
COCO_NAMES = words(
    """person, bicycle, car, motorcycle, airplane, bus, train, truck, boat,
    traffic light, fire hydrant, stop sign, parking meter, bench, bird, cat, dog, horse,
    sheep, cow, elephant, bear, zebra, giraffe, backpack, umbrella, handbag, tie,
    suitcase, frisbee, skis, snowboard, sports ball, kite, baseball bat, baseball glove,
    skateboard, surfboard, tennis racket, bottle, wine glass, cup, fork, knife, spoon,
    bowl, banana, apple, sandwich, orange, broccoli, carrot, hot dog, pizza, donut,
    cake, chair, couch, potted plant, bed, dining table, toilet, tv, laptop, mouse,
    remote,
    keyboard, cell phone, microwave, oven, toaster, sink, refrigerator, book, clock,
    vase, scissors, teddy bear, hair drier, toothbrush"""
)

LISTS = {
    "voc": ClassList("Pascal VOC", VOC_NAMES, colors_of(VOC_NAMES)),
    "cityscapes": ClassList("Cityscapes", CITYSCAPES_NAMES, CITYSCAPES_COLORS),
    "ade20k": ClassList("ADE20K", ADE20K_NAMES, colors_of(ADE20K_NAMES)),
    "coco": ClassList("COCO", COCO_NAMES, colors_of(COCO_NAMES)),
}
SPELLINGS = {  # other names of the lists, in small letters
    **{"pascal": "voc", "pascalvoc": "voc", "voc2012": "voc", "pascalvoc2012": "voc"},
    **{"cityscape": "cityscapes", "ade": "ade20k", "ade150": "ade20k"},
    **{"mscoco": "coco", "coco80": "coco"},
}


def list_named(text: str) -> Optional[str]:
    """The key of `LISTS` that a text means, in any spelling; None for another text.

    >>> list_named("Pascal_VOC"), list_named("names.txt")
    ('voc', None)
    """
    key = "".join(letter for letter in text.lower() if letter.isalnum())
    key = SPELLINGS.get(key, key)
    return key if key in LISTS else None


def fitted(name: str, count: Optional[int]) -> Optional[ClassList]:
    """The list `name` for an output of `count` classes; None if they do not fit.

    Some models have a background before the classes of a data set that has none, and
    detectors lack the background of one that has. `count` None fits.

    >>> fitted("ade20k", 151).names[:2], len(fitted("voc", 20).names)
    (('background', 'wall'), 20)
    """
    title, names, colors = LISTS[name]
    if count in (None, len(names)):
        return LISTS[name]
    if count == len(names) + 1 and not is_background(names[0]):
        title = f"a background and {title}"
        return ClassList(title, ("background", *names), ((0, 0, 0), *colors))
    if count == len(names) - 1 and is_background(names[0]):
        title = f"{title} without its background"
        return ClassList(title, names[1:], colors[1:])
    return None


GUESSED_MAPS = {21: "voc", 19: "cityscapes", 150: "ade20k", 151: "ade20k"}
GUESSED_OBJECTS = {80: "coco", 20: "voc"}
