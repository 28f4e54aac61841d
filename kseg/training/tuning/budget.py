"""The time of a search: how many epochs a trial gets, and whether one fits."""

from __future__ import annotations

from typing import Sequence

from edge.core.errors import InputError

WHOLE_TRIALS = 20  # at least so many trials should fit into the time
LEAST_EPOCHS, MOST_EPOCHS = 3, 30  # of a trial
HOUR = 3600.0


def plan_epochs(left: float, startup: float, epoch_seconds: float) -> int:
    """The epochs of each trial, so that WHOLE_TRIALS of them take `left` seconds.

    A trial takes `startup` seconds and `epoch_seconds` for each epoch. Between
    LEAST_EPOCHS and MOST_EPOCHS: with much time there are more trials instead.

    >>> plan_epochs(8 * 3600, 40, 100), plan_epochs(60, 1, 10), plan_epochs(9e5, 1, 10)
    (14, 3, 30)
    """
    fitting = int((left / WHOLE_TRIALS - startup) / epoch_seconds)
    return min(MOST_EPOCHS, max(LEAST_EPOCHS, fitting))


def check_hours(hours: float, used: float, trial_seconds: float) -> None:
    """Raises InputError if not even one trial fits into the time."""
    needed = (used + 1.1 * trial_seconds) / HOUR
    if needed > hours:
        raise InputError(
            f"--hours {hours:g}: too short for one trial, which takes about "
            f"{trial_seconds / 60:.1f} min here; use at least --hours {needed:.2g}, a "
            "smaller --size, or fewer images"
        )


def times_of(seconds: Sequence[float]) -> tuple[float, float]:
    """Seconds of the epochs of a probe -> (start-up, seconds of an epoch).

    The first epoch builds the graph; what it takes longer is the start-up.

    >>> times_of([30.0, 10.0])
    (20.0, 10.0)
    """
    each = min(seconds)
    return seconds[0] - each, max(each, 1e-3)
