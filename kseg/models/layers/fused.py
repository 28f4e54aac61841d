"""Operations that are faster in TensorFlow than in Keras; TensorFlow loads lazily."""

from __future__ import annotations

from typing import Any

from kseg.models.layers.bilinear import bilinear_kernel


def resize(x: Any, size: tuple[Any, Any], method: str) -> Any:
    """Resizes (B, H, W, C) to `size`, which may be tensors; bilinear or nearest.

    The operation is that of `keras.ops.image.resize`, which cannot be traced for
    symbolic sizes, as it compares the size with zero in Python (Keras 3.15).
    """
    import tensorflow as tf

    return tf.cast(tf.image.resize(x, size, method=method), x.dtype)


def doubled(x: Any) -> Any:
    """(B, H, W, C) -> (B, 2 H, 2 W, C), bilinear as `resize`, with a faster gradient.

    TensorFlow computes the gradient on one thread. Here it is a depthwise convolution:
    an input pixel is in four outputs of each direction, with 1/4, 3/4, 3/4 and 1/4. At
    a border the outputs outside would be copies of those inside.
    """
    import tensorflow as tf

    @tf.custom_gradient
    def enlarge(x: Any) -> tuple[Any, Any]:
        def gradient(upstream: Any) -> Any:
            one = tf.constant(bilinear_kernel(2, 4, 1), x.dtype)
            kernel = tf.tile(one, [1, 1, x.shape[-1], 1])
            around = tf.pad(upstream, [[0, 0], [1, 1], [1, 1], [0, 0]], "SYMMETRIC")
            return tf.nn.depthwise_conv2d(around, kernel, [1, 2, 2, 1], "VALID")

        _, height, width, _ = tf.unstack(tf.shape(x))
        return resize(x, (2 * height, 2 * width), "bilinear"), gradient

    return enlarge(x)


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

    In half precision, oneDNN is ten times as slow where the number of channels is not a
    multiple of 16. There it is computed in float32.
    """
    import tensorflow as tf

    slow = x.dtype != tf.float32 and x.shape[-1] % 16 != 0 and on_processor()
    y, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
        x=tf.cast(x, tf.float32) if slow else x,
        scale=tf.cast(gamma, tf.float32),
        offset=tf.cast(beta, tf.float32),
        mean=tf.zeros([0]),
        variance=tf.zeros([0]),
        epsilon=epsilon,
        is_training=True,
    )
    n = tf.cast(tf.size(x) // tf.shape(x)[-1], tf.float32)
    return tf.cast(y, x.dtype), mean, variance * ((n - 1) / n)


def depthwise(x: Any, kernel: Any, stride: int, padding: str) -> Any:
    """A depthwise convolution whose gradient by the input is computed in float32.

    x (B, H, W, C), kernel (h, w, C, 1), both of one float type -> (B, h', w', C).
    `padding` is "same" or "valid". With a stride over 1, oneDNN takes ten times as long
    for this gradient in bfloat16.
    """
    import tensorflow as tf

    options = {"strides": [1, stride, stride, 1], "padding": padding.upper()}

    @tf.custom_gradient
    def convolve(x: Any, kernel: Any) -> tuple[Any, Any]:
        def gradient(upstream: Any) -> tuple[Any, Any]:
            by_input = tf.raw_ops.DepthwiseConv2dNativeBackpropInput(
                input_sizes=tf.shape(x),
                filter=tf.cast(kernel, tf.float32),
                out_backprop=tf.cast(upstream, tf.float32),
                **options,
            )
            by_kernel = tf.raw_ops.DepthwiseConv2dNativeBackpropFilter(
                input=x,
                filter_sizes=tf.shape(kernel),
                out_backprop=upstream,
                **options,
            )
            return tf.cast(by_input, x.dtype), by_kernel

        y = tf.raw_ops.DepthwiseConv2dNative(input=x, filter=kernel, **options)
        return y, gradient

    return convolve(x, kernel)


def cross_entropy(label: Any, logits: Any) -> Any:
    """-log p of the true classes, from the softmax that region losses compute too.

    label (...) integers, logits (..., C) float32 -> (...) float32, >= 0. On a processor
    TensorFlow's own operation takes twice as long for few classes, also if nothing
    shares its softmax. -log p would be infinite where p is rounded to 0, so it is
    computed from the largest p, which is at least 1 / C. Raises InvalidArgumentError
    for a label that is no class.
    """
    import tensorflow as tf

    classes = logits.shape[-1]

    @tf.custom_gradient
    def entropy(logits: Any) -> tuple[Any, Any]:
        odds = tf.nn.softmax(logits)
        true = tf.one_hot(label, classes)

        def gradient(upstream: Any) -> Any:
            return (odds - true) * upstream[..., None]

        behind = tf.reduce_max(logits, -1) - tf.reduce_sum(logits * true, -1)
        largest = tf.minimum(tf.reduce_max(odds, -1), 1.0)  # rounded, it may be more
        return behind - tf.math.log(largest), gradient

    checks = [
        tf.debugging.assert_less(tf.reduce_max(label), classes),
        tf.debugging.assert_non_negative(tf.reduce_min(label)),
    ]
    with tf.control_dependencies([check for check in checks if check is not None]):
        return entropy(logits)


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
