"""How many steps fit into a time: the arithmetic of `--hours`, without a network."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Callable


@dataclass
class TimeBudget:
    """A time in seconds, and how much of it is used.

    `began` is when this process began, by `clock`; `earlier` is the time that earlier
    processes used, of a resumed run. The clock is monotonic: a clock that is set does
    not change it, and on Linux and macOS it stands still while the machine sleeps.
    """

    seconds: float
    began: float
    earlier: float = 0.0
    clock: Callable[[], float] = time.monotonic

    def used(self) -> float:
        return self.earlier + self.clock() - self.began

    def left(self) -> float:
        return self.seconds - self.used()


@dataclass(frozen=True)
class Costs:
    """Seconds that the parts of a training take.

    `epoch_end` is the mean of the ends of epochs, some of which have a validation;
    `last_end` is that of the last epoch, which has one; `report` is what follows.
    """

    step: float
    epoch_end: float
    last_end: float
    report: float


@dataclass
class Pace:
    """The mean time of a step, in which recent steps count more than old ones."""

    seconds: float = 0.0
    count: float = 0.0

    def add(self, seconds: float) -> None:
        self.seconds += seconds
        self.count += 1

    def forget_half(self) -> None:
        """Halves the weight of the steps so far."""
        self.seconds, self.count = self.seconds / 2, self.count / 2

    @property
    def step(self) -> float:
        """Seconds per step; 0 before the first one."""
        return self.seconds / self.count if self.count else 0.0


def epoch_ends(more: int, index: int, steps: int) -> int:
    """How many epochs end within the next `more` steps, without that of the last step.

    `index` steps of the current epoch of `steps` steps are done. The last epoch is
    shorter where the steps do not fill it.

    >>> [epoch_ends(more, 0, 10) for more in (10, 11, 20, 21)]
    [0, 1, 1, 2]
    """
    return max(0, index + more - 1) // steps


def seconds_of(more: int, index: int, steps: int, costs: Costs) -> float:
    """Seconds until the end of everything, with `more` steps; see `epoch_ends`."""
    ends = epoch_ends(more, index, steps) * costs.epoch_end
    return more * costs.step + ends + costs.last_end + costs.report


def steps_that_fit(seconds: float, index: int, steps: int, costs: Costs) -> int:
    """The largest number of steps whose `seconds_of` is at most `seconds`; from 0.

    >>> costs = Costs(step=1, epoch_end=5, last_end=5, report=20)
    >>> steps_that_fit(100, 0, 10, costs)  # 50 steps, 4 ends, the last end, report
    50
    """
    low, high = 0, int(max(0.0, seconds) / max(costs.step, 1e-6)) + 1
    while high - low > 1:
        middle = (low + high) // 2
        if seconds_of(middle, index, steps, costs) <= seconds:
            low = middle
        else:
            high = middle
    return low
