"""Selects the devices that share the images of each step."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any, Sequence

from edge.core.errors import InputError
from kseg.core.configs import TrainConfig
from kseg.core.process_group import ProcessGroup

log = logging.getLogger(__name__)


def select_devices(devices: Sequence[Any], config: TrainConfig) -> Sequence[Any]:
    """Returns the first --devices devices of a process; all without the option."""
    if len(devices) < (config.devices or 1):
        raise InputError(
            f"--devices {config.devices}: this machine has only {len(devices)}"
        )
    return devices[: config.devices]


def count_devices(
    config: TrainConfig, group: ProcessGroup, devices: int
) -> ProcessGroup:
    """Returns the group with its number of devices, and logs it.

    Raises InputError if the devices cannot share the batch evenly.
    """
    images = config.images_per_step
    if images % devices:
        raise InputError(
            f"--batch-size {config.batch_size}: {devices} devices cannot share the "
            f"{images} images of a step evenly; use a multiple of {devices}"
        )
    if group.is_main:
        log.info(
            f"processes: {group.processes}, devices: {devices}; each device gets "
            f"{images // devices} of the {images} images of a step"
        )
    else:
        log.info(
            f"process {group.process} of {group.processes}; process 0 at "
            f"{group.coordinator} writes the run folder and the log"
        )
    return replace(group, devices=devices)
