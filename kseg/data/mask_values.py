"""Values of masks that cannot be ids: found by comparing all masks of a folder.

Masks of one object are often saved as 0 and 255. Smoothing, JPEG and drawing tools add
values between them, which would become classes; and where other masks have 1 for the
object, 255 would become void.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, Optional, Sequence

import numpy as np

from edge.core.constants import IGNORE_INDEX

LARGE = 1 << 24  # pixels; of larger masks a part is searched for smoothing
CHUNK = 1 << 20  # pixels that are counted at a time, to save memory
WHITE = IGNORE_INDEX  # of masks of one object; void in masks of ids
FEW_SHADES = 4  # between 0 and 255; smoothing makes more
HANDFUL = 1e-3  # of the pixels
SHADE = 64  # ids of classes are smaller than shades of grey
SMALL_IDS = slice(1, 16)  # that numbered classes have, and shades lack
SMOOTHED = 0.12  # of the pixels at edges are between their neighbours
FEW_PIXELS = 20  # of an id in all masks, at most, for it to be a slip
FEW_EDGES = 50  # pixels, from which nothing follows
DOMINANT = 0.75  # of the pixels are 0 or 255 in masks of one object


class MaskValues(NamedTuple):
    """A mask file and the number of pixels (256,) of each id in it."""

    path: Path
    counts: np.ndarray


def count_ids(ids: np.ndarray, least: int = 0) -> np.ndarray:
    """(256,) int64: how often each of 0 to 255 occurs; `ids` may be `least` or more.

    >>> count_ids(np.array([[-1, 1], [1, 255]]), least=-1)[[0, 1, 255]].tolist()
    [0, 2, 1]
    """
    flat, total = ids.reshape(-1), np.zeros(256 - least, np.int64)
    for start in range(0, flat.size, CHUNK):
        part = flat[start : start + CHUNK]
        part = part.astype(np.int64) - least if least else part
        total += np.bincount(part, minlength=256 - least)
    return total[-256:]


def wrong_values(
    masks: Sequence[MaskValues], declared: int = 0, void_given: bool = False
) -> list[tuple[Path, str]]:
    """The masks whose values contradict the others, with the reason and the remedy.

    `declared` is the number of classes in classes.json, 0 without one; `void_given`
    says whether it names the id of void.
    """
    if not masks or void_given:
        return []
    counts = np.array([mask.counts for mask in masks])
    between = np.flatnonzero(counts[:, 1:WHITE].any(0)) + 1
    of_one = (counts[:, 0] > 0) & (counts[:, WHITE] > 0)
    of_one &= ~counts[:, 1:WHITE].any(1)  # 0 and 255 alone
    if of_one.any() and set(between.tolist()) <= {1}:
        several = declared > 2 and between.size  # then 255 is likely to be void
        return [] if several else one_or_white(masks, counts, of_one, declared > 0)
    if declared or not between.size:
        return []
    total = counts.sum(0)
    extremes = (total[0] + total[WHITE]) / max(1, total.sum())
    share = total[between].sum() / max(1, total.sum())
    smooth = extremes >= DOMINANT and between.max() >= 2 * SHADE
    smooth &= total[WHITE] >= total[between].max()
    in_most = counts[:, 1:WHITE].any(1).mean() > 0.5
    if smooth and in_most and share >= HANDFUL and len(between) <= FEW_SHADES:
        return [shades(masks, total)]
    if smooth or of_one.any() and share < HANDFUL:
        return [
            (mask.path, stray_text(mask, of_one.any()))
            for mask in masks
            if mask.counts[1:WHITE].any()
        ]
    if between.max() >= SHADE and not total[SMALL_IDS].any():
        return [shades(masks, total)]
    return []


def lonely_ids(masks: Sequence[MaskValues]) -> list[tuple[Path, str]]:
    """Ids in a few pixels, far above all others: slips, or objects that are rare.

    The masks have no `wrong_values`, and no classes are declared: the ids are classes.
    """
    total = np.sum([mask.counts for mask in masks], axis=0, initial=0)
    total = np.broadcast_to(total, 256)  # also that of no masks
    used = np.flatnonzero(total[:WHITE])
    rare = total[used] <= max(FEW_PIXELS, total.sum() * 1e-5)
    common = used[~rare]
    if not common.size or common[-1] >= 2 * len(common):  # they have gaps themselves
        return []
    lonely = used[rare & (used >= 2 * common[-1] + 4)]
    found = []
    for mask in masks:
        for number in lonely[mask.counts[lonely] > 0].tolist():
            text = (
                f"id {number} in {mask.counts[number]} pixels, the other ids are "
                f"{common[0]} to {common[-1]}, and the classes go up to {number}; if "
                "it is a slip, correct the mask"
            )
            found.append((mask.path, text))
    return found


def one_or_white(
    masks: Sequence[MaskValues], counts: np.ndarray, of_one: np.ndarray, declared: bool
) -> list[tuple[Path, str]]:
    """Masks of 0 and 255 beside masks of 0 and 1: what is 255?

    It is void if a mask has both for more than a slip: an object and its border.
    """
    ones = counts[:, 1] > 0
    if ((counts[:, 1] > FEW_PIXELS) & (counts[:, WHITE] > 0)).any():
        return []
    if not ones.any():
        if not declared:
            return []
        text = (
            "holds only 0 and 255, but in classes.json the object is 1; save it as 1, "
            'or add "ignore_index": 255 to classes.json if 255 is void'
        )
        return [(masks[int(np.argmax(of_one))].path, text)]
    fewer, others = (of_one, ones) if of_one.sum() <= ones.sum() else (ones, of_one)
    blamed, other = (masks[int(np.argmax(group))] for group in (fewer, others))
    mark = WHITE if fewer is of_one else 1
    text = (
        f"has {mark} in {blamed.counts[mark]} pixels, but {other.path.name} marks the "
        f"object with {1 + WHITE - mark}; save all masks with 1 for the object, or "
        'declare classes and "ignore_index": 255 in classes.json if 255 is void'
    )
    return [(blamed.path, text)]


def stray_text(mask: MaskValues, others: bool) -> str:
    """Why a mask that should be of 0 and 255 is not."""
    values = np.flatnonzero(mask.counts[1:WHITE]) + 1
    shown = ", ".join(map(str, values[:4].tolist())) + ", ..." * (len(values) > 4)
    pixels = int(mask.counts[values].sum())
    first = "the other masks hold only" if others else "most pixels are"
    return (
        f"{len(values)} {'value' if len(values) == 1 else 'values'} between 0 and 255 "
        f"({shown}) in {pixels} pixels, but {first} 0 and 255; such values come from "
        "smoothed edges: export the mask without smoothing, or declare its classes in "
        "classes.json"
    )


def shades(masks: Sequence[MaskValues], total: np.ndarray) -> tuple[Path, str]:
    """The first mask of a folder that has shades of grey instead of ids."""
    values = np.flatnonzero(total)
    shown = ", ".join(map(str, values[:8].tolist())) + ", ..." * (len(values) > 8)
    first = next(mask for mask in masks if mask.counts[SHADE:WHITE].any())
    text = (
        f"the masks have the values {shown}, which are shades, not ids; number the "
        "classes 0, 1, 2 and so on, or save the masks as RGB with the colours of "
        "classes.json"
    )
    return first.path, text


class Smoothing(NamedTuple):
    """Edges of a mask (H, W) that were smoothed.

    `share` of the pixels at edges have an id between those of their two neighbours;
    there are `values` such ids. (`row`, `column`) is the first, `ids` are the three.
    """

    share: float
    values: int
    row: int
    column: int
    ids: tuple[int, int, int]

    @property
    def certain(self) -> bool:
        """Whether it cannot be a class for borders, one pixel wide."""
        return self.values >= 3

    def __str__(self) -> str:
        low, id_, high = self.ids
        found = (
            f"{self.share:.0%} of the pixels at edges have an id between their "
            f"neighbours', such as {id_} between {low} and {high} at row {self.row}, "
            f"column {self.column}"
        )
        remedy = "export it without smoothing, and resize masks with nearest"
        if self.certain:
            return f"{found}: the mask was smoothed or resized; {remedy}"
        return f"smoothed, resized or thin classes: {found}; if smoothed, {remedy}"


def find_smoothing(ids: np.ndarray) -> Optional[Smoothing]:
    """Looks for edges that run through the ids between two classes; None if few do.

    `ids` (H, W) are those of the file. In CamVid's masks 2% of the pixels at edges lie
    between their neighbours at most, and 20% or more after resizing or a slight blur.
    In ids without an order, such as random ones, as many lie above or below both.
    """
    # The middle rows of a large mask are enough, and save memory.
    top = max(0, len(ids) - LARGE // max(1, ids.shape[1])) // 2
    ids = ids[top : len(ids) - top]
    edges = between = 0
    found, places = np.zeros(256, bool), []
    for turned in (False, True):
        array = np.ascontiguousarray(ids.T) if turned else ids
        left, middle, right = array[:, :-2], array[:, 1:-1], array[:, 2:]
        inside = (left < middle) & (middle < right) | (left > middle) & (middle > right)
        edges += np.count_nonzero(middle != right)
        count = np.count_nonzero(inside)
        between += count
        if count:
            found[middle[inside]] = True
            row, column = np.unravel_index(int(inside.argmax()), inside.shape)
            triple = tuple(sorted(array[row, column : column + 3].tolist()))
            place = (int(row), int(column) + 1)
            places.append((*(place[::-1] if turned else place), triple))
    if between <= FEW_EDGES or between < SMOOTHED * edges or between < extremes(ids):
        return None
    row, column, triple = places[0]
    return Smoothing(between / edges, int(found.sum()), top + row, column, triple)


def extremes(ids: np.ndarray) -> int:
    """How often an id is above or below both its neighbours, in rows and columns.

    >>> extremes(np.array([[0, 2, 1], [0, 1, 2]], np.uint8))
    1
    """
    count = 0
    for array in (ids, ids.T):
        left, middle, right = array[:, :-2], array[:, 1:-1], array[:, 2:]
        above, below = np.maximum(left, right), np.minimum(left, right)
        count += int(np.count_nonzero((middle > above) | (middle < below)))
    return count
