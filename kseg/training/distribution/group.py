"""Training on all devices of a machine, and on several machines at once.

`--distribute` splits each batch over the devices. TensorFlow does it on one machine
(`tf.distribute.MirroredStrategy`), JAX on one or several (`DataParallel` of Keras) with
one process on each machine; docs/distributed.md shows how to start them. Process 0
writes the run folder; the others only compute.

With several processes each runs as the child of a supervisor (supervisor.py): when one
process ends, JAX aborts the others with a long native error message, which the
supervisor replaces by one line.
"""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import Iterator

from edge.core.errors import GateFailed, InputError
from kseg.core.configs import TrainConfig
from kseg.core.process_group import ProcessGroup
from kseg.data.sample import Dataset
from kseg.training.distribution.jax import (
    check_same_options,
    join_processes,
    leave_processes,
    on_jax,
)
from kseg.training.distribution.supervisor import exit_on_error
from kseg.training.distribution.tensorflow import on_tensorflow


@contextmanager
def distributed(
    config: TrainConfig, group: ProcessGroup, data: Dataset, folder: Path
) -> Iterator[ProcessGroup]:
    """Runs the block on all devices. Yields the group with its number of devices.

    Raises InputError if the backend does not support it, if the devices cannot share
    the batch evenly, and if the processes have different options.
    """
    if not config.distribute:
        yield group
        return
    import keras

    backend = keras.backend.backend()
    if backend not in ("jax", "tensorflow"):
        raise InputError(
            f"--distribute: not supported on {backend}; set KERAS_BACKEND=jax"
        )
    if group.processes > 1 and backend != "jax":
        raise InputError(
            "--distribute: several processes need JAX; pip install -e '.[jax]' and set "
            "KERAS_BACKEND=jax"
        )
    if group.processes > 1:
        with exit_on_error(group):
            join_processes(config, group)
            check_same_options(config, group, data, folder)
            # All processes must start with the same random state.
            keras.utils.set_random_seed(config.seed)
            with on_jax(config, group) as group:
                try:
                    yield group
                except GateFailed:  # raised in all processes after the same step
                    leave_processes()
                    raise
            leave_processes()
        return
    with (on_jax if backend == "jax" else on_tensorflow)(config, group) as group:
        yield group
