"""Layers of transformers: attention, positions and learned queries.

Vaswani et al., "Attention Is All You Need" (NeurIPS 2017).
"""

from __future__ import annotations

from math import pi
from typing import Any

import keras
from keras import layers, ops

TEMPERATURE = 10_000.0  # ratio of the longest wave of a position to the shortest
SMALL = 1e-6  # as in the published code of DETR


@keras.saving.register_keras_serializable("kseg")
class Attend(layers.Layer):
    """[queries (B, Q, C), keys (B, K, C), values (B, K, C)] -> (B, Q, C).

    The channels are those of `heads` heads one after the other. In each head a query
    gets the mean of the values, weighted by softmax(query . key / sqrt(C / heads)); in
    training a share `dropout` of these weights is set to 0. The matrices that make
    queries, keys and values, and the one after it, are dense layers of the network.
    """

    def __init__(self, heads: int, dropout: float = 0.0, **kwargs: Any):
        super().__init__(**kwargs)
        self.heads, self.dropout = heads, dropout
        self.drop = layers.Dropout(dropout, name="drop", dtype=self.dtype_policy)

    def call(self, inputs: list[Any], training: Any = None) -> Any:
        query, key, value = (self.split(x) for x in inputs)
        # Scaling the queries costs less than scaling the larger product.
        query = query * (query.shape[-1] ** -0.5)
        weights = ops.softmax(ops.matmul(query, ops.swapaxes(key, -1, -2)))
        weights = self.drop(weights, training=training)
        found = ops.transpose(ops.matmul(weights, value), (0, 2, 1, 3))
        return ops.reshape(found, (ops.shape(found)[0], -1, inputs[0].shape[-1]))

    def split(self, x: Any) -> Any:
        """(B, N, C) -> (B, heads, N, C / heads)."""
        each = x.shape[-1] // self.heads
        x = ops.reshape(x, (ops.shape(x)[0], -1, self.heads, each))
        return ops.transpose(x, (0, 2, 1, 3))

    def compute_output_shape(self, input_shape: list[tuple]) -> tuple:
        return (*input_shape[0][:-1], input_shape[2][-1])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "heads": self.heads, "dropout": self.dropout}


@keras.saving.register_keras_serializable("kseg")
class SinePositions(layers.Layer):
    """Features (B, h, w, C) -> the positions of their cells (B, h * w, C), row by row.

    The first half of the channels are sines and cosines of the row, the others of the
    column, at waves from 1 to TEMPERATURE times the side of the features: Carion et
    al., DETR (ECCV 2020), as their code has it. Rows and columns are shares of their
    number, so that the positions of an image do not depend on its size. C is a multiple
    of 4.
    """

    def call(self, x: Any) -> Any:
        batch, height, width, _ = ops.shape(x)
        channels = x.shape[-1]
        rows, columns = (waves(side, channels // 2) for side in (height, width))
        shape = (height, width, channels // 2)
        both = ops.concatenate(
            [
                ops.broadcast_to(rows[:, None], shape),
                ops.broadcast_to(columns[None], shape),
            ],
            axis=-1,
        )
        cells = ops.reshape(both, (1, height * width, channels))
        cells = ops.broadcast_to(cells, (batch, height * width, channels))
        return ops.cast(cells, self.compute_dtype)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        batch, height, width, channels = input_shape
        known = height is not None and width is not None
        return batch, height * width if known else None, channels


def waves(count: Any, channels: int) -> Any:
    """The positions 1 to `count` of a side as (count, channels) float32 in [-1, 1].

    Channels 2k and 2k + 1 are the sine and the cosine of 2 pi p / count over
    TEMPERATURE ** (2k / channels).
    """
    positions = ops.cast(ops.arange(1, count + 1), "float32")
    angles = positions / (ops.cast(count, "float32") + SMALL) * (2 * pi)
    exponents = ops.arange(0, channels, 2, dtype="float32") / channels
    angles = angles[:, None] / ops.power(TEMPERATURE, exponents)
    pairs = ops.stack([ops.sin(angles), ops.cos(angles)], axis=-1)
    return ops.reshape(pairs, (count, channels))


@keras.saving.register_keras_serializable("kseg")
class LearnedQueries(layers.Layer):
    """Tokens (B, N, C) -> learned vectors (B, count, C), equal for each image."""

    def __init__(self, count: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.count = count

    def build(self, input_shape: tuple) -> None:
        self.vectors = self.add_weight(
            shape=(self.count, input_shape[-1]),
            initializer=keras.initializers.RandomNormal(stddev=1.0),
            name="vectors",
        )

    def call(self, x: Any) -> Any:
        shape = (ops.shape(x)[0], *self.vectors.shape)
        return ops.broadcast_to(ops.cast(self.vectors, self.compute_dtype), shape)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return input_shape[0], self.count, input_shape[-1]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "count": self.count}
