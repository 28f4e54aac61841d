"""Training on all devices of a machine, and on several machines at once.

`--distribute` splits each batch over the devices. TensorFlow does it on one machine
(`tf.distribute.MirroredStrategy`), JAX on one or several (`DataParallel` of Keras): a
process on each machine, which docs/distributed.md shows how to start. Process 0 writes
the run; the others compute.

A process among several runs as the child of a watcher, for JAX ends it natively, with
a page of C++, when another one is gone. The watcher makes that one line.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import Iterator

from edge.core.errors import InputError
from kseg.core.configs import TrainConfig
from kseg.core.process_group import ProcessGroup
from kseg.data.sample import Dataset
from kseg.training.distribution.jax import agree, join, leave, on_jax
from kseg.training.distribution.supervisor import ending_at_once
from kseg.training.distribution.tensorflow import on_tensorflow

# --- devices ---


@contextmanager
def joined(
    config: TrainConfig, place: ProcessGroup, data: Dataset
) -> Iterator[ProcessGroup]:
    """Keras works on all devices meanwhile. Gives the place, its devices counted.

    Raises InputError for what the backend cannot do, for a batch that the devices
    cannot share evenly and for processes that were not asked for the same.
    """
    if not config.distribute:
        yield place
        return
    import keras

    backend = keras.backend.backend()
    if backend not in ("jax", "tensorflow"):
        raise InputError(f"--distribute: not on {backend}; set KERAS_BACKEND=jax")
    if place.processes > 1 and backend != "jax":
        raise InputError(
            "--distribute: several processes need JAX; pip install -e '.[jax]' and set "
            "KERAS_BACKEND=jax"
        )
    if place.processes > 1:
        with ending_at_once(place):
            join(config, place)
            agree(config, place, data)
            # What is drawn and then replaced, by a loaded model say, has to be equal.
            keras.utils.set_random_seed(config.seed)
            with on_jax(config, place) as place:
                yield place
            leave()
        return
    with (on_jax if backend == "jax" else on_tensorflow)(config, place) as place:
        yield place
