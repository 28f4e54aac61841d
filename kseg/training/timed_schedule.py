"""A learning rate that follows the share of a training that is done. Only Keras."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from kseg.training.optimizer import SCHEDULES, decay

FIRST_SHARE = 0.2  # the warm-up's share before the first plan


@keras.saving.register_keras_serializable("kseg")
class TimedSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """Warm-up, then the decay of `Schedule`, for a last step that is not yet known.

    The share of the training that is done, from 0 to 1, is linear in the step; `plan`
    changes its slope when the last step changes, so the share goes on from where it is
    and is 1 at the last step. The rate rises from 0 to `peak` over the first shares and
    then decays over the others; see `Schedule` for `course` and `final`.

    `progress` (4,) float32 holds share, step, share per step and share of the warm-up.
    An optimizer of kseg.training.optimizer takes it as its own variable, so a
    checkpoint has it. Before the first plan the warm-up takes `warmup` steps.
    """

    def __init__(self, peak: float, warmup: int, course: str, final: float = 0.0):
        """Raises ValueError for an unknown course."""
        if course not in SCHEDULES:
            raise ValueError(f"`course` must be one of {SCHEDULES}, got {course!r}.")
        self.peak, self.warmup = peak, warmup
        self.course, self.final = course, final
        warm = FIRST_SHARE if warmup else 0.0
        start = (0.0, 0.0, warm / max(1, warmup), warm)
        self.progress = keras.Variable(
            np.array(start, np.float32), trainable=False, name="progress"
        )

    def __call__(self, step: Any) -> Any:
        share, start, slope, warm = ops.unstack(ops.convert_to_tensor(self.progress))
        share = share + (ops.cast(step, "float32") - start) * slope
        rate = decay((share - warm) / ops.maximum(1 - warm, 1e-6), self.course)
        rate = self.final + (1 - self.final) * rate
        rising = share / ops.maximum(warm, 1e-6)
        return self.peak * ops.where(share < warm, rising, rate)

    def plan(self, step: int, end: int) -> None:
        """Sets the last step to `end`; `step` steps are done.

        Within the warm-up its length follows from the new end as well.
        """
        share, start, slope, warm = np.asarray(
            ops.convert_to_numpy(self.progress), np.float64
        )
        share += (step - start) * slope
        if share <= warm or not start:
            share = step / max(1, end)
            warm = min(self.warmup, end // 5) / max(1, end)
        share = min(share, 1.0)
        slope = (1 - share) / max(1, end - step)
        self.progress.assign(np.array([share, step, slope, warm], np.float32))

    def get_config(self) -> dict[str, Any]:
        names = ("peak", "warmup", "course", "final")
        return {name: getattr(self, name) for name in names}
