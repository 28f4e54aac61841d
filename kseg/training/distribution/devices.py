"""Devices that share each step's images."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any, Sequence

from edge.core.errors import InputError
from kseg.core.configs import TrainConfig
from kseg.core.process_group import ProcessGroup

log = logging.getLogger(__name__)


def chosen(devices: Sequence[Any], config: TrainConfig) -> Sequence[Any]:
    """The first --devices of a process's devices; all where it was not given."""
    if len(devices) < (config.devices or 1):
        raise InputError(f"--devices {config.devices}: there are {len(devices)} here")
    return devices[: config.devices]


def with_devices(
    config: TrainConfig, group: ProcessGroup, devices: int
) -> ProcessGroup:
    """The group with its devices counted, and that said in the log.

    Raises InputError for what they cannot share.
    """
    images = config.images_per_step
    if images % devices:
        raise InputError(
            f"--batch-size {config.batch_size}: {devices} devices share the {images} "
            f"images of a step; give a multiple of {devices}"
        )
    if group.is_main:
        log.info(
            f"processes: {group.processes}, devices: {devices}, each with "
            f"{images // devices} of a step's {images} images"
        )
    else:
        log.info(
            f"process {group.process} of {group.processes}, with process 0 at "
            f"{group.coordinator}, which writes the run and its log"
        )
    return replace(group, devices=devices)
