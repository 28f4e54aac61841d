"""Which classes are labelled in a split; metrics say nothing of the others."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np

from edge.core.errors import shortened
from kseg.data.sample import Objects, Sample

log = logging.getLogger(__name__)

LONGEST_LIST = 400  # characters of the names of classes in a message


class LabelledClasses:
    """Notes which classes are labelled in a split: an `Observer` of its images.

    Targets of tasks other than masks and objects are not counted.
    """

    def __init__(self, class_names: tuple[str, ...]):
        self.class_names = class_names
        self.labelled = np.zeros(256, bool)
        self.known = True

    def add(self, index: int, sample: Sample, result: Any) -> None:
        """Adds the target of an image."""
        target = sample.target
        ids = target.class_ids if isinstance(target, Objects) else np.asarray(target)
        if ids.dtype.kind not in "iu":
            self.known = False
            return
        self.labelled |= np.bincount(ids.ravel(), minlength=256)[:256] > 0

    @property
    def missing(self) -> list[str]:
        """The names of the classes that no image of the split shows."""
        if not self.known:
            return []
        return [n for i, n in enumerate(self.class_names) if not self.labelled[i]]

    def report(self, data: str, split: str) -> None:
        """Logs the classes of which the metrics say nothing, if there are any."""
        if self.missing:
            names = shortened(", ".join(map(shortened, self.missing)), LONGEST_LIST)
            log.warning(
                f"{data}: no image of {split} shows {names}; the metrics say nothing "
                "of how well the model finds it"
            )
