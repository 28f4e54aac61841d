"""Starts Keras and its backend without their long native logs."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Iterator

from edge.core.log import suppress_native_log


def start() -> None:
    """Imports Keras and TensorFlow; their logs on GPUs are suppressed."""
    with suppress_native_log():
        import keras
        import tensorflow as tf

        if keras.backend.backend() != "tensorflow":
            # TensorFlow only reads the images; it must not reserve GPU memory.
            tf.config.set_visible_devices([], "GPU")
        else:
            tf.config.list_physical_devices("GPU")
            # It warns of each new size that a function of free size is traced for.
            tf.get_logger().setLevel("ERROR")


def make_deterministic() -> None:
    """Makes the backend deterministic: identical bits in every run, a little slower.

    TensorFlow then also reads images one at a time.
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
    """The precision of networks that are built in the block; weights are float32.

    bfloat16 has float32's range; float16's is so small that Keras scales the loss.
    """
    import keras

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name if name == "float32" else f"mixed_{name}")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
