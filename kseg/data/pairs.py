"""Pairs of image and mask files: reading them and finding their issues."""

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
    inspect_image,
    invalid_id_error,
    is_lossy,
    load_mask,
    open_image,
)


class Pair(NamedTuple):
    split: str
    image: Path
    mask: Path


class FileIssue(NamedTuple):
    """One issue of one file. `kind` is a key of `rules.FILE_ISSUES`.

    `detail` describes it, and may be empty. `error` is the message that training stops
    with; empty if the issue does not prevent training.
    """

    kind: str
    split: str
    name: str
    detail: str = ""
    error: str = ""


@dataclass(frozen=True)
class PairContent:
    """The content of a pair.

    `image` is the result of `read_facts` of `inspect_pair`, None if it failed. `ids`
    (H, W) are class ids, INVALID where they are outside the classes; without classes,
    the ids of the file; None if the mask cannot be read.
    """

    image: Any
    ids: Optional[np.ndarray]
    issues: tuple[FileIssue, ...]


@dataclass(frozen=True)
class PairFacts:
    """Facts about a valid pair: its upright size, and whether its image is grey.

    `ids` (256,) bool marks the ids in its mask; None if the classes are declared.
    """

    size: tuple[int, int]
    grey: bool
    ids: Optional[np.ndarray]


def inspect_pair(
    pair: Pair,
    classes: Optional[Classes],
    read_facts: Callable[[Path], tuple[tuple[int, int], Any]] = inspect_image,
) -> PairContent:
    """Reads a pair as far as possible and collects its issues.

    `read_facts` reads the image file and returns (size, facts of any type). It raises
    InputError if the file cannot be read.
    """
    issues: list[FileIssue] = []

    def attempt(kind: str, path: Path, function: Callable[[Path], Any]) -> Any:
        """`function(path)`; None, and an issue, if it raises InputError."""
        try:
            return function(path)
        except InputError as error:
            detail = str(error).removeprefix(f"{path}: ")
            issues.append(FileIssue(kind, pair.split, str(path), detail, str(error)))
            return None

    image = attempt("unreadable image", pair.image, read_facts)
    if is_lossy(pair.mask):  # its ids are wrong, and `pair_up` has added the issue
        return PairContent(image, None, tuple(issues))
    # The mask is rotated like its image, unless that cannot be read.
    rotated = pair.image if image else pair.mask
    raw = attempt("unreadable mask", pair.mask, lambda path: load_mask(path, rotated))
    if raw is None:
        if can_be_decoded(pair.mask):  # so the error is an id over 255
            issues[-1] = issues[-1]._replace(kind="ids")
        return PairContent(image, None, tuple(issues))
    if image and raw.shape[:2] != image[0]:
        issues.append(size_issue(pair, raw.shape[:2], image[0]))
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
        issues.append(id_issue(pair, raw, ids == INVALID, classes))
    return PairContent(image, ids, tuple(issues))


def size_issue(
    pair: Pair, size: tuple[int, int], expected: tuple[int, int]
) -> FileIssue:
    error = (
        f"{pair.mask}: the mask is {format_size(size)}, but its image is "
        f"{format_size(expected)}; export the mask at the image's size"
    )
    detail = f"{format_size(size)}, its image {format_size(expected)}"
    return FileIssue("sizes", pair.split, str(pair.mask), detail, error)


def id_issue(
    pair: Pair, raw: np.ndarray, wrong: np.ndarray, classes: Classes
) -> FileIssue:
    listed = ", ".join(map(str, np.unique(raw[wrong])[:8].tolist()))
    detail = f"id {listed} in {wrong.mean():.2%} of the pixels"
    error = invalid_id_error(raw, wrong, pair.mask, classes)
    return FileIssue("ids", pair.split, str(pair.mask), detail, error)


def check_pair(pair: Pair, classes: Optional[Classes]) -> PairFacts:
    """Returns the facts of a pair. Raises InputError for its first issue."""
    content = inspect_pair(pair, classes)
    raise_first_error(content.issues)
    size, grey = content.image
    if classes:
        return PairFacts(size, grey, None)
    return PairFacts(size, grey, np.bincount(content.ids.ravel(), minlength=256) > 0)


def raise_first_error(issues: Sequence[FileIssue]) -> None:
    """Raises InputError for the first issue that prevents training, if there is one."""
    for issue in issues:
        if issue.error:
            raise InputError(issue.error)


def can_be_decoded(path: Path) -> bool:
    try:
        with open_image(path) as image:
            image.load()
    except (InputError, OSError, SyntaxError):
        return False
    return True
