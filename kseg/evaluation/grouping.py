"""Classical segmentation: groups similar pixels, without labels and training.

scikit-image makes small groups of similar pixels. Here neighbouring groups are merged,
weakest border first, until the requested number of segments is left. Segments have no
class names: `label_by_majority` takes them from a ground truth mask.
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

PREFIX = "grouping"  # the argument MODEL of a command may be grouping:KIND
DEFAULT_SEGMENTS = 100
MAX_SEGMENTS = 254  # ids are uint8, 255 is void
OVERSEGMENTATION = 4  # initial groups per segment; 8 gave no better borders on CamVid
COMPACTNESS = 0.1  # weight of distance in SLIC, relative to the range of the features


# --- four kinds of similarity ---


def intensity(image: np.ndarray, segments: int) -> np.ndarray:
    """Groups pixels of similar grey: (H, W, 3) uint8 -> ids (H, W) uint8.

    Gives at most `segments` segments.

    Reference: Achanta et al., "SLIC Superpixels Compared to State-of-the-Art Superpixel
    Methods" (PAMI 2012).
    """
    grey = smooth(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))[..., None]
    return merge_groups(superpixels(grey, segments), grey, segments)


def color(image: np.ndarray, segments: int) -> np.ndarray:
    """Groups pixels of similar colour, like `intensity`: SLIC in CIELAB."""
    from skimage.color import rgb2lab

    lab = rgb2lab(smooth(image))
    return merge_groups(superpixels(lab, segments), lab, segments)


def texture(image: np.ndarray, segments: int) -> np.ndarray:
    """Groups pixels of similar texture, like `intensity`: SLIC on `texture_energy`."""
    energy = texture_energy(image)
    return merge_groups(superpixels(energy, segments), energy, segments)


def edges(image: np.ndarray, segments: int) -> np.ndarray:
    """Finds segments between edges: watershed of the gradient, seeded on a grid.

    Arguments and result as in `intensity`.

    Reference: Meyer and Beucher, "Morphological Segmentation" (JVCIR 1990).
    """
    from skimage.segmentation import watershed

    pixels = smooth(image)
    groups = watershed(gradient(pixels), OVERSEGMENTATION * segments)
    return merge_groups(groups, pixels, segments)


GROUPINGS: dict[str, Callable[[np.ndarray, int], np.ndarray]] = {
    "color": color,
    "edges": edges,
    "intensity": intensity,
    "texture": texture,
}


def smooth(image: np.ndarray) -> np.ndarray:
    """Reduces sensor noise: (H, W[, 3]) uint8 -> float32 in [0, 1] of that shape."""
    return cv2.GaussianBlur(image.astype(np.float32) / 255, (0, 0), 1)


def texture_energy(image: np.ndarray) -> np.ndarray:
    """Measures texture at four scales: (H, W, 3) uint8 -> (H, W, 8) float32.

    The features are the Hessian eigenvalues of the grey image. Their absolute values
    are averaged locally, because a texture alternates in sign, and their logarithm is
    taken, because contrast is a ratio; values under 1 % of white count as equal. Each
    of the 8 planes has mean 0 and standard deviation 1.
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
    """Runs SLIC: features (H, W, F) float32 -> group ids (H, W).

    Gives about OVERSEGMENTATION * `segments` groups.
    """
    from skimage.segmentation import slic

    # SLIC divides by the common range of all planes, so each starts at 0.
    features = features - features.min((0, 1))
    return slic(
        features,
        OVERSEGMENTATION * segments,
        COMPACTNESS,
        start_label=0,
        convert2lab=False,
    )


# --- merging of small groups ---


def gradient(features: np.ndarray) -> np.ndarray:
    """Magnitude of the gradient: features (H, W, F) float32 -> (H, W) float32, >= 0."""
    steps = [cv2.Sobel(features, cv2.CV_32F, *axis) for axis in ((1, 0), (0, 1))]
    squares = sum(np.atleast_3d(step) ** 2 for step in steps)
    return np.sqrt(squares.sum(2))


def merge_groups(groups: np.ndarray, features: np.ndarray, segments: int) -> np.ndarray:
    """Merges neighbouring groups, lowest cost first, until `segments` are left.

    groups (H, W) ids, features (H, W, F) float32 -> (H, W) uint8, ids from 0 up.
    """
    names, groups = np.unique(groups, return_inverse=True)
    groups, count = groups.reshape(features.shape[:2]), len(names)
    area = np.bincount(groups.ravel()).astype(np.float32)
    length, total = measure_borders(groups, gradient(features), count)
    cost = np.stack([merge_costs(i, area, length, total) for i in range(count)])
    merged = np.arange(count)
    for _ in range(count - segments):
        first, second = divmod(int(cost.argmin()), count)
        merged[merged == second] = first
        area[first] += area[second]
        add_group(length, first, second)
        add_group(total, first, second)
        cost[first] = cost[:, first] = merge_costs(first, area, length, total)
        cost[second] = cost[:, second] = np.inf
    return np.unique(merged, return_inverse=True)[1].astype(np.uint8)[groups]


def measure_borders(
    groups: np.ndarray, strength: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Measures the border of each two groups: its length, and its total strength.

    groups (H, W) ids, strength (H, W) float32 -> length in pixels and sum of strength,
    (count, count) float32 each, symmetric.
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


def merge_costs(
    index: int, area: np.ndarray, length: np.ndarray, total: np.ndarray
) -> np.ndarray:
    """Cost of merging group `index` with each other group, (count,) float32.

    The mean strength of their common border times sqrt(a b / (a + b)), where a and b
    are the areas, as in Ward's method: small groups are merged first, large groups stay
    separate. Infinite for groups that do not touch.

    Reference: Ward, "Hierarchical Grouping to Optimize an Objective Function" (JASA
    1963).
    """
    touching = length[index] > 0
    strength = total[index] / np.where(touching, length[index], 1)
    weight = np.sqrt(area * area[index] / (area + area[index]))
    return np.where(touching, strength * weight, np.inf)


def add_group(matrix: np.ndarray, first: int, second: int) -> None:
    """Adds row and column `second` of a symmetric matrix to `first`, in place."""
    matrix[first] += matrix[second]
    matrix[:, first] += matrix[:, second]
    matrix[second] = matrix[:, second] = matrix[first, first] = 0


# --- classes from a ground truth ---


def label_by_majority(
    segments: np.ndarray,
    mask: np.ndarray,
    num_classes: int,
    ignore_index: int = IGNORE_INDEX,
) -> np.ndarray:
    """Labels segments by majority: ids and mask, (H, W) each -> classes (H, W) uint8.

    A segment gets the class of most of its labelled pixels. The lower class wins a tie;
    a segment without labelled pixels gets `ignore_index`. No other assignment of
    classes to the segments agrees with the mask in more pixels. Raises ValueError if
    the shapes differ or the mask has ids outside the classes.

    >>> segments = np.array([[0, 0, 0, 1, 2]])
    >>> label_by_majority(segments, np.array([[3, 1, 1, 255, 0]]), 4).tolist()
    [[1, 1, 1, 255, 0]]
    """
    if segments.shape != mask.shape:
        raise ValueError(
            f"segments {segments.shape} and mask {mask.shape} differ in shape"
        )
    labelled = mask != ignore_index
    target = mask[labelled].astype(np.int64)
    if target.size and not 0 <= target.min() <= target.max() < num_classes:
        raise ValueError(f"mask has ids outside the {num_classes} classes")
    count = int(segments.max()) + 1
    cell = segments[labelled].astype(np.int64) * num_classes + target
    votes = np.bincount(cell, minlength=count * num_classes).reshape(count, num_classes)
    classes = np.where(votes.any(1), votes.argmax(1), ignore_index)
    return classes.astype(np.uint8)[segments]


def draw_borders(image: np.ndarray, segments: np.ndarray) -> np.ndarray:
    """Draws a thin white line around each segment.

    image (H, W, 3) uint8, segments (H, W) ids -> a new image (H, W, 3) uint8.
    """
    inside = np.ones(segments.shape, bool)
    inside[1:] &= segments[1:] == segments[:-1]
    inside[:, 1:] &= segments[:, 1:] == segments[:, :-1]
    return np.where(inside[..., None], image, 255).astype(np.uint8)


# --- the engine and predictor of the commands ---


class GroupingEngine:
    """Runs a grouping: `engine(image)` gives segment ids (an `Engine`)."""

    size: Optional[tuple[int, int]] = None
    channels = 3
    threads: Optional[int] = None
    accelerator = ""
    share: Optional[float] = None
    first_millis: Optional[float] = None
    input = TensorSpec("image", (1, -1, -1, 3), np.dtype(np.uint8))
    outputs = (TensorSpec("labels", (1, -1, -1), np.dtype(np.uint8)),)

    def __init__(self, kind: str, segments: int = DEFAULT_SEGMENTS):
        self.name = f"{PREFIX}:{kind}"
        self.segments, self._group = segments, GROUPINGS[kind]

    def blank(self) -> np.ndarray:
        """Returns an image (h, w, 3) uint8 of zeros. Any size is accepted."""
        return np.zeros((64, 64, 3), np.uint8)

    def __call__(self, image: np.ndarray) -> tuple[Output, ...]:
        return (Output(self._group(image, self.segments), self.outputs[0]),)


def is_grouping(model: str, segments: Optional[int] = None) -> bool:
    """Whether the argument MODEL of a command is grouping:KIND.

    `segments` is the value of --segments. Raises InputError for an unknown kind, for a
    number of segments out of range, and for --segments with another model.
    """
    prefix, _, kind = model.partition(":")
    if prefix != PREFIX or Path(model).exists():
        if segments is not None:
            raise InputError(
                f"--segments: applies to {PREFIX}:KIND only, not to {model}; leave it "
                "out"
            )
        return False
    if kind not in GROUPINGS:
        kinds = ", ".join(f"{PREFIX}:{name}" for name in GROUPINGS)
        raise InputError(f"{model}: unknown kind of grouping; use one of {kinds}")
    if segments is not None and not 2 <= segments <= MAX_SEGMENTS:
        raise InputError(
            f"--segments {segments}: out of range; use 2 to {MAX_SEGMENTS}"
        )
    return True


def open_grouping(model: str, segments: Optional[int] = None) -> SemanticPredictor:
    """Opens grouping:KIND as a predictor with classes `segment 0`, `segment 1`, ..."""
    engine = GroupingEngine(model.partition(":")[2], segments or DEFAULT_SEGMENTS)
    info = ModelInfo(
        class_names=tuple(f"segment {index}" for index in range(engine.segments)),
        colors=palette(engine.segments + 1)[1:],  # without black, which is not drawn
        head="labels",
        geometry=InputGeometry(minimum=2),  # texture needs a neighbouring pixel
    )
    return SemanticPredictor(engine, info)
