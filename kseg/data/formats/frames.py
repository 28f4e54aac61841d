"""The image files of an export: found by their names, and none taken for two frames."""

from __future__ import annotations

import os
import unicodedata
from collections import Counter, defaultdict
from dataclasses import replace
from functools import lru_cache
from itertools import count
from pathlib import Path, PureWindowsPath
from typing import Iterable, Iterator, Optional, TypeVar
from urllib.parse import parse_qs, unquote, urlsplit

from edge.core.errors import InputError
from edge.core.images import list_images
from kseg.data.formats.source import SourceDataset, SourcePair

T = TypeVar("T")

# --- finding the file of a name ---


def find_image(name: str, folders: list[Path]) -> Optional[Path]:
    """The file of an image by the name that labels state; None if there is none.

    `name` may be a path, also of Windows, or an address. The file has this path below
    one of `folders`, else this file name there. Names that differ in how they are
    written meet: `%20` and a space, composed and decomposed letters, capitals.
    """
    parts = [part for whole in spellings(name) for part in (whole, Path(whole).name)]
    paths = [folder / part for part in dict.fromkeys(parts) for folder in folders]
    found = next((path for path in paths if is_file(path)), None)
    return found or next(filter(None, map(written_differently, paths)), None)


def spellings(name: str) -> Iterator[str]:
    """The relative paths that a name may stand for, the literal one first.

    >>> list(spellings("my%20street.jpg"))
    ['my%20street.jpg', 'my street.jpg']
    >>> list(spellings("http://host/a/b.jpg?key=1"))[-1]
    'a/b.jpg'
    """
    yield PureWindowsPath(name).as_posix()
    if "%" in name:
        yield PureWindowsPath(unquote(name)).as_posix()
    if "?" in name or "://" in name:
        try:
            parts = urlsplit(name)
        except ValueError:  # such as half an IPv6 address
            return
        # Label Studio serves local files as /data/local-files/?d=folder/a.jpg
        path = parse_qs(parts.query).get("d", [parts.path])[0]
        yield unquote(path).lstrip("/")


def is_file(path: Path) -> bool:
    """Whether a path is a file. One that no file can have, such as a long one, is not.

    >>> is_file(Path("a" * 1000))
    False
    """
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def written_differently(path: Path) -> Optional[Path]:
    """The one file beside `path` whose name is the same text, written differently."""
    folder = path.parent
    try:
        found = names_in(folder, folder.stat().st_mtime_ns).get(same_text(path.name))
    except (OSError, ValueError):
        return None
    return folder / found[0] if found and len(found) == 1 else None


@lru_cache(maxsize=64)
def names_in(folder: Path, changed: int) -> dict[str, list[str]]:
    """The file names of a folder by `same_text`; `changed` is its time of change."""
    names: dict[str, list[str]] = defaultdict(list)
    for entry in os.scandir(folder):
        if entry.is_file():
            names[same_text(entry.name)].append(entry.name)
    return names


def same_text(name: str) -> str:
    """A name without differences of how it is written.

    >>> same_text("Caf\\u00e9%201.JPG") == same_text("cafe\\u0301 1.jpg")
    True
    """
    return unicodedata.normalize("NFC", unquote(name)).casefold()


def same_keys(files: dict[str, T], names: Iterable[str]) -> dict[str, T]:
    """`files` by name, where a key that is a name written differently becomes it.

    Only keys that are no name, and names that are no key, are taken, if they are the
    same text and no others are.

    >>> same_keys({"cafe\u0301": 1, "b": 2}, ["caf\u00e9", "b"])
    {'caf\xe9': 1, 'b': 2}
    """
    names = dict.fromkeys(names)
    wanted: dict[str, list[str]] = defaultdict(list)
    for name in names:
        if name not in files:
            wanted[same_text(name)].append(name)
    spare = Counter(same_text(key) for key in files if key not in names)

    def key_of(key: str) -> str:
        same = wanted.get(same_text(key), ())
        unique = len(same) == 1 and spare[same_text(key)] == 1
        return same[0] if unique and key not in names else key

    return {key_of(key): value for key, value in files.items()}


# --- each frame is its own ---


def check_frames(splits: dict[str, list[SourcePair]]) -> None:
    """Raises InputError for an image file that two entries have.

    Tools that write the frames of several subsets or jobs into one folder leave one
    image of those with equal names, and it is not known whose labels are its own.
    """
    seen: dict[str, tuple[str, SourcePair]] = {}
    for split, pairs in splits.items():
        for pair in pairs:
            if pair.content:
                continue
            key = os.path.abspath(pair.image)
            before, first = seen.setdefault(key, (split, pair))
            if first is not pair:
                both = f"by {first.origin or before}, and by {pair.origin or split}"
                raise InputError(
                    f"{pair.image}: is labelled twice, {both}; remove one of the two "
                    "entries, or, if they are two frames, give each an image of its own"
                )


def count_unlisted(export: SourceDataset) -> int:
    """The images beside those of an export that no entry names."""
    named = {pair.image for pairs in export.splits.values() for pair in pairs}
    folders = {image.parent for image in named}
    return sum(path not in named for one in folders for path in list_images(one))


def own_stems(pairs: list[SourcePair]) -> list[SourcePair]:
    """The pairs of a split, where those of equal stems get different ones.

    These are made of the folders in which they differ, else of their suffixes, else of
    a number. Other stems stay.
    """
    counts = Counter(written(pair.stem) for pair in pairs)
    taken = {stem for stem, number in counts.items() if number == 1}
    groups: dict[str, list[SourcePair]] = defaultdict(list)
    for pair in pairs:
        groups[written(pair.stem)].append(pair)
    stems: dict[int, str] = {}
    for key, group in groups.items():
        if counts[key] == 1:
            continue
        shared = set.intersection(*(set(pair.image.parts[:-1]) for pair in group))
        for pair in group:
            stems[id(pair)] = free(stem_choices(pair, shared), taken)
    return [replace(p, stem=stems[id(p)]) if id(p) in stems else p for p in pairs]


def written(stem: str) -> str:
    """A stem as it is compared: Unicode forms of one name are one file elsewhere."""
    return unicodedata.normalize("NFC", stem)


def stem_choices(pair: SourcePair, shared: set[str]) -> Iterator[str]:
    """Stems for a pair, of the folders that not all of its group share."""
    folders = [part for part in pair.image.parts[:-1] if part not in shared]
    named = "_".join((*folders, pair.stem))
    yield named
    yield f"{named}_{pair.image.suffix.lstrip('.')}"
    yield from (f"{named}_{number}" for number in count(2))


def free(choices: Iterator[str], taken: set[str]) -> str:
    """The first choice that is not taken, which takes it."""
    stem = next(choice for choice in choices if written(choice) not in taken)
    taken.add(written(stem))
    return stem
