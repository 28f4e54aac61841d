"""Starts Keras and its backend without the pages that they log natively."""

from __future__ import annotations

from edge.command import native_log_held


def start() -> None:
    """Imports Keras and TensorFlow, which looks for GPUs and reports it at length."""
    with native_log_held():
        import keras
        import tensorflow as tf

        if keras.backend.backend() != "tensorflow":
            # It reads the images alone, and would take the memory that others need.
            tf.config.set_visible_devices([], "GPU")
        else:
            tf.config.list_physical_devices("GPU")
            # It warns of each new size that a function of free size is traced for.
            tf.get_logger().setLevel("ERROR")
