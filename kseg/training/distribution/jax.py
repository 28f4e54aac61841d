"""The devices of all processes under a DataParallel."""

from __future__ import annotations

import os
import sys
import threading
import zlib
from contextlib import contextmanager
from dataclasses import asdict
from typing import Iterator

from edge.core.errors import InputError
from edge.core.log import say
from kseg.core.configs import TrainConfig
from kseg.core.names import OF_MACHINES
from kseg.core.process_group import ProcessGroup
from kseg.core.runs import CHECKPOINT
from kseg.data.sample import Dataset
from kseg.training.distribution.devices import chosen, with_devices
from kseg.training.distribution.supervisor import EXIT_PEER_LOST, follow_supervisor

HEARTBEAT_SECONDS = 30  # a process that is silent for so long is gone
SHUTDOWN_SECONDS = 600  # which the others wait for process 0 to save its last files
NOT_THE_RUN = (*OF_MACHINES, "data", "output", "json")  # may differ between processes


@contextmanager
def on_jax(config: TrainConfig, group: ProcessGroup) -> Iterator[ProcessGroup]:
    """The devices of all processes under a DataParallel."""
    import jax
    import keras

    if group.processes == 1 and config.devices:
        jax.config.update("jax_num_cpu_devices", config.devices)
    if len(jax.local_devices()) * group.processes != jax.device_count():
        raise InputError("--distribute: every process needs the same number of devices")
    devices = keras.distribution.list_devices()
    if group.processes == 1:
        devices = chosen(devices, config)
    group = with_devices(config, group, len(devices))
    # The pipeline gives each process its share: none reads what others work on.
    across = keras.distribution.DataParallel(devices=devices, auto_shard_dataset=False)
    with across.scope():
        yield group


def join(config: TrainConfig, group: ProcessGroup) -> None:
    """Meets the other processes; EXIT_PEER_LOST where not all come in time."""
    import jax

    follow_supervisor()
    if config.devices:
        jax.config.update("jax_num_cpu_devices", config.devices)
    jax.config.update("jax_cpu_collectives_implementation", "gloo")

    def give_up() -> None:
        say(
            f"kseg.train: not all {group.processes} processes met at "
            f"{group.coordinator} within {config.join_seconds} s; look at the others' "
            "logs, and whether that address can be reached"
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
            # Under Slurm JAX would take one device of each process alone.
            cluster_detection_method="deactivate",
            initialization_timeout=config.join_seconds + 60,  # it would end natively
            heartbeat_timeout_seconds=HEARTBEAT_SECONDS,
            shutdown_timeout_seconds=SHUTDOWN_SECONDS,
        )
        jax.devices()
    except RuntimeError as error:
        reason = str(error).partition("\n")[0]
        raise InputError(
            f"--coordinator {group.coordinator}: cannot be used ({reason}); choose a "
            "free port of process 0's machine"
        ) from None
    finally:
        timer.cancel()


def agree(config: TrainConfig, group: ProcessGroup, data: Dataset) -> None:
    """Raises InputError in all processes where not all are asked for the same run."""
    import numpy as np
    from jax.experimental import multihost_utils

    facts = {
        f"--{name.replace('_', '-')}": value
        for name, value in asdict(config).items()
        if name not in NOT_THE_RUN
    }
    for name, split in data.splits.items():
        facts[f"{name} images"] = list(zip(split.names, split.sizes, strict=True))
    kept = config.run_folder / CHECKPOINT
    facts[CHECKPOINT] = kept.read_bytes() if config.resume else b""
    sums = [zlib.crc32(repr(value).encode()) for value in facts.values()]
    with stdout_held():
        everyone = multihost_utils.process_allgather(np.array(sums, np.uint32))
    for name, column in zip(facts, everyone.T, strict=True):
        for process in np.flatnonzero(column != column[0]):
            leave()
            raise InputError(
                f"--distribute: process {process} has another {name} than process 0; "
                "give all of them the same options, data and run folder"
            )


@contextmanager
def stdout_held() -> Iterator[None]:
    """Drops what libraries print natively: the first collective greets its partners."""
    sys.stdout.flush()
    saved, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    try:
        yield
    finally:
        os.dup2(saved, 1)
        os.close(saved)
        os.close(nowhere)


def leave() -> None:
    """Parts from the other processes, once all are here."""
    import jax

    jax.distributed.shutdown()
