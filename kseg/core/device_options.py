"""The group of options that put a training on several devices and machines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from kseg.core.options import Use, option

DISTRIBUTED = Use(lambda config: config.distribute, "without --distribute")
SEVERAL_PROCESSES = Use(lambda config: config.coordinator, "without --coordinator")


@dataclass(frozen=True, kw_only=True)
class DeviceOptions:
    """Several devices and machines; see OF_MACHINES."""

    title = "Several devices, see docs/distributed.md"

    distribute: bool = option(False, "split each batch over all devices of the machine")
    devices: Optional[int] = option(
        None,
        "number of devices per machine; without GPUs, logical ones",
        DISTRIBUTED,
    )
    coordinator: str = option("", "HOST:PORT of process 0", DISTRIBUTED)
    processes: Optional[int] = option(None, "number of processes", SEVERAL_PROCESSES)
    process: Optional[int] = option(
        None, "number of this process, from 0", SEVERAL_PROCESSES, zero=True
    )
    join_seconds: int = option(
        300, "seconds to wait for the other processes", DISTRIBUTED
    )
