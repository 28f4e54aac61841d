"""YOLO v1: Redmon, Divvala, Girshick and Farhadi, CVPR 2016, arXiv 1506.02640.

Each cell of a grid has the probabilities of the classes and `BOXES` boxes, each with a
confidence. The paper's network ends in two dense layers, for one input size. The small
one ends in 1x1 convolutions instead, has batch normalization, fewer channels, and ends
at a finer stride.
"""

from __future__ import annotations

from math import log
from typing import Any, Optional

import keras
from keras import layers, ops

from kseg.models.layers.heads import prepare_input
from kseg.models.layers.norm import BatchNorm

BOXES = 2  # of each cell
STRIDE = 8  # of the convolutional form
PAPER_SIZE, PAPER_STRIDE = (448, 448), 64
DENSE_WIDTH = 4096
DROPOUT = 0.5
SLOPE = 0.1  # of the leaky ReLU
FIRST_CONFIDENCE = 0.02  # of every box before training: most are of no object

PAPER_WIDTH = 64
# (kernel, channels in widths) of the convolutions. Before each stage the resolution is
# halved, by the first convolution of the first and last stage, else by a max pooling.
PAIR, LARGE_PAIR = ((1, 4), (3, 8)), ((1, 8), (3, 16))
STAGES = (
    ((7, 1),),
    ((3, 3),),
    ((1, 2), (3, 4), (1, 4), (3, 8)),
    (*PAIR * 4, *LARGE_PAIR),
    (*LARGE_PAIR * 2, (3, 16)),
    ((3, 16),) * 3,
)
BY_CONVOLUTION = (0, len(STAGES) - 1)
LEAST_STAGES = 4  # of the convolutional form, also at a finer stride


def yolo(
    image: Any,
    num_classes: int,
    width: int = 16,
    strides: tuple[int, ...] = (STRIDE,),
    grid_head: str = "conv",
) -> dict[str, Any]:
    """image (B, H, W, C) -> the outputs by role, float32.

    `scores` (B, N, num_classes) are probabilities of a class times confidences, `boxes`
    (B, N, 4) are cy, cx, h, w in shares of the padded image; the N = S1 * S2 * BOXES
    rows are those of the cells row by row. For the loss: `classes` (B, S1, S2,
    num_classes), `confidences` (B, S1, S2, BOXES), and `places` (B, S1, S2, 4 * BOXES):
    for each box y and x in shares of its cell, and the square roots of h and w. These
    three are in [0, 1] with `grid_head` "conv", and any number with "dense", which
    needs an image of a known size and has the stride 64. `width` is the number of
    channels of the first convolution, 64 in the paper; the others are multiples of it.
    Raises ValueError for more than one stride.
    """
    if len(strides) != 1:
        raise ValueError(f"yolo has one stride, got {', '.join(map(str, strides))}.")
    dense = grid_head == "dense"
    stride = PAPER_STRIDE if dense else strides[0]
    x = prepare_input(image, stride)
    x = convolutions(x, stride, width, batch_norm=not dense)
    grid = (dense_grid if dense else conv_grid)(x, num_classes)
    shares = GridBoxes(dtype="float32", name="boxes")(grid["places"])
    scored = [grid["classes"], grid["confidences"]]
    scores = GridScores(clip=dense, dtype="float32", name="scores")(scored)
    return {"scores": scores, "boxes": shares, **grid}


def input_size(grid_head: str = "conv", **options: Any) -> Optional[tuple[int, int]]:
    """The only size (height, width) of the images; None for any."""
    return PAPER_SIZE if grid_head == "dense" else None


def convolutions(x: Any, stride: int, width: int, batch_norm: bool) -> Any:
    """The paper's stages up to a stride, at least LEAST_STAGES: (B, S1, S2, c)."""
    halvings = stride.bit_length() - 1
    for index, stage in enumerate(STAGES[: max(LEAST_STAGES, halvings)]):
        halved = index < halvings
        by_convolution = index in BY_CONVOLUTION
        if halved and not by_convolution:
            x = layers.MaxPooling2D(2, name=f"stage{index + 1}_pool")(x)
        for number, (kernel, channels) in enumerate(stage):
            strides = 2 if halved and by_convolution and number == 0 else 1
            name = f"stage{index + 1}_{number + 1}"
            x = leaky(x, width * channels, kernel, strides, name, batch_norm)
    return x


def leaky(
    x: Any, width: int, kernel: int, strides: int, name: str, batch_norm: bool
) -> Any:
    """Convolution, optional batch normalization instead of the bias, leaky ReLU."""
    x = layers.Conv2D(
        width,
        kernel,
        strides,
        "same",
        use_bias=not batch_norm,
        kernel_initializer="he_normal",
        name=f"{name}_conv",
    )(x)
    if batch_norm:
        x = BatchNorm(name=f"{name}_bn")(x)
    return layers.LeakyReLU(negative_slope=SLOPE, name=f"{name}_leaky")(x)


def conv_grid(x: Any, num_classes: int) -> dict[str, Any]:
    """Classes, confidences and places by 1x1 convolutions, each in [0, 1].

    Each has a convolution and a sigmoid of its own, and so a scale of its own in int8.
    """
    first = keras.initializers.Constant(-log(1 / FIRST_CONFIDENCE - 1))
    biases = {"confidences": first}
    counts = {"classes": num_classes, "confidences": BOXES, "places": 4 * BOXES}
    grid = {}
    for role, count in counts.items():
        bias = biases.get(role, "zeros")
        y = layers.Conv2D(count, 1, bias_initializer=bias, name=f"score_{role}")(x)
        grid[role] = layers.Activation("sigmoid", dtype="float32", name=role)(y)
    return grid


def dense_grid(x: Any, num_classes: int) -> dict[str, Any]:
    """Classes, confidences and places by the paper's dense layers, linear."""
    _, rows, columns, _ = x.shape
    count = num_classes + 5 * BOXES
    x = layers.Flatten(name="flat")(x)
    x = layers.Dense(DENSE_WIDTH, kernel_initializer="he_normal", name="fc1")(x)
    x = layers.LeakyReLU(negative_slope=SLOPE, name="fc1_leaky")(x)
    x = layers.Dropout(DROPOUT, name="fc1_drop")(x)
    x = layers.Dense(rows * columns * count, dtype="float32", name="score_grid")(x)
    x = layers.Reshape((rows, columns, count), name="grid")(x)
    ends = num_classes, num_classes + BOXES, count
    names = ("classes", "confidences", "places")
    return {
        name: Channels(start, end, dtype="float32", name=name)(x)
        for name, start, end in zip(names, (0, *ends), ends, strict=False)
    }


@keras.saving.register_keras_serializable("kseg")
class Channels(layers.Layer):
    """(..., C) -> (..., end - start): the channels from `start` to before `end`."""

    def __init__(self, start: int, end: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.start, self.end = start, end

    def call(self, x: Any) -> Any:
        return x[..., self.start : self.end]

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return (*input_shape[:-1], self.end - self.start)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "start": self.start, "end": self.end}


@keras.saving.register_keras_serializable("kseg")
class GridBoxes(layers.Layer):
    """Places (B, S1, S2, 4 * K) -> boxes (B, S1 * S2 * K, 4) cy, cx, h, w in shares.

    A place is y and x in shares of its cell, and the square roots of h and w.
    """

    def call(self, places: Any) -> Any:
        _, rows, columns, channels = ops.shape(places)
        flat = ops.reshape(places, (-1, rows * columns * (channels // 4), 4))
        # Divided before the sum, so that int8 rounds offsets in steps of a cell.
        sides = ops.cast(ops.stack([rows, columns]), "float32")
        middle = flat[..., :2] / sides + self.corners(rows, columns, channels // 4)
        roots = flat[..., 2:]
        # Not ops.square, which TFLite computes in float.
        return ops.concatenate([middle, roots * roots], axis=-1)

    def corners(self, rows: Any, columns: Any, boxes: int) -> Any:
        """(rows * columns * boxes, 2): y, x of the upper left corner of each cell."""
        y = ops.cast(ops.arange(rows), "float32") / ops.cast(rows, "float32")
        x = ops.cast(ops.arange(columns), "float32") / ops.cast(columns, "float32")
        yx = ops.stack(ops.meshgrid(y, x, indexing="ij"), axis=-1)
        return ops.repeat(ops.reshape(yx, (-1, 2)), boxes, axis=0)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        batch, rows, columns, channels = input_shape
        known = rows is not None and columns is not None
        return batch, rows * columns * channels // 4 if known else None, 4


@keras.saving.register_keras_serializable("kseg")
class GridScores(layers.Layer):
    """[classes (B, S1, S2, C), confidences (B, S1, S2, K)] -> (B, S1 * S2 * K, C).

    Their products; with `clip` of both in [0, 1], as linear outputs need it.
    """

    def __init__(self, clip: bool = False, **kwargs: Any):
        super().__init__(**kwargs)
        self.clip = clip

    def call(self, inputs: list[Any]) -> Any:
        classes, confidences = inputs
        if self.clip:
            classes, confidences = (ops.clip(x, 0, 1) for x in inputs)
        _, rows, columns, boxes = ops.shape(confidences)
        cells, count = rows * columns, classes.shape[-1]
        # Four dimensions: converters support no more everywhere.
        classes = ops.reshape(classes, (-1, cells, 1, count))
        confidences = ops.reshape(confidences, (-1, cells, boxes, 1))
        return ops.reshape(classes * confidences, (-1, cells * boxes, count))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "clip": self.clip}

    def compute_output_shape(self, input_shapes: list[tuple]) -> tuple:
        (batch, rows, columns, classes), (*_, boxes) = input_shapes
        known = rows is not None and columns is not None
        return batch, rows * columns * boxes if known else None, classes
