"""Starts Keras and its backend without the pages that they log natively."""

from __future__ import annotations

from edge.command import native_log_held


def start() -> None:
    """Imports Keras; on TensorFlow also looks for GPUs, which it reports at length."""
    with native_log_held():
        import keras

        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            tf.config.list_physical_devices("GPU")
            # It warns of each new size that a function of free size is traced for.
            tf.get_logger().setLevel("ERROR")
