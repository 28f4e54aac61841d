"""Operations that TensorFlow does faster than Keras, imported lazily."""

from __future__ import annotations

from typing import Any


def resize(x: Any, size: tuple[Any, Any], method: str) -> Any:
    """(B, H, W, C) -> `size`, which may be tensors; `method` bilinear or nearest.

    `keras.ops.image.resize` compares the size with zero in Python (Keras 3.15) and so
    cannot be traced where only the graph knows it. It is this very operation otherwise.
    """
    import tensorflow as tf

    return tf.cast(tf.image.resize(x, size, method=method), x.dtype)


def normalize_batch(
    x: Any, gamma: Any, beta: Any, epsilon: float
) -> tuple[Any, Any, Any]:
    """Batch normalization in one operation: the output, and the batch's mean, variance.

    Keras spells it out in seven, each a pass over the activations. The operation's
    variance is divided by n - 1; Keras keeps that divided by n, and so it is returned.
    """
    import tensorflow as tf

    y, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
        x=x,
        scale=tf.cast(gamma, tf.float32),
        offset=tf.cast(beta, tf.float32),
        mean=tf.zeros([0]),
        variance=tf.zeros([0]),
        epsilon=epsilon,
        is_training=True,
    )
    n = tf.cast(tf.size(x) // tf.shape(x)[-1], tf.float32)
    return y, mean, variance * ((n - 1) / n)
