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


def average_bins(x: Any, bins: int) -> Any:
    """Means of (B, H, W, C) over the bins of `pyramid_pooling.bin_windows`.

    H and W may be tensors, for which a pooling has no window: each side is multiplied
    by a matrix whose rows are the bins.
    """
    import tensorflow as tf

    def means(side: Any) -> Any:
        count = tf.minimum(side, bins)
        step = side // count
        length = side - (count - 1) * step
        first, cells = step * tf.range(count)[:, None], tf.range(side)[None]
        inside = (cells >= first) & (cells < first + length)
        return tf.cast(inside, x.dtype) / tf.cast(length, x.dtype)

    _, height, width, _ = tf.unstack(tf.shape(x))
    return tf.einsum("ih,bhwc,jw->bijc", means(height), x, means(width))


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
