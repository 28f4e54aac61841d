"""Pairs of image and mask files: reading them and finding their issues."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, NamedTuple, Optional, Sequence

import numpy as np

from edge.core.errors import InputError
from edge.core.images import format_size
from kseg.data.mask_values import MaskValues, count_ids, find_smoothing, wrong_values
from kseg.data.masks import (
    INVALID,
    Classes,
    colors_to_ids,
    inspect_image,
    invalid_id_error,
    is_lossy,
    load_mask,
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
    the ids of the file; None if the mask cannot be read. `counts` (256,) are the pixels
    of each id of the file.
    """

    image: Any
    ids: Optional[np.ndarray]
    issues: tuple[FileIssue, ...]
    counts: Optional[np.ndarray] = None


@dataclass(frozen=True)
class PairFacts:
    """Facts about a valid pair: its upright size, and whether its image is grey.

    `counts` (256,) are the pixels of each id in the file of its mask.
    """

    size: tuple[int, int]
    grey: bool
    counts: np.ndarray


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
            kind = getattr(error, "kind", kind)
            issues.append(FileIssue(kind, pair.split, str(path), detail, str(error)))
            return None

    image = attempt("unreadable image", pair.image, read_facts)
    if is_lossy(pair.mask):  # its ids are wrong, and `pair_up` has added the issue
        return PairContent(image, None, tuple(issues))
    # The mask is rotated like its image, unless that cannot be read.
    rotated = pair.image if image else pair.mask
    raw = attempt("unreadable mask", pair.mask, lambda path: load_mask(path, rotated))
    if raw is None:
        return PairContent(image, None, tuple(issues))
    if image and raw.shape[:2] != image[0]:
        issues.append(size_issue(pair, raw.shape[:2], image[0]))
    if raw.ndim == 3:
        colors = classes.file_colors if classes else {}
        source = classes.source if classes else "classes.json"
        raw = attempt(
            "colors", pair.mask, lambda path: colors_to_ids(raw, path, colors, source)
        )
    if raw is None:
        return PairContent(image, None, tuple(issues))
    found = count_ids(raw)
    issues += smoothing_issues(pair, raw, found)
    if classes is None:
        return PairContent(image, raw, tuple(issues), found)
    ids = classes.table[raw]
    if ids.min(initial=0) == INVALID:
        issues.append(id_issue(pair, raw, ids == INVALID, classes))
    return PairContent(image, ids, tuple(issues), found)


def size_issue(
    pair: Pair, size: tuple[int, int], expected: tuple[int, int]
) -> FileIssue:
    error = (
        f"{pair.mask}: the mask is {format_size(size)}, but its image is "
        f"{format_size(expected)}; export the mask at the image's size"
    )
    detail = f"{format_size(size)}, its image {format_size(expected)}"
    return FileIssue("sizes", pair.split, str(pair.mask), detail, error)


def smoothing_issues(
    pair: Pair, raw: np.ndarray, counts: np.ndarray
) -> list[FileIssue]:
    """An issue if the edges of a mask were smoothed; it may be a class for borders."""
    found = find_smoothing(raw) if np.count_nonzero(counts) > 2 else None
    if found is None:
        return []
    error = f"{pair.mask}: {found}" if found.certain else ""
    kind = "values" if found.certain else "thin"
    return [FileIssue(kind, pair.split, str(pair.mask), str(found), error)]


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
    return PairFacts(size, grey, content.counts)


def value_issues(
    masks: Sequence[tuple[Pair, np.ndarray]], classes: Optional[Classes]
) -> list[FileIssue]:
    """The issues of masks whose values contradict those of the others.

    `masks` are pairs with the pixels (256,) of each id in the file of the mask.
    """
    splits = {pair.mask: pair.split for pair, _ in masks}
    found = wrong_values(
        [MaskValues(pair.mask, counts) for pair, counts in masks],
        len(classes.names) if classes else 0,
        classes is not None and classes.void_given,
    )
    return [
        FileIssue("values", splits[path], str(path), text, f"{path}: {text}")
        for path, text in found
    ]


def raise_first_error(issues: Sequence[FileIssue]) -> None:
    """Raises InputError for the first issue that prevents training, if there is one."""
    for issue in issues:
        if issue.error:
            raise InputError(issue.error)
