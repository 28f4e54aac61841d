"""Starts Keras and its backend without the pages that they log natively."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Iterator

from edge.core.log import suppress_native_log


def start() -> None:
    """Imports Keras and TensorFlow, which looks for GPUs and reports it at length."""
    with suppress_native_log():
        import keras
        import tensorflow as tf

        if keras.backend.backend() != "tensorflow":
            # It reads the images alone, and would take the memory that others need.
            tf.config.set_visible_devices([], "GPU")
        else:
            tf.config.list_physical_devices("GPU")
            # It warns of each new size that a function of free size is traced for.
            tf.get_logger().setLevel("ERROR")


def make_deterministic() -> None:
    """The same operations in the same order give the same bits, at some cost in time.

    TensorFlow then also reads images one after the other.
    """
    import keras

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
    elif keras.backend.backend() == "torch":
        import torch

        torch.use_deterministic_algorithms(True)


@contextmanager
def precision(name: str) -> Iterator[None]:
    """What networks that are built in the block calculate in; weights are float32.

    bfloat16 has float32's range; float16's is so small that Keras scales the loss.
    """
    import keras

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name if name == "float32" else f"mixed_{name}")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
