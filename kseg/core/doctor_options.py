"""The options of `kseg doctor` itself; it also takes those of augmentation."""

from __future__ import annotations

from dataclasses import dataclass

from kseg.core.names import TASKS
from kseg.core.options import (
    DATA_HELP,
    JSON_HELP,
    TASK_HELP,
    Output,
    option,
    positional,
)


@dataclass(frozen=True)
class DoctorOptions:
    """What the doctor reads and writes."""

    title = "Doctor"

    data: str = positional(DATA_HELP)
    task: str = option("", TASK_HELP, basic=True, choices=TASKS)
    output: str = option(
        "", "folder for doctor.png, and augmentation.png if asked for", basic=True
    )
    json: Output = option("", JSON_HELP, basic=True)
    seed: int = option(
        0, "random seed of the split and the augmentation", basic=True, zero=True
    )
    show_augmentation: bool = option(
        False,
        "draw augmentation.png: images as training would see them",
        basic=True,
    )
