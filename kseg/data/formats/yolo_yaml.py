"""The data.yaml of YOLO: the names of the classes, and the images of each split.

`train`, `val` and `test` are each a folder, a list of images (NAME.txt) or several of
these. They are relative to `path`, else to the file. Those of another computer are
found by the end of their path, if they are in the export.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path, PureWindowsPath
from typing import Any, Iterable, Iterator, Optional

import yaml

from edge.core.errors import InputError, quoted
from kseg.data.formats.frames import same_text, spellings
from kseg.data.formats.source import SPELLINGS, SourceDataset, read_text

NAMES, LABELS = "classes.txt", "labels"
LEAST_PARTS = 2  # of the end of a path by which it is found

log = logging.getLogger(__name__)


def names_file(folder: Path) -> Optional[Path]:
    """The file with the classes: data.yaml, another YAML file, or classes.txt."""
    found = sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")])
    named = [path for path in found if path.stem in ("data", "dataset")]
    # labelImg writes it beside the labels.
    lists = [p for p in (folder / NAMES, folder / LABELS / NAMES) if p.is_file()]
    return next(iter([*named, *found, *lists]), None)


def read_yaml(path: Path) -> dict[str, Any]:
    """The content, where all values are text; empty if it is no dict."""
    try:  # this loader makes no objects, and keeps names such as `no` as text
        content = yaml.load(read_text(path), Loader=yaml.BaseLoader)
    except (yaml.YAMLError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: not valid YAML ({reason}); correct it") from None
    return content if isinstance(content, dict) else {}


# --- classes ---


def read_names(folder: Path) -> list[str]:
    """The class names: in YAML a list or a dict by id, in classes.txt lines."""
    path = names_file(folder)
    if path is None:
        raise InputError(
            f"{folder}: has no data.yaml; add one with the classes, such as names: "
            "[cat, dog]"
        )
    if path.name == NAMES:
        return [line.strip() for line in read_text(path).splitlines() if line.strip()]
    content = read_yaml(path)
    if content.get("kpt_shape"):  # their numbers would be read as polygons
        raise InputError(
            f"{path}: `kpt_shape` says that the labels are boxes with keypoints, which "
            "are not read; export boxes or polygons instead"
        )
    names = content.get("names")
    if isinstance(names, dict):
        ids = [str(index) for index in range(len(names))]
        names = [names[key] for key in ids] if names.keys() == set(ids) else None
    if not isinstance(names, list) or not names:
        raise InputError(
            f"{path}: `names` must be a list of class names, or a dict of them by id "
            "from 0, such as {0: cat, 1: dog}"
        )
    number = content.get("nc", str(len(names)))
    if number != str(len(names)):
        raise InputError(
            f"{path}: `nc` is {quoted(number)}, but `names` has {len(names)} names; "
            "correct the one that is wrong"
        )
    return [str(name) for name in names]


# --- splits ---


@dataclass
class Declared:
    """The splits that data.yaml declares.

    `images` has the images of each split, `absent` the keys whose folder or list is
    not in the export, with its path. `left_out` counts images that no split lists.
    """

    path: Optional[Path] = None
    images: dict[str, set[Path]] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    left_out: int = 0

    def split(self, image: Path, by_folder: str) -> Optional[str]:
        """The split of an image; None if it is left out.

        `by_folder` is the one that its folders name, for a split without a key. Raises
        InputError for an image that may be of a key whose path is absent.
        """
        found = [split for split, images in self.images.items() if image in images]
        if found:
            return found[0]
        if by_folder and by_folder not in self.images:
            return by_folder
        if not by_folder and self.absent:
            key, text = next(iter(self.absent.items()))
            raise InputError(
                f"{self.path}: `{key}` is {quoted(text)}, which is not in this export, "
                f"so the split of {image} is not known; correct or remove `{key}`"
            )
        self.left_out += bool(self.images)
        return None if self.images else by_folder

    def report(self) -> None:
        """Says what is not there, and how many images were left out."""
        for key, text in self.absent.items():
            log.warning(
                f"{self.path}: `{key}` is {quoted(text)}, which is not in this export; "
                "folders named after splits are read instead"
            )
        if self.left_out:
            keys = ", ".join(self.images)
            log.warning(
                f"{self.path}: left out {self.left_out} images that are in none of "
                f"its splits ({keys})"
            )


def declared_splits(
    folder: Path, images: Iterable[Path], export: SourceDataset
) -> Declared:
    """Reads the splits of data.yaml; `images` are all that have labels.

    Listed images that are missing are counted in `export`. Raises InputError for keys
    that are no path, and an image of two splits.
    """
    path = names_file(folder)
    if path is None or path.name == NAMES:
        return Declared()
    content, found = read_yaml(path), Declared(path)
    roots = roots_of(path, content)
    index = index_of(folder, images)
    known = {image for group in index.values() for image in group}
    for split, key in keys_of(content):
        for text in texts_of(path, key, content[key]):
            place = find_place(text, roots)
            if place is None:
                found.absent[key] = text
                continue
            inside = (
                {image for image in known if place in image.parents}
                if place.is_dir()
                else listed(place, index, export)
            )
            if not inside and not export.missing:
                raise InputError(
                    f"{path}: `{key}` is {quoted(text)}, which has no images of a "
                    "folder images/ with labels/ beside it; correct the key"
                )
            found.images.setdefault(split, set()).update(inside)
    check_apart(found)
    return found


def keys_of(content: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The splits and their keys that have a value."""
    for split, names in SPELLINGS.items():
        yield from ((split, name) for name in names if content.get(name))


def texts_of(path: Path, key: str, value: Any) -> list[str]:
    """The paths of a key: one, or a list of them."""
    texts = value if isinstance(value, list) else [value]
    if not all(isinstance(text, str) for text in texts):
        raise InputError(
            f"{path}: `{key}` must be a folder, a list of images such as {key}.txt, or "
            "a list of these"
        )
    return texts


def roots_of(path: Path, content: dict[str, Any]) -> list[Path]:
    """The folders that paths are relative to: that of the file, and `path` inside it.

    A `path` outside of it is of another computer.
    """
    here, given = path.parent, content.get("path")
    root = here / given if isinstance(given, str) and given else here
    inside = inside_of(here, root)
    return [inside, here] if inside else [here]


def inside_of(folder: Path, path: Path) -> Optional[Path]:
    """An existing path as one below `folder`; None if it is elsewhere."""
    if not exists(path):
        return None
    whole, base = path.resolve(), folder.resolve()
    return folder / whole.relative_to(base) if base in whole.parents else None


def exists(path: Path) -> bool:
    """Whether a path exists. One that no file can have, such as a long one, does not.

    >>> exists(Path("a" * 1000))
    False
    """
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def find_place(text: str, roots: list[Path]) -> Optional[Path]:
    """The folder or list of a path, inside the export; None if it is not there."""
    exact = next(filter(None, (inside_of(roots[-1], r / text) for r in roots)), None)
    parts = ending(text)
    if exact or not parts:  # no parts: such as "."
        return exact or roots[0]
    least = 1 if text.lower().endswith(".txt") else LEAST_PARTS
    ends = [parts[start:] for start in range(len(parts))]
    ends = [end for end in ends if end == parts or len(end) >= least]
    places = [root.joinpath(*end) for end in ends for root in roots]
    return next((place for place in places if exists(place)), None)


def ending(text: str) -> tuple[str, ...]:
    """The parts of a path, also of Windows, without drive and dots.

    >>> ending("../train/images"), ending("C:\\\\data\\\\a.jpg")
    (('train', 'images'), ('data', 'a.jpg'))
    """
    path = PureWindowsPath(text.strip())
    return tuple(p for p in path.parts if p not in ("..", path.anchor))


def index_of(folder: Path, images: Iterable[Path]) -> dict[str, list[Path]]:
    """The images by each end of their path in the export."""
    index: dict[str, list[Path]] = defaultdict(list)
    for image in images:
        parts = image.relative_to(folder).parts
        for start in range(len(parts)):
            index[same_text("/".join(parts[start:]))].append(image)
    return index


def listed(
    path: Path, index: dict[str, list[Path]], export: SourceDataset
) -> set[Path]:
    """The images that a list names; those that are missing are counted."""
    found = set()
    for line in filter(None, map(str.strip, read_text(path).splitlines())):
        image = image_of(line, index)
        if image:
            found.add(image)
        else:
            export.add_missing(Path(line), path)
    return found


def image_of(line: str, index: dict[str, list[Path]]) -> Optional[Path]:
    """The one image whose path ends as a line does; None if there is none, or two.

    The name alone counts only where the line has no folder: it may be another frame.
    """
    for spelling in spellings(line):
        parts = ending(spelling)
        for start in range(max(1, len(parts) - LEAST_PARTS + 1)):
            end = "/".join(parts[start:])
            group = index.get(same_text(end), [])
            same = [image for image in group if image.as_posix().endswith(end)] or group
            if len(same) == 1:
                return same[0]
            if same:
                break
    return None


def check_apart(found: Declared) -> None:
    """Raises InputError for an image of two splits.

    A split that is the same as one before is left out: it would measure nothing.
    """
    for split, images in list(found.images.items()):
        before = next(s for s, others in found.images.items() if others == images)
        if before != split:
            log.warning(
                f"{found.path}: `{split}` has the images of `{before}`, so it is not "
                "used"
            )
            del found.images[split]
    seen: dict[Path, str] = {}
    for split, images in found.images.items():
        double = next(iter(sorted(images & seen.keys())), None)
        if double:
            raise InputError(
                f"{found.path}: {double} is in `{seen[double]}` and in `{split}`; an "
                "image is in one split, remove it from one of them"
            )
        seen |= dict.fromkeys(images, split)
