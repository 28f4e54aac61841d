"""Training on the devices of all processes with JAX and DataParallel of Keras."""

from __future__ import annotations

import os
import sys
import threading
import zlib
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Iterator

from edge.core.errors import InputError
from edge.core.log import say
from kseg.core.configs import TrainConfig
from kseg.core.names import OF_MACHINES
from kseg.core.process_group import ProcessGroup
from kseg.core.runs import CHECKPOINT
from kseg.data.sample import Dataset
from kseg.training.distribution.devices import count_devices, select_devices
from kseg.training.distribution.supervisor import EXIT_PEER_LOST, follow_supervisor

HEARTBEAT_SECONDS = 30  # a process without a heartbeat for this time counts as ended
SHUTDOWN_SECONDS = 600  # the others wait for process 0 to save its last files
MAY_DIFFER = (*OF_MACHINES, "data", "output", "json")  # options, between processes


@contextmanager
def on_jax(config: TrainConfig, group: ProcessGroup) -> Iterator[ProcessGroup]:
    """Runs the block on the devices of all processes."""
    import jax
    import keras

    if group.processes == 1 and config.devices:
        jax.config.update("jax_num_cpu_devices", config.devices)
    if len(jax.local_devices()) * group.processes != jax.device_count():
        raise InputError("--distribute: every process needs the same number of devices")
    devices = keras.distribution.list_devices()
    if group.processes == 1:
        devices = select_devices(devices, config)
    group = count_devices(config, group, len(devices))
    # The data pipeline already gives each process only its part of the batch.
    parallel = keras.distribution.DataParallel(
        devices=devices, auto_shard_dataset=False
    )
    with parallel.scope():
        yield group


def join_processes(config: TrainConfig, group: ProcessGroup) -> None:
    """Connects to the other processes. Exits with EXIT_PEER_LOST after a timeout."""
    import jax

    follow_supervisor()
    if config.devices:
        jax.config.update("jax_num_cpu_devices", config.devices)
    jax.config.update("jax_cpu_collectives_implementation", "gloo")

    def give_up() -> None:
        say(
            f"kseg train: not all {group.processes} processes connected to "
            f"{group.coordinator} within {config.join_seconds} s; check the logs of "
            "the others and whether this address can be reached"
        )
        os._exit(EXIT_PEER_LOST)

    timer = threading.Timer(config.join_seconds, give_up)
    timer.daemon = True
    timer.start()
    try:
        jax.distributed.initialize(
            group.coordinator,
            group.processes,
            group.process,
            local_device_ids=config.devices and range(config.devices),
            # Under Slurm JAX would use only one device of each process.
            cluster_detection_method="deactivate",
            initialization_timeout=config.join_seconds + 60,  # after `timer`
            heartbeat_timeout_seconds=HEARTBEAT_SECONDS,
            shutdown_timeout_seconds=SHUTDOWN_SECONDS,
        )
        jax.devices()
    except RuntimeError as error:
        reason = str(error).partition("\n")[0]
        raise InputError(
            f"--coordinator {group.coordinator}: cannot be used ({reason}); choose a "
            "free port on the machine of process 0"
        ) from None
    finally:
        timer.cancel()


def check_same_options(
    config: TrainConfig, group: ProcessGroup, data: Dataset, folder: Path
) -> None:
    """Raises InputError in all processes if their options or data differ."""
    import numpy as np
    from jax.experimental import multihost_utils

    facts = {
        f"--{name.replace('_', '-')}": value
        for name, value in asdict(config).items()
        if name not in MAY_DIFFER
    }
    for name, split in data.splits.items():
        facts[f"{name} images"] = list(zip(split.names, split.sizes, strict=True))
    facts[CHECKPOINT] = (folder / CHECKPOINT).read_bytes() if config.resume else b""
    sums = [zlib.crc32(repr(value).encode()) for value in facts.values()]
    with discard_stdout():
        gathered = multihost_utils.process_allgather(np.array(sums, np.uint32))
    for name, column in zip(facts, gathered.T, strict=True):
        for process in np.flatnonzero(column != column[0]):
            leave_processes()
            raise InputError(
                f"--distribute: {name} of process {process} differs from process 0; "
                "give all processes the same options, data and run folder"
            )


@contextmanager
def discard_stdout() -> Iterator[None]:
    """Discards native output to stdout: the first collective operation prints lines."""
    sys.stdout.flush()
    saved, null = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    try:
        yield
    finally:
        os.dup2(saved, 1)
        os.close(saved)
        os.close(null)


def leave_processes() -> None:
    """Disconnects from the other processes after all have arrived here."""
    import jax

    jax.distributed.shutdown()
