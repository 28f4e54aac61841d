"""RoIPool: the largest value in each of 7x7 parts of a box.

Girshick, "Fast R-CNN" (ICCV 2015), with the rounding of its code, which torchvision's
`roi_pool` has as well.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

SIZE = 7
LEVELS = 6  # the largest range of a maximum is twice 2 ** (LEVELS - 1) cells


def roi_pool(features: Any, boxes: Any, stride: int, size: int = SIZE) -> Any:
    """(B, H, W, C), (B, N, 4) x0, y0, x1, y1 in pixels -> (B, N, size, size, C).

    A box is divided by `stride` and rounded to cells; x1 and y1 are the last cells of
    it, so that it has at least one. Part i of n cells reaches from the cell
    floor(i n / size) to before ceil((i + 1) n / size), as far as it is inside the
    features; a part without a cell is 0.

    The maxima of all squares and rectangles with sides of a power of two are computed
    first, and a part is covered by four of them. Memory is that of the features times
    (log2(H / size) + 2) (log2(W / size) + 2), plus four values for each one returned;
    no part is computed cell by cell.
    """
    batch, height, width, channels = ops.shape(features)
    count = ops.shape(boxes)[1]
    ends = [
        axis_ranges(boxes[..., i], boxes[..., i + 2], stride, length, size)
        for i, length in ((1, height), (0, width))
    ]
    levels = [level_count(length, size) for length in (height, width)]
    table = rectangles(features, *levels)  # (levels, levels, B, H, W, C) as rows
    (y, yl, empty_rows), (x, xl, empty_columns) = (
        covering(start, end, n) for (start, end), n in zip(ends, levels, strict=True)
    )
    image = ops.reshape(ops.arange(batch, dtype="int32"), (-1, 1, 1, 1))
    best = None
    for rows in y:  # (B, N, size)
        for columns in x:
            level = yl[..., :, None] * levels[1] + xl[..., None, :]
            place = (level * batch + image) * height + rows[..., :, None]
            place = place * width + columns[..., None, :]
            value = ops.take(table, ops.reshape(place, (-1,)), axis=0)
            best = value if best is None else ops.maximum(best, value)
    best = ops.reshape(best, (-1, count, size, size, channels))
    empty = ops.logical_or(empty_rows[..., :, None], empty_columns[..., None, :])
    return ops.where(empty[..., None], ops.zeros_like(best), best)


def axis_ranges(
    start: Any, end: Any, stride: int, length: Any, size: int
) -> tuple[Any, Any]:
    """The first cell and the one after the last of each part, (B, N, size) int32.

    Both are clipped to 0 and `length`.
    """
    first, last = to_cells(start, stride), to_cells(end, stride)
    cells = ops.maximum(last - first + 1, 1)[..., None]
    part = ops.arange(size, dtype="int32")
    low = first[..., None] + ops.floor_divide(part * cells, size)
    high = first[..., None] - ops.floor_divide(-(part + 1) * cells, size)
    return ops.clip(low, 0, length), ops.clip(high, 0, length)


def to_cells(pixels: Any, stride: int) -> Any:
    """Pixels -> the nearest cell, int32; halves are rounded away from zero."""
    scaled = ops.cast(pixels, "float32") / stride
    rounded = ops.sign(scaled) * ops.floor(ops.absolute(scaled) + 0.5)
    return ops.cast(rounded, "int32")


def level_count(length: Any, size: int) -> int:
    """How many powers of two are needed for the parts of an axis; LEVELS if unknown."""
    if not isinstance(length, int):
        return LEVELS
    longest = -(-length // size) + 1  # cells of a part: its ends are rounded outwards
    return longest.bit_length()


def rectangles(features: Any, rows: int, columns: int) -> Any:
    """The maxima of 2**i x 2**j cells from each cell on, for i < rows, j < columns.

    (B, H, W, C) -> (rows * columns * B * H * W, C). Beyond the features, the last row
    or column is repeated, which changes no maximum.
    """
    _, height, width, channels = ops.shape(features)
    found = []
    for i in range(rows):
        if i:
            features = ops.maximum(features, shifted(features, 2 ** (i - 1), height, 1))
        wide = features
        for j in range(columns):
            if j:
                wide = ops.maximum(wide, shifted(wide, 2 ** (j - 1), width, 2))
            found.append(wide)
    return ops.reshape(ops.stack(found), (-1, channels))


def shifted(x: Any, step: int, length: Any, axis: int) -> Any:
    """`x` moved towards 0 by `step` along an axis; the last value is repeated."""
    places = ops.minimum(ops.arange(length, dtype="int32") + step, length - 1)
    return ops.take(x, places, axis=axis)


def covering(start: Any, end: Any, levels: int) -> tuple[tuple[Any, Any], Any, Any]:
    """Two ranges of 2**level cells that cover each part, their level, and empty parts.

    Their first cells are valid for empty parts too.
    """
    length = ops.maximum(end - start, 1)
    level = ops.zeros_like(length)
    for power in range(1, levels):
        level = level + ops.cast(length >= 2**power, "int32")
    span = ops.left_shift(ops.ones_like(level), level)
    first = ops.maximum(ops.minimum(start, end - 1), 0)
    second = ops.maximum(end - span, first)
    return (first, second), level, end <= start


@keras.saving.register_keras_serializable("kseg")
class RoIPool(layers.Layer):
    """[features (B, H, W, C), boxes (B, N, 4)] -> (B, N, size, size, C).

    Right and bottom edges of the boxes are exclusive, as everywhere in kseg. The
    paper's are the last pixels, so `roi_pool` gets them without 1 pixel.
    """

    def __init__(self, stride: int, size: int = SIZE, **kwargs: Any):
        super().__init__(**kwargs)
        self.stride, self.size = stride, size

    def call(self, inputs: list[Any]) -> Any:
        features, boxes = inputs
        last = ops.cast(ops.convert_to_tensor([0.0, 0.0, 1.0, 1.0]), boxes.dtype)
        return roi_pool(features, boxes - last, self.stride, self.size)

    def compute_output_shape(self, input_shapes: list[tuple]) -> tuple:
        (batch, _, _, channels), (_, count, _) = input_shapes
        return batch, count, self.size, self.size, channels

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "stride": self.stride, "size": self.size}
