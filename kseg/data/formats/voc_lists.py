"""Lists of names and files, as Pascal VOC has them."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Collection, Mapping, Optional

from edge.core.errors import InputError, quoted, shortened
from edge.core.images import SUFFIXES, is_image
from kseg.data.formats.source import read_text, split_of

log = logging.getLogger(__name__)


def list_names(lists: list[Path]) -> Optional[dict[str, str]]:
    """Name -> split, of the lists of ImageSets; None if there are none.

    The split is empty for names that only other files (default.txt, trainval.txt) list.
    Raises InputError for a name that the lists of two splits have.
    """
    names: dict[str, str] = {}
    origins: dict[str, Path] = {}
    for path in sorted(lists, key=lambda path: not split_of(path.stem)):
        lines = (line.strip() for line in read_text(path).splitlines())
        split = split_of(path.stem)
        for name in map(without_suffix, filter(None, lines)):
            if names.setdefault(name, split) != split and split:
                raise InputError(
                    f"{path}: lists {quoted(name)}, and so does {origins[name]}; an "
                    "image is in one split, remove it from one of the lists"
                )
            origins.setdefault(name, path)
    return names if lists else None


def check_listed(names: Collection[str], files: Collection[str], folder: Path) -> None:
    """Raises InputError if none of the names of lists is that of a file of labels.

    Some lists have a second column, or paths. `files` are the names in `folder`.
    """
    first = next(iter(names), None)
    if first is not None and files and not any(name in files for name in names):
        raise InputError(
            f"{folder}: has no labels of the names in ImageSets/, such as "
            f"{quoted(first)}; give each line of the lists one name, such as "
            f"{shortened(next(iter(files)))}"
        )


def log_unlisted(
    names: Collection[str], files: Mapping[str, object], folder: Path
) -> None:
    """Logs how many files of labels no list names: they are left out.

    `files` are the names in `folder`.
    """
    others = [name for name in files if name not in names]
    if others:
        log.warning(
            f"{folder}: left out {len(others)} files of labels that no list in "
            f"ImageSets/ names, such as {shortened(others[0])}"
        )


def without_suffix(name: str) -> str:
    """A name of a list, some of which have the suffixes of images.

    >>> without_suffix("night/a.jpg"), without_suffix("v1.5")
    ('night/a', 'v1.5')
    """
    return str(Path(name).with_suffix("")) if name.lower().endswith(SUFFIXES) else name


def find_images(folder: Path) -> dict[str, Path]:
    """Name, with its folders and without suffix -> image file."""
    found: dict[str, Path] = {}
    for path in sorted(filter(is_image, folder.rglob("*"))):
        other = found.setdefault(key_of(path, folder), path)
        if other != path:
            raise InputError(
                f"{path}: {other.name} has the same stem; keep one of them"
            )
    return found


def key_of(path: Path, folder: Path) -> str:
    """A file's name in lists: with its folders, without suffix."""
    return path.relative_to(folder).with_suffix("").as_posix()
