"""Grouping by similarity: the classical way, without labels and without training.

A library makes small groups of similar pixels; here neighbours across the weakest
borders are joined until as many segments are left as asked for. Segments have no class
names: `name_by_majority` gives them those of a truth.
"""

from __future__ import annotations

from pathlib import Path
from typing import Callable, Optional

import cv2
import numpy as np

from edge.core.constants import IGNORE_INDEX, palette
from edge.core.errors import InputError
from edge.engines.base import Output, TensorSpec
from edge.model_file.info import InputGeometry, ModelInfo
from edge.predict.semantic import SemanticPredictor

PREFIX = "grouping"  # MODEL of a command line is grouping:KIND
SEGMENTS = 100  # unless told
MOST = 254  # ids are uint8, 255 is void
FINER = 4  # small groups per segment: on CamVid 8 found no better borders
COMPACT = 0.1  # SLIC's weight of nearness, as a share of the features' range

Naming = Callable[[np.ndarray, np.ndarray], np.ndarray]  # labels, mask -> class ids


# --- four kinds of similarity ---


def intensity(image: np.ndarray, segments: int) -> np.ndarray:
    """(H, W, 3) uint8 -> ids (H, W) uint8 of at most `segments` groups of like grey.

    Reference: Achanta et al., "SLIC Superpixels Compared to State-of-the-Art Superpixel
    Methods" (PAMI 2012).
    """
    grey = smooth(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))[..., None]
    return join(superpixels(grey, segments), grey, segments)


def color(image: np.ndarray, segments: int) -> np.ndarray:
    """As `intensity`, of like colour: SLIC in CIELAB, which is what its paper uses."""
    from skimage.color import rgb2lab

    lab = rgb2lab(smooth(image))
    return join(superpixels(lab, segments), lab, segments)


def texture(image: np.ndarray, segments: int) -> np.ndarray:
    """As `intensity`, of like texture: SLIC on `texture_energy`, whatever the grey."""
    energy = texture_energy(image)
    return join(superpixels(energy, segments), energy, segments)


def edges(image: np.ndarray, segments: int) -> np.ndarray:
    """As `intensity`, bounded by edges: watersheds of the gradient, seeded on a grid.

    Reference: Meyer and Beucher, "Morphological Segmentation" (JVCIR 1990).
    """
    from skimage.segmentation import watershed

    pixels = smooth(image)
    return join(watershed(gradient(pixels), FINER * segments), pixels, segments)


GROUPINGS: dict[str, Callable[[np.ndarray, int], np.ndarray]] = {
    "color": color,
    "edges": edges,
    "intensity": intensity,
    "texture": texture,
}


def smooth(image: np.ndarray) -> np.ndarray:
    """(H, W[, 3]) uint8 -> the same as float32 in [0, 1], less the sensor's noise."""
    return cv2.GaussianBlur(image.astype(np.float32) / 255, (0, 0), 1)


def texture_energy(image: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 -> (H, W, 8) float32, each plane of mean 0 and deviation 1.

    How strongly the grey curves at four scales: Hessian eigenvalues, without their sign
    because a texture swings, averaged over its grain, in logarithms down to 1 % of
    white because its contrast counts in ratios.
    """
    from skimage.feature import multiscale_basic_features

    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    curvature = multiscale_basic_features(
        grey, intensity=False, edges=False, sigma_min=0.5, sigma_max=4
    )
    energy = np.log(cv2.GaussianBlur(np.abs(curvature), (0, 0), 2) + 0.01)
    energy -= energy.mean((0, 1))
    return (energy / (energy.std((0, 1)) + 1e-6)).astype(np.float32)


def superpixels(features: np.ndarray, segments: int) -> np.ndarray:
    """(H, W, F) float32 -> SLIC's ids (H, W), about FINER for each of `segments`."""
    from skimage.segmentation import slic

    # SLIC divides by the range from the least to the largest of all planes together.
    features = features - features.min((0, 1))
    return slic(features, FINER * segments, COMPACT, start_label=0, convert2lab=False)


# --- from many small groups to as many as asked ---


def gradient(features: np.ndarray) -> np.ndarray:
    """(H, W, F) float32 -> (H, W) float32: how fast the features change, >= 0."""
    steps = [cv2.Sobel(features, cv2.CV_32F, *axis) for axis in ((1, 0), (0, 1))]
    squares = sum(np.atleast_3d(step) ** 2 for step in steps)
    return np.sqrt(squares.sum(2))


def join(groups: np.ndarray, features: np.ndarray, segments: int) -> np.ndarray:
    """Joins the neighbours with the least between them, until `segments` are left.

    groups (H, W) ids, features (H, W, F) float32 -> (H, W) uint8, ids from 0 on.
    """
    names, groups = np.unique(groups, return_inverse=True)
    groups, count = groups.reshape(features.shape[:2]), len(names)
    area = np.bincount(groups.ravel()).astype(np.float32)
    length, total = borders(groups, gradient(features), count)
    cost = np.stack([costs(i, area, length, total) for i in range(count)])
    owner = np.arange(count)
    for _ in range(count - segments):
        kept, gone = divmod(int(cost.argmin()), count)
        owner[owner == gone] = kept
        area[kept] += area[gone]
        fold(length, kept, gone)
        fold(total, kept, gone)
        cost[kept] = cost[:, kept] = costs(kept, area, length, total)
        cost[gone] = cost[:, gone] = np.inf
    return np.unique(owner, return_inverse=True)[1].astype(np.uint8)[groups]


def borders(
    groups: np.ndarray, strength: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """How many pixels two groups touch along, and the sum of strength there.

    ids (H, W) and float32 (H, W) -> twice (count, count) float32, symmetric.
    """
    length = np.zeros(count * count)
    total = np.zeros(count * count)
    for first, second in (np.s_[1:], np.s_[:-1]), (np.s_[:, 1:], np.s_[:, :-1]):
        apart = groups[first] != groups[second]
        pair = groups[first][apart] * count + groups[second][apart]
        step = np.maximum(strength[first], strength[second])[apart]
        length += np.bincount(pair, minlength=count * count)
        total += np.bincount(pair, step, minlength=count * count)
    square = (m.reshape(count, count).astype(np.float32) for m in (length, total))
    length, total = (m + m.T for m in square)
    return length, total


def costs(
    index: int, area: np.ndarray, length: np.ndarray, total: np.ndarray
) -> np.ndarray:
    """What joining group `index` with each other would cost, (count,) float32.

    The mean strength of their border, weighted by their areas as in Ward's method (the
    root of its a b / (a + b)): specks go first, large groups stay apart. Infinite for
    those that do not touch.

    Reference: Ward, "Hierarchical Grouping to Optimize an Objective Function" (JASA
    1963).
    """
    touching = length[index] > 0
    strength = total[index] / np.where(touching, length[index], 1)
    weight = np.sqrt(area * area[index] / (area + area[index]))
    return np.where(touching, strength * weight, np.inf)


def fold(matrix: np.ndarray, kept: int, gone: int) -> None:
    """Adds row and column `gone` of a symmetric matrix to `kept`, in place."""
    matrix[kept] += matrix[gone]
    matrix[:, kept] += matrix[:, gone]
    matrix[gone] = matrix[:, gone] = matrix[kept, kept] = 0


# --- names from a truth ---


def name_by_majority(
    segments: np.ndarray,
    mask: np.ndarray,
    num_classes: int,
    ignore_index: int = IGNORE_INDEX,
) -> np.ndarray:
    """Segment ids and a truth, (H, W) each -> class ids (H, W) uint8.

    A segment gets the class that most of its labelled pixels have, the lower one of
    equals, and `ignore_index` where it has none. No other naming of the same segments
    agrees with the truth in more pixels. Raises ValueError for shapes that differ and
    for ids outside the classes.

    >>> segments = np.array([[0, 0, 0, 1, 2]])
    >>> name_by_majority(segments, np.array([[3, 1, 1, 255, 0]]), 4).tolist()
    [[1, 1, 1, 255, 0]]
    """
    if segments.shape != mask.shape:
        raise ValueError(f"segments {segments.shape} and mask {mask.shape} differ")
    labelled = mask != ignore_index
    truth = mask[labelled].astype(np.int64)
    if truth.size and not 0 <= truth.min() <= truth.max() < num_classes:
        raise ValueError(f"mask has ids outside the {num_classes} classes")
    count = int(segments.max()) + 1
    cell = segments[labelled].astype(np.int64) * num_classes + truth
    votes = np.bincount(cell, minlength=count * num_classes).reshape(count, num_classes)
    names = np.where(votes.any(1), votes.argmax(1), ignore_index)
    return names.astype(np.uint8)[segments]


def outlined(image: np.ndarray, segments: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 with a thin white line around each segment of (H, W) ids."""
    inside = np.ones(segments.shape, bool)
    inside[1:] &= segments[1:] == segments[:-1]
    inside[:, 1:] &= segments[:, 1:] == segments[:, :-1]
    return np.where(inside[..., None], image, 255).astype(np.uint8)


# --- behind the commands ---


class GroupingEngine:
    """`engine(image)` -> ids of segments: an engine as those of networks are."""

    size: Optional[tuple[int, int]] = None
    channels = 3
    threads: Optional[int] = None
    accelerator = ""
    share: Optional[float] = None
    first_millis: Optional[float] = None
    input = TensorSpec("image", (1, -1, -1, 3), np.dtype(np.uint8))
    outputs = (TensorSpec("labels", (1, -1, -1), np.dtype(np.uint8)),)

    def __init__(self, kind: str, segments: int = SEGMENTS):
        self.name = f"{PREFIX}:{kind}"
        self.segments, self._group = segments, GROUPINGS[kind]

    def blank(self) -> np.ndarray:
        """An image (h, w, 3) uint8 of zeros; any size goes."""
        return np.zeros((64, 64, 3), np.uint8)

    def __call__(self, image: np.ndarray) -> tuple[Output, ...]:
        return (Output(self._group(image, self.segments), self.outputs[0]),)


def is_grouping(model: str, segments: Optional[int] = None) -> bool:
    """Whether MODEL of a command line is grouping:KIND; `segments` its --segments.

    Raises InputError for kinds and numbers of segments that there are not, and for
    --segments of another model.
    """
    prefix, _, kind = model.partition(":")
    if prefix != PREFIX or Path(model).exists():
        if segments is not None:
            raise InputError(f"--segments is for {PREFIX}:KIND, not for {model}")
        return False
    if kind not in GROUPINGS:
        kinds = ", ".join(f"{PREFIX}:{name}" for name in GROUPINGS)
        raise InputError(f"{model}: is no kind of grouping; give one of {kinds}")
    if segments is not None and not 2 <= segments <= MOST:
        raise InputError(f"--segments {segments}: give a number from 2 to {MOST}")
    return True


def open_grouping(model: str, segments: Optional[int] = None) -> SemanticPredictor:
    """grouping:KIND -> a predictor whose classes are `segment 0` and so on."""
    engine = GroupingEngine(model.partition(":")[2], segments or SEGMENTS)
    info = ModelInfo(
        class_names=tuple(f"segment {index}" for index in range(engine.segments)),
        colors=palette(engine.segments + 1)[1:],  # black would be drawn as nothing
        head="labels",
        geometry=InputGeometry(minimum=2),  # texture is a matter of neighbours
    )
    return SemanticPredictor(engine, info)
