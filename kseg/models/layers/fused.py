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


def adam_step(
    variable: Any,
    momentum: Any,
    velocity: Any,
    gradient: Any,
    learning_rate: Any,
    step: Any,
    beta_1: float,
    beta_2: float,
    epsilon: float,
) -> None:
    """Adam's update of a float32 variable in one operation; Keras uses about twenty.

    `variable`, `momentum` and `velocity` are TensorFlow variables, `step` counts from
    1. The formula is that of Keras: Kingma and Ba (2015), section 2, the version whose
    epsilon is added to the root of the uncorrected second moment.
    """
    import tensorflow as tf

    step = tf.cast(step, tf.float32)
    tf.raw_ops.ResourceApplyAdam(
        var=variable.handle,
        m=momentum.handle,
        v=velocity.handle,
        beta1_power=tf.pow(beta_1, step),
        beta2_power=tf.pow(beta_2, step),
        lr=tf.cast(learning_rate, tf.float32),
        beta1=beta_1,
        beta2=beta_2,
        epsilon=epsilon,
        grad=gradient,
    )


def count_cells(mask: Any, logits: Any, classes: int, ignore_index: int) -> Any:
    """Masks (B, H, W) and logits (B, H, W, C) -> the confusion matrix (C, C) int32.

    Of equal logits the first class wins, as in argmax; void does not count. On a
    processor, the largest of C scores is found and counted in half of the time.
    """
    import tensorflow as tf

    mask = tf.reshape(tf.cast(mask, tf.int32), [-1])
    labels = tf.math.top_k(logits, 1, sorted=False).indices
    cell = mask * classes + tf.reshape(labels, [-1])
    # One extra cell counts void and is removed.
    cell = tf.where(mask == ignore_index, classes**2, cell)
    none = tf.zeros([0], tf.int32)
    counts = tf.raw_ops.DenseBincount(input=cell, size=classes**2 + 1, weights=none)
    return tf.reshape(counts[:-1], (classes, classes))


def on_processor() -> bool:
    """Whether TensorFlow is the backend and computes on the processor."""
    import keras

    if keras.backend.backend() != "tensorflow":
        return False
    import tensorflow as tf

    return not tf.config.get_visible_devices("GPU")
