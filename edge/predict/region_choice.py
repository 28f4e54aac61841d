"""Which boxes a network of regions keeps, in NumPy: proposals, then objects.

The arithmetic and the order are those of kseg.models.detection.region_layers, of which
exported files have only the parts before and after. Boxes are x0, y0, x1, y1 in pixels
of the input.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, List, Mapping, NamedTuple, Sequence, Tuple

import numpy as np

from edge.core.errors import InputError
from edge.predict.boxes import Size, grid_sizes, nms, padded_to
from edge.predict.decoder import (
    COUNT,
    SHARE,
    Rules,
    is_factor,
    is_list,
    is_rising,
    settings_in,
)
from edge.predict.proposals import softmax
from edge.predict.region_anchors import region_anchors
from edge.predict.region_boxes import WEIGHTS, decode_moves

LEAST_SIDE = 1e-3  # pixels of a box
ANCHOR_WEIGHTS = (1.0, 1.0, 1.0, 1.0)


class Boxes(NamedTuple):
    """Boxes (N, 4) float32, scores (N,) float32 in [0, 1], class ids (N,) int32."""

    boxes: np.ndarray
    scores: np.ndarray
    class_ids: np.ndarray


@dataclass(frozen=True)
class RegionSettings:
    """The numbers of `proposals` and `objects`, as a file's decoder has them.

    `strides` are those of all levels. Of each level the `before` best proposals are
    compared, those that overlap a better one by more than `proposal_nms` are left out,
    and the `after` best of the image remain. Classes with a probability over `least`
    are candidates; of the best `candidates`, those that overlap a better one of their
    class by more than `object_nms` are left out, and the best `count` remain.
    """

    strides: Tuple[int, ...]
    anchor_scale: float
    ratios: Tuple[float, ...]
    before: int
    after: int
    proposal_nms: float
    candidates: int = 1000
    least: float = 0.05
    object_nms: float = 0.5
    count: int = 100


RULES: Rules = {
    "strides": (is_rising, "a list of rising integers of at least 1"),
    "anchor_scale": (is_factor, "a number over 0"),
    "ratios": (lambda x: is_list(x, (int, float)), "a list of numbers over 0"),
    **dict.fromkeys(("before", "after", "candidates", "count"), COUNT),
    **dict.fromkeys(("proposal_nms", "least", "object_nms"), SHARE),
}


def settings_of(decoder: Mapping[str, Any]) -> RegionSettings:
    """The settings in a decoder. Raises InputError for a missing or invalid value."""
    return settings_in(RegionSettings, decoder, RULES)


def proposals(
    objectness: np.ndarray,
    deltas: np.ndarray,
    size: Size,
    multiple: int,
    settings: RegionSettings,
) -> Boxes:
    """The proposals of an input of `size`, best first: logits (A,), moves (A, 4).

    The network pads its input to a multiple of `multiple`. Raises InputError for
    outputs that do not fit the input, or are not numbers.
    """
    padded, ratios = padded_to(size, multiple), settings.ratios
    anchors = region_anchors(padded, settings.strides, settings.anchor_scale, ratios)
    check_rows("objectness", objectness, (len(anchors),))
    check_rows("deltas", deltas, (len(anchors), 4))
    found, values, first = [], [], 0
    for rows, columns in grid_sizes(padded, settings.strides):
        last = first + rows * columns * len(ratios)
        scores = objectness[first:last]
        order = np.argsort(-scores, kind="stable")[: settings.before]
        scores, order = scores[order], order + first
        boxes = moved(deltas[order], anchors[order], ANCHOR_WEIGHTS, size)
        kept = np.flatnonzero(large(boxes))
        kept = kept[suppressed(boxes[kept], scores[kept], settings)]
        found.append(boxes[kept])
        values.append(scores[kept])
        first = last
    boxes, scores = np.concatenate(found), np.concatenate(values)
    best = np.argsort(-scores, kind="stable")[: settings.after]
    probabilities = 1 / (1 + np.exp(-scores[best].astype(np.float64)))
    ids = np.zeros(len(best), np.int32)
    return Boxes(boxes[best], np.float32(probabilities), ids)


def suppressed(
    boxes: np.ndarray, scores: np.ndarray, settings: RegionSettings
) -> np.ndarray:
    """The proposals of a level that remain: indices, best first."""
    limit = min(settings.before, settings.after)
    ids = np.zeros(len(boxes), np.int32)
    return nms(boxes, scores, ids, settings.proposal_nms, limit)


def objects(
    logits: np.ndarray,
    deltas: np.ndarray,
    regions: np.ndarray,
    size: Size,
    settings: RegionSettings,
) -> Boxes:
    """The objects among regions (N, 4) of an input of `size`, best first.

    `logits` (N, C + 1) and `deltas` (N, 4 (C + 1)) are of the background and the
    classes. Raises InputError for outputs that do not fit, or are not numbers.
    """
    number, classes = logits.shape
    check_rows("class_logits", logits, (len(regions), classes))
    check_rows("box_deltas", deltas, (len(regions), 4 * classes))
    values = softmax(logits)[:, 1:]
    rows, ids = np.nonzero(values > settings.least)
    order = np.argsort(-values[rows, ids], kind="stable")[: settings.candidates]
    rows, ids = rows[order], ids[order]
    moves = deltas.reshape(number, classes, 4)[rows, ids + 1]
    boxes = moved(moves, regions[rows], WEIGHTS, size)
    kept = np.flatnonzero(large(boxes))
    found = Boxes(boxes[kept], values[rows, ids][kept], ids[kept].astype(np.int32))
    kept = nms(*found, settings.object_nms, settings.count)
    return Boxes(*(each[kept] for each in found))


def moved(
    moves: np.ndarray, boxes: np.ndarray, weights: Sequence[float], size: Size
) -> np.ndarray:
    """Boxes (N, 4) moved by (N, 4), limited to the input."""
    result = decode_moves(moves[:, None], boxes, weights)[:, 0]
    height, width = size
    return np.clip(result, 0, np.float32([width, height, width, height]))


def large(boxes: np.ndarray) -> np.ndarray:
    """(N,) bool: whether both sides have LEAST_SIDE pixels."""
    return (boxes[:, 2:] - boxes[:, :2] >= LEAST_SIDE).all(axis=1)


def check_rows(name: str, values: np.ndarray, shape: Tuple[int, ...]) -> None:
    """Raises InputError for an output of another shape, or that is not finite."""
    if values.shape != shape:
        raise InputError(
            f"output {name} is {list(values.shape)}, and {list(shape)} is expected; is "
            "the decoder that of this model?"
        )
    wrong = int(np.count_nonzero(~np.isfinite(values)))
    if wrong:
        raise InputError(
            f"output {name} has {wrong} of {values.size} values that are not numbers; "
            "the model is damaged"
        )


def in_chunks(values: Sequence[np.ndarray], count: int) -> List[List[np.ndarray]]:
    """Arrays of N rows, cut into parts of `count` rows; the last ends in zeros.

    >>> in_chunks([np.arange(1, 4)], 2)
    [[array([1, 2])], [array([3, 0])]]
    """
    chunks = []
    for first in range(0, len(values[0]), count):
        rows = [each[first : first + count] for each in values]
        missing = count - len(rows[0])
        chunks.append([padded_with_zeros(each, missing) for each in rows])
    return chunks


def padded_with_zeros(rows: np.ndarray, missing: int) -> np.ndarray:
    """(N, ...) -> (N + missing, ...)."""
    return np.pad(rows, [(0, missing)] + [(0, 0)] * (rows.ndim - 1))
