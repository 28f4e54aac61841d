"""What TensorFlow would keep of a training after its end."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Iterator


@contextmanager
def freed_graphs() -> Iterator[None]:
    """Lets go of the graphs that are made in the block, at its end.

    TensorFlow registers a function for the gradient of each sum over devices, which
    every step of a Keras optimizer has, and keeps it as long as the process runs. The
    function refers to the graph of the step. So the folds of a training, or the trials
    of a search, would need the memory of all that came before. The gradients have been
    computed at the end of the block, and nobody looks the functions up again.
    """
    from tensorflow.python.framework.ops import gradient_registry

    known = set(gradient_registry.list())
    try:
        yield
    finally:
        for name in set(gradient_registry.list()) - known:
            del gradient_registry._registry[name]  # the only way
