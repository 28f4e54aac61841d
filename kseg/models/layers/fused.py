"""Operations that are faster in TensorFlow than in Keras; TensorFlow loads lazily."""

from __future__ import annotations

from typing import Any


def resize(x: Any, size: tuple[Any, Any], method: str) -> Any:
    """Resizes (B, H, W, C) to `size`, which may be tensors; bilinear or nearest.

    The operation is that of `keras.ops.image.resize`, which cannot be traced for
    symbolic sizes, as it compares the size with zero in Python (Keras 3.15).
    """
    import tensorflow as tf

    return tf.cast(tf.image.resize(x, size, method=method), x.dtype)


def normalize_batch(
    x: Any, gamma: Any, beta: Any, epsilon: float
) -> tuple[Any, Any, Any]:
    """Batch normalization in one operation: output, batch mean and batch variance.

    Keras uses seven operations, each a pass over the activations. The operation returns
    the variance with divisor n - 1; it is converted to Keras's divisor n.
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
