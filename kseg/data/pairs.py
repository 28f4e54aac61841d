"""Pairs of image and mask files: reading them and finding their issues."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Mapping, NamedTuple, Optional, Sequence

import numpy as np

from edge.core.constants import IGNORE_INDEX
from edge.core.errors import InputError
from edge.core.images import format_size
from kseg.data.mask_files import read_palette
from kseg.data.mask_values import (
    MaskValues,
    count_ids,
    find_smoothing,
    lonely_ids,
    wrong_values,
)
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
    """One issue of one file. `kind` is a key of `issues.FILE_ISSUES`.

    `detail` describes it, and may be empty. `error` is the message that training stops
    with; empty if the issue does not prevent training.
    """

    kind: str
    split: str
    name: str
    detail: str = ""
    error: str = ""


# Id in a file -> the RGB colour that it has in the file's palette.
REORDERED = (
    "a palette was put into another order; save the masks as RGB, or as grey ids"
)
Palette = dict[int, tuple[int, ...]]
COLORED, GREY = "colored", "grey"  # forms of RGB masks


@dataclass(frozen=True)
class PairContent:
    """The content of a pair.

    `image` is the result of `read_facts` of `inspect_pair`, None if it failed. `ids`
    (H, W) are class ids, INVALID where they are outside the classes; without classes,
    the ids of the file; None if the mask cannot be read. `counts` (256,) are the pixels
    of each id of the file, `palette` the colours of these ids if it has a palette.
    `form` is that of `form_of`.
    """

    image: Any
    ids: Optional[np.ndarray]
    issues: tuple[FileIssue, ...]
    counts: Optional[np.ndarray] = None
    palette: Palette = field(default_factory=dict)
    form: str = ""


@dataclass(frozen=True)
class PairFacts:
    """Facts about a valid pair: its upright size, and whether its image is grey.

    `counts` (256,) are the pixels of each id in the file of its mask, `form` is that of
    `form_of`.
    """

    size: tuple[int, int]
    grey: bool
    counts: np.ndarray
    palette: Palette
    form: str = ""


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
    form = ""
    if raw.ndim == 3:
        colors = classes.file_colors if classes else {}
        source = classes.source if classes else "classes.json"
        form = form_of(raw, colors)
        raw = attempt(
            "colors", pair.mask, lambda path: colors_to_ids(raw, path, colors, source)
        )
    if raw is None:
        return PairContent(image, None, tuple(issues))
    found = count_ids(raw)
    issues += smoothing_issues(pair, raw, found)
    palette = used_palette(pair.mask, found)
    issues += palette_issues(pair, palette, classes)
    if classes is None:
        return PairContent(image, raw, tuple(issues), found, palette, form)
    ids = classes.table[raw]
    if ids.min(initial=0) == INVALID:
        issues.append(id_issue(pair, raw, ids == INVALID, classes))
    return PairContent(image, ids, tuple(issues), found, palette, form)


def size_issue(
    pair: Pair, size: tuple[int, int], expected: tuple[int, int]
) -> FileIssue:
    error = (
        f"{pair.mask}: the mask is {format_size(size)}, but its image is "
        f"{format_size(expected)}; export the mask at the image's size"
    )
    detail = f"{format_size(size)}, its image {format_size(expected)}"
    return FileIssue("sizes", pair.split, str(pair.mask), detail, error)


def used_palette(path: Path, counts: np.ndarray) -> Palette:
    """The colours of the ids in a mask with a palette; none for another mask.

    Without void, and without colours that the palette has more than once: it may be
    filled up with them.
    """
    array = read_palette(path)
    if array is None:
        return {}
    colors = [tuple(color) for color in array.tolist()]
    numbers = Counter(colors)
    used = np.flatnonzero(counts[: min(len(colors), IGNORE_INDEX)]).tolist()
    return {index: colors[index] for index in used if numbers[colors[index]] == 1}


def palette_issues(
    pair: Pair, palette: Palette, classes: Optional[Classes]
) -> list[FileIssue]:
    """An issue if the colours of a palette are those of classes, but of other ones.

    Programs that make files smaller put the colours of a palette into another order.
    One colour that is not listed, such as that of void, is no proof of another palette
    if two or more are those of other classes.
    """
    known = classes.file_colors if classes else {}
    listed = {index: color for index, color in palette.items() if color in known}
    moved = [index for index, color in listed.items() if known[color] != index]
    if len(listed) < len(palette) and len(moved) < 2:
        return []
    for index, color in listed.items():
        if known[color] != index:
            text = (
                f"id {index} has the colour {list(color)} in the palette, which is "
                f"that of id {known[color]} in {classes.source}: {REORDERED}"
            )
            error = f"{pair.mask}: {text}"
            return [FileIssue("values", pair.split, str(pair.mask), text, error)]
    return []


def reordered(masks: Sequence[tuple[Path, Palette]]) -> list[tuple[Path, str]]:
    """The first mask whose palette has a colour at another id than one before it."""
    seen: dict[tuple[int, ...], tuple[int, Path]] = {}
    for path, palette in masks:
        for index, color in palette.items():
            other, first = seen.setdefault(color, (index, path))
            if other != index:
                text = (
                    f"id {index} has the colour {list(color)} in the palette, which is "
                    f"that of id {other} in {first.name}: {REORDERED}"
                )
                return [(path, text)]
    return []


def form_of(raw: np.ndarray, colors: Mapping[tuple[int, int, int], int]) -> str:
    """How an RGB mask (H, W, 3) is read: COLORED by colours, else GREY, as ids.

    Empty for a mask of which all grey values are listed colours.
    """
    if not (raw == raw[..., :1]).all():
        return COLORED
    values = np.unique(raw[..., 0]).tolist()
    return "" if all((v, v, v) in colors for v in values) else GREY


def form_issues(masks: Sequence[tuple[Pair, str]]) -> list[FileIssue]:
    """The first RGB mask that is read as ids although another is read by its colours.

    `masks` are pairs with the `form_of` their masks. A frame without any label is often
    black, and would be all of class 0.
    """
    firsts: dict[str, Pair] = {}
    for pair, form in masks:
        firsts.setdefault(form, pair)
    if not {COLORED, GREY} <= firsts.keys():
        return []
    pair, other = firsts[GREY], firsts[COLORED].mask
    text = (
        f"is RGB and has a grey that is no colour of classes.json, but {other.name} "
        "has colours: list the colour there, or correct the mask"
    )
    error = f"{pair.mask}: {text}"
    return [FileIssue("colors", pair.split, str(pair.mask), text, error)]


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
    return PairFacts(size, grey, content.counts, content.palette, content.form)


def value_issues(
    masks: Sequence[tuple[Pair, np.ndarray, Palette]], classes: Optional[Classes]
) -> list[FileIssue]:
    """The issues of masks whose values contradict those of the others.

    `masks` are pairs with the pixels (256,) of each id in the file of the mask, and the
    colours of its palette.
    """
    splits = {pair.mask: pair.split for pair, *_ in masks}
    values = [MaskValues(pair.mask, counts) for pair, counts, _ in masks]
    found = wrong_values(
        values,
        len(classes.names) if classes else 0,
        classes is not None and classes.void_given,
    )
    lonely = lonely_ids(values) if not found and not classes else []
    found += reordered([(pair.mask, palette) for pair, _, palette in masks])
    wrong = [
        FileIssue("values", splits[path], str(path), text, f"{path}: {text}")
        for path, text in found
    ]
    return wrong + [
        FileIssue("lonely id", splits[path], str(path), text) for path, text in lonely
    ]


def raise_first_error(issues: Sequence[FileIssue]) -> None:
    """Raises InputError for the first issue that prevents training, if there is one."""
    for issue in issues:
        if issue.error:
            raise InputError(issue.error)
