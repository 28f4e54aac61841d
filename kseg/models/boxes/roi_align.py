"""RoIAlign: features of a fixed size inside boxes (He et al., Mask R-CNN, ICCV 2017).

Bilinear samples along y and along x are two matrices for each box: the features are
multiplied by both. No operation gathers single values, so that the result also runs on
devices without such an operator. Values are those of torchvision.
"""

from __future__ import annotations

from typing import Any, Optional, Sequence

from keras import ops

SAMPLES = 2  # along each side of an output cell
CHUNK = 100  # boxes of an image that are computed at a time
CANONICAL = 224.0, 4  # side in pixels of a box, and its level: 1 / 2**4 of the image


def level_of(
    boxes: Any, lowest: int, highest: int, canonical: tuple[float, int] = CANONICAL
) -> Any:
    """The level (...) float32 of the pyramid that boxes (..., 4) are computed from.

    It is floor(4 + log2(sqrt(area) / 224)), from `lowest` to `highest`: Lin et al., FPN
    (CVPR 2017), equation 1, with torchvision's 1e-6.
    """
    side, level = canonical
    size = ops.maximum(boxes[..., 2:] - boxes[..., :2], 0.0)
    root = ops.maximum(ops.sqrt(size[..., 0] * size[..., 1]), 1e-9)
    found = ops.floor(level + ops.log2(root / side) + 1e-6)
    return ops.clip(found, lowest, highest)


def interpolation(
    start: Any, length: Any, count: Any, size: int, samples: int = SAMPLES
) -> Any:
    """The matrices (..., size, count) that sample `count` cells of an axis.

    Output p is the mean of `samples` points inside the p-th of `size` parts of the
    interval from `start` (...) on, of `length` (...), in cells. A point is bilinear
    between the two cells next to it; points over one cell outside give 0, other points
    outside the nearest cell.
    """
    points = (ops.arange(size * samples, dtype="float32") + 0.5) / (size * samples)
    points = start[..., None] + points * length[..., None]
    last = ops.cast(count, "float32") - 1
    inside = ops.logical_and(points >= -1, points <= last + 1)
    cells = ops.cast(ops.arange(count), "float32")
    distance = ops.absolute(ops.clip(points, 0.0, last)[..., None] - cells)
    weights = ops.relu(1 - distance) * ops.cast(inside, "float32")[..., None]
    shape = ops.shape(points)[:-1]
    return ops.mean(ops.reshape(weights, (*shape, size, samples, count)), axis=-2)


def roi_align(
    features: Any,
    boxes: Any,
    stride: float,
    size: int,
    samples: int = SAMPLES,
    aligned: bool = False,
    used: Optional[Any] = None,
    chunk: int = CHUNK,
) -> Any:
    """Features (B, H, W, C) inside boxes (B, N, 4): (B, N, size, size, C) float32.

    Boxes are x0, y0, x1, y1 in pixels of the image; features have one cell every
    `stride` pixels. `aligned` takes the centre of a cell where it is, half a cell
    further; without it boxes have sides of at least one cell. Boxes where `used` (B, N)
    is 0 give 0. No gradient reaches the boxes.

    N is known before the network runs. At most `chunk` boxes of an image are computed
    at a time, so that beside the result there are at most B * chunk * size * (H + W *
    (C + 1)) floats: 59 MB for one image of 100 boxes, size 7, 256 channels, 80 columns.
    """
    boxes = ops.stop_gradient(ops.convert_to_tensor(boxes))
    parts = []
    for first in range(0, boxes.shape[1], chunk):
        rows, columns = matrices(
            boxes[:, first : first + chunk],
            ops.shape(features)[1:3],
            stride,
            (size, samples, aligned),
        )
        if used is not None:
            rows = rows * used[:, first : first + chunk, None, None]
        parts.append(multiplied(rows, features, columns))
    return parts[0] if len(parts) == 1 else ops.concatenate(parts, axis=1)


def matrices(
    boxes: Any, grid: tuple[Any, Any], stride: float, how: tuple[int, int, bool]
) -> tuple[Any, Any]:
    """The matrices of boxes (B, N, 4): (B, N, size, H) and (B, N, size, W)."""
    size, samples, aligned = how
    cells = boxes / stride - (0.5 if aligned else 0.0)
    start, length = cells[..., :2], cells[..., 2:] - cells[..., :2]
    if not aligned:
        length = ops.maximum(length, 1.0)
    return (
        interpolation(start[..., 1], length[..., 1], grid[0], size, samples),
        interpolation(start[..., 0], length[..., 0], grid[1], size, samples),
    )


def multiplied(rows: Any, features: Any, columns: Any) -> Any:
    """(B, N, p, H) times (B, H, W, C) times (B, N, q, W) -> (B, N, p, q, C) float32."""
    _, height, width, channels = ops.shape(features)
    count, size = rows.shape[1:3]
    flat = ops.reshape(ops.cast(features, "float32"), (-1, height, width * channels))
    x = ops.matmul(ops.reshape(rows, (-1, count * size, height)), flat)
    x = ops.reshape(x, (-1, count, size, width, channels))
    return ops.matmul(columns[:, :, None], x)


def roi_align_levels(
    levels: Sequence[Any],
    strides: Sequence[int],
    boxes: Any,
    size: int,
    samples: int = SAMPLES,
    aligned: bool = False,
) -> Any:
    """`roi_align` where each box is computed from the level of its size: `level_of`.

    `levels` are features (B, H, W, C) at `strides`, powers of 2 from fine to coarse.
    Every box is multiplied with every level, and those of the other levels count 0: the
    coarser levels together cost a third of the finest.
    """
    numbers = [stride.bit_length() - 1 for stride in strides]
    level = ops.stop_gradient(level_of(boxes, numbers[0], numbers[-1]))
    parts = []
    for features, stride, number in zip(levels, strides, numbers, strict=True):
        used = ops.cast(ops.equal(level, float(number)), "float32")
        parts.append(roi_align(features, boxes, stride, size, samples, aligned, used))
    return sum(parts[1:], parts[0])
