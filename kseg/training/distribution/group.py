"""Training on all devices of a machine, and on several machines at once.

`--distribute` splits each batch over the devices. TensorFlow does it on one machine
(`tf.distribute.MirroredStrategy`), JAX on one or several (`DataParallel` of Keras): a
process on each machine, which docs/distributed.md shows how to start. Process 0 writes
the run; the others compute.

A process among several runs as the child of a supervisor (supervisor.py), for JAX
ends it natively, with a page of C++, when another one is gone. The supervisor makes
that one line.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import Iterator

from edge.core.errors import GateFailed, InputError
from kseg.core.configs import TrainConfig
from kseg.core.process_group import ProcessGroup
from kseg.data.sample import Dataset
from kseg.training.distribution.jax import agree, join, leave, on_jax
from kseg.training.distribution.supervisor import ending_at_once
from kseg.training.distribution.tensorflow import on_tensorflow


@contextmanager
def distributed(
    config: TrainConfig, group: ProcessGroup, data: Dataset
) -> Iterator[ProcessGroup]:
    """Keras works on all devices meanwhile. Gives the group, its devices counted.

    Raises InputError for what the backend cannot do, for a batch that the devices
    cannot share evenly and for processes that were not asked for the same.
    """
    if not config.distribute:
        yield group
        return
    import keras

    backend = keras.backend.backend()
    if backend not in ("jax", "tensorflow"):
        raise InputError(f"--distribute: not on {backend}; set KERAS_BACKEND=jax")
    if group.processes > 1 and backend != "jax":
        raise InputError(
            "--distribute: several processes need JAX; pip install -e '.[jax]' and set "
            "KERAS_BACKEND=jax"
        )
    if group.processes > 1:
        with ending_at_once(group):
            join(config, group)
            agree(config, group, data)
            # What is drawn and then replaced, by a loaded model say, has to be equal.
            keras.utils.set_random_seed(config.seed)
            with on_jax(config, group) as group:
                try:
                    yield group
                except GateFailed:  # in all processes, after the same step
                    leave()
                    raise
            leave()
        return
    with (on_jax if backend == "jax" else on_tensorflow)(config, group) as group:
        yield group
