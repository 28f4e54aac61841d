"""Finds the process group from options or the environment of Slurm or Kubernetes."""

from __future__ import annotations

import os
import re
import time
from dataclasses import replace
from typing import Any

from edge.core.errors import InputError
from kseg.core.configs import TrainConfig
from kseg.core.process_group import ALONE, ProcessGroup

PORT = 61440  # first port under Slurm; the job id is added, so that jobs do not collide


def process_group(config: TrainConfig) -> ProcessGroup:
    """Finds the process group of this process, whose command begins now.

    It is given by options, or by the environment of Slurm or a Kubernetes Indexed Job.
    Raises InputError for incomplete options.
    """
    return replace(group_of(config), began=time.monotonic())


def group_of(config: TrainConfig) -> ProcessGroup:
    """Finds the process group as `process_group` does."""
    options = ("devices", "coordinator", "processes", "process")
    given = [name for name in options if getattr(config, name) not in (None, "")]
    if not config.distribute:
        if given:
            raise InputError(
                f"--{given[0]}: has no effect without --distribute; add it"
            )
        return ALONE
    if config.coordinator:
        return named_group(config)
    if given and given != ["devices"]:
        raise InputError(
            f"--{given[-1]}: needs --coordinator HOST:PORT, the address of process 0"
        )
    return slurm_group(os.environ)


def named_group(config: TrainConfig) -> ProcessGroup:
    """Makes the process group of --coordinator, --processes and --process."""
    host, _, port = config.coordinator.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
        raise InputError(
            f"--coordinator {config.coordinator}: must be HOST:PORT; give the host of "
            "process 0 and a free port there, such as 10.0.0.1:12345"
        )
    process = config.process
    if process is None and os.environ.get("JOB_COMPLETION_INDEX", "").isdecimal():
        process = int(os.environ["JOB_COMPLETION_INDEX"])  # Kubernetes Indexed Job
    if config.processes is None or process is None:
        raise InputError("--coordinator: needs --processes N and --process 0 to N-1")
    if process >= config.processes:
        raise InputError(
            f"--process {process}: out of range; with --processes {config.processes} "
            f"use 0 to {config.processes - 1}"
        )
    return ProcessGroup(process, config.processes, coordinator=config.coordinator)


def slurm_group(environment: Any) -> ProcessGroup:
    """Makes the process group of the tasks of a Slurm step; ALONE without a step.

    >>> step = {"SLURM_STEP_NUM_TASKS": "2", "SLURM_PROCID": "1"}
    >>> slurm_group(step | {"SLURM_STEP_NODELIST": "n[07-08],m1", "SLURM_JOB_ID": "3"})
    ProcessGroup(process=1, processes=2, devices=1, coordinator='n07:61443')
    """
    processes = int(environment.get("SLURM_STEP_NUM_TASKS", 1))
    if processes == 1:
        return ALONE
    nodes = environment["SLURM_STEP_NODELIST"]
    first = "".join(re.match(r"([^,\[]+)(?:\[(\d+))?", nodes).groups(""))
    port = PORT + int(environment["SLURM_JOB_ID"]) % 4096
    process = int(environment["SLURM_PROCID"])
    return ProcessGroup(process, processes, coordinator=f"{first}:{port}")
