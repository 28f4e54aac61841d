"""A pair of image and mask file: what is read of it, and what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, NamedTuple, Optional, Sequence

import numpy as np

from edge.core.errors import InputError
from edge.core.images import format_size
from kseg.data.masks import (
    INVALID,
    Classes,
    colors_to_ids,
    is_lossy,
    load_mask,
    look_at_image,
    opened,
    outside_classes,
)


class Pair(NamedTuple):
    split: str
    image: Path
    mask: Path


class FileIssue(NamedTuple):
    """One thing wrong with one file. `kind` is a key of `rules.FAULTS`.

    `detail` says more of it, if anything. `refusal` is the line that training ends
    with; empty where it goes on.
    """

    kind: str
    split: str
    name: str
    detail: str = ""
    refusal: str = ""


@dataclass(frozen=True)
class PairContent:
    """What was read of a pair.

    `image` is what `look` of `inspect_pair` gave, None where it refused. `ids` (H, W)
    are class ids, INVALID where they are outside the classes; without classes, the ids
    of the file; None where they cannot be told.
    """

    image: Any
    ids: Optional[np.ndarray]
    issues: tuple[FileIssue, ...]


@dataclass(frozen=True)
class PairFacts:
    """What is kept of a sound pair: its upright size, whether its image is grey.

    `ids` (256,) bool are those in its mask, where no classes were declared.
    """

    size: tuple[int, int]
    grey: bool
    ids: Optional[np.ndarray]


def inspect_pair(
    pair: Pair,
    classes: Optional[Classes],
    look: Callable[[Path], tuple[tuple[int, int], Any]] = look_at_image,
) -> PairContent:
    """Reads a pair as far as it can be read, and says all that is wrong with it.

    `look` reads the image file, as much of it as it wants: (size, anything else). It
    raises InputError for one that cannot be read.
    """
    issues: list[FileIssue] = []

    def attempt(kind: str, path: Path, function: Callable[[Path], Any]) -> Any:
        """`function(path)`; a refusal becomes an issue, and None."""
        try:
            return function(path)
        except InputError as error:
            detail = str(error).removeprefix(f"{path}: ")
            issues.append(FileIssue(kind, pair.split, str(path), detail, str(error)))
            return None

    image = attempt("unreadable image", pair.image, look)
    if is_lossy(pair.mask):  # an issue of the folder already, and full of wrong ids
        return PairContent(image, None, tuple(issues))
    # An image gives its rotation to the mask; one that is broken has none to give.
    turned = pair.image if image else pair.mask
    raw = attempt("unreadable mask", pair.mask, lambda path: load_mask(path, turned))
    if raw is None:
        if can_be_decoded(pair.mask):  # an id of more than a byte
            issues[-1] = issues[-1]._replace(kind="ids")
        return PairContent(image, None, tuple(issues))
    if image and raw.shape[:2] != image[0]:
        issues.append(other_size(pair, raw.shape[:2], image[0]))
    if raw.ndim == 3:
        colors = classes.file_colors if classes else {}
        source = classes.source if classes else "classes.json"
        raw = attempt(
            "colors", pair.mask, lambda path: colors_to_ids(raw, path, colors, source)
        )
    if raw is None or classes is None:
        return PairContent(image, raw, tuple(issues))
    ids = classes.table[raw]
    if ids.min(initial=0) == INVALID:
        issues.append(other_ids(pair, raw, ids == INVALID, classes))
    return PairContent(image, ids, tuple(issues))


def other_size(pair: Pair, size: tuple[int, int], wanted: tuple[int, int]) -> FileIssue:
    refusal = (
        f"{pair.mask}: {format_size(size)}, but its image is {format_size(wanted)}; "
        "export the mask at the image's size"
    )
    detail = f"{format_size(size)}, its image {format_size(wanted)}"
    return FileIssue("sizes", pair.split, str(pair.mask), detail, refusal)


def other_ids(
    pair: Pair, raw: np.ndarray, wrong: np.ndarray, classes: Classes
) -> FileIssue:
    listed = ", ".join(map(str, np.unique(raw[wrong])[:8].tolist()))
    detail = f"id {listed} in {wrong.mean():.2%} of the pixels"
    refusal = outside_classes(raw, wrong, pair.mask, classes)
    return FileIssue("ids", pair.split, str(pair.mask), detail, refusal)


def sound_pair(pair: Pair, classes: Optional[Classes]) -> PairFacts:
    """The facts of a pair. Raises InputError for the first thing wrong with it."""
    content = inspect_pair(pair, classes)
    refuse(content.issues)
    size, grey = content.image
    if classes:
        return PairFacts(size, grey, None)
    return PairFacts(size, grey, np.bincount(content.ids.ravel(), minlength=256) > 0)


def refuse(issues: Sequence[FileIssue]) -> None:
    """Raises InputError for the first issue that training cannot go on with."""
    for issue in issues:
        if issue.refusal:
            raise InputError(issue.refusal)


def can_be_decoded(path: Path) -> bool:
    try:
        with opened(path) as image:
            image.load()
    except (InputError, OSError, SyntaxError):
        return False
    return True
