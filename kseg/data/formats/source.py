"""The common result of all format readers: labelled images and classes."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock
from typing import Any, Callable, NamedTuple, Optional

import numpy as np

from edge.core.constants import IGNORE_INDEX, palette
from edge.core.errors import InputError, quoted, shortened
from edge.core.inputs import UTF_16
from edge.core.inputs import read_text as read_user_text
from kseg.core.text import to_class_name
from kseg.data.formats.labels import (
    BACKGROUND,
    form_of,
    log_meanings,
    means_background,
    means_void,
)
from kseg.data.masks import INVALID, Classes
from kseg.data.objects_file import LabelledObject

BLACK = (0, 0, 0)
MAX_CLASSES = 255  # ids 0 to 254 of a byte; 255 is void
SPELLINGS = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}
PEEK = 1 << 16  # bytes read from each end of a file to detect its format

Color = tuple[int, int, int]
Size = tuple[int, int]  # (height, width)


@dataclass(frozen=True)
class SourceObjects:
    """The objects of an image of `size` (height, width), upright or as stored.

    `skipped` counts labels that are not objects, `changed` what was corrected, each
    under a text that says why. `layers` has a number for each object, or is empty: in a
    mask, objects of a higher layer are on top.
    """

    size: Size
    objects: tuple[LabelledObject, ...] = ()
    skipped: Counter[str] = field(default_factory=Counter)
    changed: Counter[str] = field(default_factory=Counter)
    layers: tuple[int, ...] = ()


def no_mask() -> np.ndarray:
    raise ValueError("this image has no mask")


def no_objects() -> SourceObjects:
    raise ValueError("this image has no objects")


class Credit(NamedTuple):
    """The licence and origin of an image: names and addresses, empty if unknown."""

    licence: str
    licence_url: str
    url: str
    author: str


@dataclass(frozen=True)
class SourcePair:
    """An image and its labels, which are not read yet: a mask, objects or both.

    `mask` returns (H, W) uint8 class ids, void 255, for the image upright or as stored.
    `objects` returns its objects, whose class ids count from 0, without background. For
    an image embedded in another file, `image` is that file, `content` returns the
    image's bytes, and `suffix` is the suffix for them. `credit` goes into CREDITS.csv.
    `origin` names the entry that the labels come from, for messages.
    """

    stem: str
    image: Path
    mask: Callable[[], np.ndarray] = no_mask
    content: Optional[Callable[[], bytes]] = None
    suffix: str = ""
    objects: Callable[[], SourceObjects] = no_objects
    credit: Optional[Credit] = None
    origin: str = ""

    @property
    def file_name(self) -> str:
        """The name of the image in a data folder."""
        return self.stem + (self.suffix or self.image.suffix)


class Tally:
    """Counts of texts, added up on several threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._counts: Counter[str] = Counter()

    def add(self, counts: Counter[str]) -> None:
        with self._lock:
            self._counts += counts  # drops zeros

    def record(self) -> dict[str, int]:
        """The counts by text, without zeros."""
        return dict(self._counts)


@dataclass
class SourceDataset:
    """The result of a reader. Pairs without a split are under the empty name.

    `class_names` are those of the masks, or those of the objects without background.
    `unlabelled`, `missing` and `other_licences` count images that are left out.
    `unpainted` counts the shapes that masks lack, and why, as the masks are painted.
    """

    skip_missing: bool
    class_names: tuple[str, ...] = ()
    colors: tuple[Color, ...] = ()
    splits: dict[str, list[SourcePair]] = field(
        default_factory=lambda: defaultdict(list)
    )
    unlabelled: int = 0
    missing: int = 0
    other_licences: int = 0
    unpainted: Tally = field(default_factory=Tally)

    def add_missing(self, image: Path, labels: Path) -> None:
        """Counts an image that does not exist.

        Raises InputError for the file `labels` unless `skip_missing` is set.
        """
        self.missing += 1
        if not self.skip_missing:
            raise InputError(
                f"{labels}: its image {shortened(image, 200)} is missing; export the "
                "images too, or skip such labels with --skip-missing"
            )


def without_background(export: SourceDataset) -> SourceDataset:
    """An export with the classes of its objects; the first class was the background."""
    names, colors = export.class_names[1:], export.colors[1:]
    return replace(export, class_names=names, colors=colors)


def size_error(path: Path, size: Size, labelled: Size) -> InputError:
    return InputError(
        f"{path}: the image is {size[0]}x{size[1]}, but its labels are for "
        f"{labelled[0]}x{labelled[1]}; export it and its labels again"
    )


def check_size(path: Path, stored: Size, labelled: Size) -> Size:
    """Returns the `labelled` size that a JSON file states for its image.

    Raises InputError if it is the image's size neither as stored nor upright.
    """
    if sorted(labelled) != sorted(stored):
        raise size_error(path, stored, labelled)
    return labelled


def split_of(name: str) -> str:
    """The split that the name of a file or folder contains; empty for none or several.

    >>> split_of("instances_val2017"), split_of("Validation"), split_of("train_val")
    ('val', 'val', '')
    """
    words = re.split(r"[^a-z]+", name.lower())
    found = [split for split, known in SPELLINGS.items() if {*known} & {*words}]
    return found[0] if len(found) == 1 else ""


def split_above(folder: Path, root: Path) -> str:
    """The split that a folder names, else the next one above it inside `root`.

    The name of `root` says nothing: people call whole exports "test".

    >>> split_above(Path("data/val/day"), Path("data"))
    'val'
    """
    names = reversed(folder.relative_to(root).parts)
    return next(filter(None, map(split_of, names)), "")


def check_names(names: list[str], source: Path) -> None:
    """Raises InputError for too many or too few classes, and for names that are none.

    Names must be different.
    """
    if len(names) < 2:
        raise InputError(
            f"{source}: has no label besides the background; label the images, or "
            "export their labels too"
        )
    if len(names) > MAX_CLASSES:
        raise InputError(
            f"{source}: {len(names)} classes, background included; at most "
            f"{MAX_CLASSES} fit into a mask, leave some out"
        )
    for name in names:
        try:
            to_class_name(name)
        except ValueError as error:
            raise InputError(f"{source}: a class has {error}; rename it") from None
    forms = [form_of(name) for name in names]
    double = next((name for name in forms if forms.count(name) > 1), None)
    if double is not None:
        raise InputError(
            f"{source}: two classes have the name {quoted(double)}; rename one"
        )


def classes_of(labels: dict[int, tuple[str, Optional[Color]]], source: Path) -> Classes:
    """Converts file id -> (name, colour) to Classes: background first, void is 255.

    Labels named background are background, else a black one is; those with a name of
    void are void. If they leave only one class, the black one or id 0 of them is its
    background. The others keep their order. Raises InputError for too many labels,
    equal names and equal colours.
    """
    given = [color for _, color in labels.values() if color]
    if len(set(given)) < len(given):
        double = next(color for color in given if given.count(color) > 1)
        raise InputError(f"{source}: two classes have the colour {double}; change one")
    behind = background_ids(labels)
    void = {i for i, (name, _) in labels.items() if means_void(name)} - {*behind}
    rest = [i for i in labels if i not in behind and i not in void]
    first = [name_of_background(labels[i][0]) for i in behind[:1]]
    names = [*first, *(labels[i][0] for i in rest)]
    check_names(names, source)
    colors = [labels[i][1] for i in (*behind[:1], *rest)]
    if not all(colors):
        colors = list(palette(len(names)))
    table = np.full(256, INVALID)
    table[list(labels)] = IGNORE_INDEX
    table[behind] = 0
    table[rest] = np.arange(len(first), len(names))
    log_meanings({labels[i][0]: IGNORE_INDEX for i in void}, source)
    file_colors = {color: i for i, (_, color) in labels.items() if color}
    return Classes(tuple(names), tuple(colors), table, file_colors, source.name)


def background_ids(labels: dict[int, tuple[str, Optional[Color]]]) -> list[int]:
    """The ids of the labels that are background, as `classes_of` says; may be empty."""
    named = [i for i, (name, _) in labels.items() if means_background(name)]
    if named:
        return named
    void = [i for i, (name, _) in labels.items() if means_void(name)]
    if len(labels) - len(void) == 1:  # what it is told apart from
        return [i for i in void if labels[i][1] == BLACK or i == 0][:1]
    return [i for i, (_, color) in labels.items() if color == BLACK and i not in void]


def name_of_background(name: str) -> str:
    """The class name of a background; a black class keeps its own."""
    return BACKGROUND if means_background(name) or means_void(name) else name


def read_text(path: Path) -> str:
    """Reads a text file. Raises InputError if it is missing or is not UTF-8."""
    try:
        return read_user_text(path)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path}: cannot be read as UTF-8 text ({error}); export it again"
        ) from None


def read_json(path: Path) -> dict[str, Any]:
    """Reads a JSON file that holds an object. Raises InputError for any other."""
    try:
        content = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not valid JSON ({error}); export it again") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: the JSON is not an object; export it again")
    return content


def ends_of(path: Path) -> bytes:
    """The first and the last bytes of a file, for detecting its format."""
    try:
        with path.open("rb") as file:
            start = file.read(PEEK)
            file.seek(max(file.tell(), path.stat().st_size - PEEK))
            ends = start + file.read()
            # UTF-16 is found as the text that it is, which is ASCII for names of keys.
            return ends.replace(b"\0", b"") if ends.startswith(UTF_16) else ends
    except OSError:
        return b""


def json_files(folder: Path) -> list[Path]:
    """The JSON files of a folder and its subfolders, without hidden ones."""
    found = [*folder.glob("*.json"), *folder.glob("*/*.json")]
    return sorted(p for p in found if not p.name.startswith(".") and p.is_file())
