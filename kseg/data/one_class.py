"""Data for networks that find objects of any class: all of them are of one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from edge.core.constants import bright_colors
from kseg.core.names import CLASS_AGNOSTIC
from kseg.data.sample import Dataset, Sample, Split

OBJECT = "object"


@dataclass(frozen=True)
class OneClassSplit:
    """A split whose objects all have class 0."""

    split: Split

    @property
    def names(self) -> list[str]:
        return self.split.names

    @property
    def sizes(self) -> list[tuple[int, int]]:
        return self.split.sizes

    @property
    def files(self) -> list[Path]:
        return self.split.files

    def read(self, index: int) -> Sample:
        image, objects = self.split.read(index)
        same = replace(objects, class_ids=np.zeros_like(objects.class_ids))
        return Sample(image, same)


def data_for(model: str, data: Dataset) -> Dataset:
    """The data as the network `model` sees them: of one class if it knows no others."""
    if model not in CLASS_AGNOSTIC:
        return data
    return replace(
        data,
        class_names=(OBJECT,),
        colors=bright_colors(1),
        splits={name: OneClassSplit(split) for name, split in data.splits.items()},
        whole=data.whole and data_for(model, data.whole),
    )
