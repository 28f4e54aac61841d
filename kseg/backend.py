"""Starts Keras and its backend without the pages that they log natively."""

from __future__ import annotations

import os
import sys
import tempfile
from contextlib import contextmanager
from typing import Iterator


@contextmanager
def native_log_held() -> Iterator[None]:
    """Holds back what libraries write straight to file descriptor 2.

    Where the block fails, all of it is shown before the exception goes on.
    """
    sys.stderr.flush()
    saved = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            os.dup2(saved, 2)
            held.seek(0)
            os.write(2, held.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(saved, 2)
            os.close(saved)


def start() -> None:
    """Imports Keras; on TensorFlow also looks for GPUs, which it reports at length."""
    with native_log_held():
        import keras

        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            tf.config.list_physical_devices("GPU")
