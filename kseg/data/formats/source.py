"""What every reader of an export gives: pairs of picture and mask, and classes."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Optional

import numpy as np

from edge.core.constants import IGNORE_INDEX, palette
from edge.core.errors import InputError
from kseg.data.masks import INVALID, Classes

BACKGROUND = "background"
BLACK = (0, 0, 0)
VOID_NAMES = ("void", "ignore", "ignored", "unlabelled", "unlabeled")
MAX_CLASSES = 255  # ids 0 to 254 of a byte; 255 is void
SPELLINGS = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}
PEEK = 1 << 16  # bytes of each end of a file that tell what it is

Color = tuple[int, int, int]
Size = tuple[int, int]  # (height, width)


@dataclass(frozen=True)
class Pair:
    """A picture and its mask, neither of them read yet.

    `mask` gives (H, W) uint8 class ids, void 255, of the picture upright or as stored.
    Where `content` is given, `picture` is the file that the picture lies in, and
    `content` its bytes; then `suffix` is theirs.
    """

    stem: str
    picture: Path
    mask: Callable[[], np.ndarray]
    content: Optional[Callable[[], bytes]] = None
    suffix: str = ""


@dataclass
class SourceDataset:
    """What a reader found. Pairs of no split are under the empty name."""

    skip_missing: bool
    names: tuple[str, ...] = ()
    colors: tuple[Color, ...] = ()
    splits: dict[str, list[Pair]] = field(default_factory=lambda: defaultdict(list))
    unlabelled: int = 0
    missing: int = 0

    def lacks(self, picture: Path, told_by: Path) -> None:
        """Counts a picture that is not there.

        Raises InputError unless that is wanted.
        """
        self.missing += 1
        if not self.skip_missing:
            raise InputError(
                f"{told_by}: its picture {picture} is missing; export the pictures "
                "too, or leave such labels out with --skip-missing"
            )


def other_size(path: Path, size: Size, labelled: Size) -> InputError:
    return InputError(
        f"{path}: is {size[0]}x{size[1]}, but its labels are for "
        f"{labelled[0]}x{labelled[1]}; export it and its labels again"
    )


def check_size(path: Path, stored: Size, labelled: Size) -> Size:
    """What a JSON file says of its picture, before a mask of that size is made.

    Raises InputError where it is the picture's neither as stored nor upright.
    """
    if sorted(labelled) != sorted(stored):
        raise other_size(path, stored, labelled)
    return labelled


def split_of(name: str) -> str:
    """The split that a file or folder is named after, or empty.

    >>> split_of("instances_val2017"), split_of("Validation"), split_of("trainval")
    ('val', 'val', '')
    """
    words = re.split(r"[^a-z]+", name.lower())
    return next((s for s, known in SPELLINGS.items() if {*known} & {*words}), "")


def check_names(names: list[str], source: Path) -> None:
    """Raises InputError for classes that masks of one byte cannot hold."""
    if not 2 <= len(names) <= MAX_CLASSES:
        raise InputError(
            f"{source}: {len(names)} classes with background; 2 to {MAX_CLASSES} are "
            "possible, join or remove some"
        )
    double = next((name for name in names if names.count(name) > 1), None)
    if double is not None:
        raise InputError(f"{source}: two classes are called {double!r}; rename one")


def classes_of(labels: dict[int, tuple[str, Optional[Color]]], source: Path) -> Classes:
    """File id -> (name, colour) as Classes: background first, void is 255.

    Background is what is black or called so, void what is called so; the others keep
    their order. Raises InputError for too many, for equal names and for equal colours.
    """
    given = [color for _, color in labels.values() if color]
    if len(set(given)) < len(given):
        double = next(color for color in given if given.count(color) > 1)
        raise InputError(f"{source}: two classes have the color {double}; change one")
    kept = [i for i, (name, _) in labels.items() if name.lower() not in VOID_NAMES]
    kept.sort(key=lambda i: not is_background(*labels[i]))  # stable: the first first
    names = [labels[i][0] for i in kept]
    check_names(names, source)
    colors = [labels[i][1] for i in kept]
    if not all(colors):
        colors = list(palette(len(names)))
    table = np.full(256, INVALID)
    table[list(labels)] = IGNORE_INDEX
    table[kept] = np.arange(len(kept))
    file_colors = {color: i for i, (_, color) in labels.items() if color}
    return Classes(tuple(names), tuple(colors), table, file_colors, source.name)


def is_background(name: str, color: Optional[Color]) -> bool:
    return color == BLACK or name.lower() == BACKGROUND


def read_text(path: Path) -> str:
    """A text file. Raises InputError for one that is missing or none."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path}: cannot be read as UTF-8 text ({error}); export it again"
        ) from None


def read_json(path: Path) -> dict[str, Any]:
    """A JSON file that holds an object. Raises InputError for any other."""
    try:
        content = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: is no JSON ({error}); export it again") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: holds no JSON object at its top; export it again")
    return content


def ends_of(path: Path) -> bytes:
    """The first and the last bytes of a file: what it is, without reading it all."""
    try:
        with path.open("rb") as file:
            start = file.read(PEEK)
            file.seek(max(file.tell(), path.stat().st_size - PEEK))
            return start + file.read()
    except OSError:
        return b""


def json_files(folder: Path) -> list[Path]:
    """The JSON files of a folder and of those in it, hidden ones left out."""
    found = [*folder.glob("*.json"), *folder.glob("*/*.json")]
    return sorted(p for p in found if not p.name.startswith(".") and p.is_file())
