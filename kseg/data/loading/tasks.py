"""What each task trains on and validates with; a task adds an entry."""

from __future__ import annotations

from typing import Any, Callable

from kseg.data.loading.batches import BatchLoader

# (config, data, crop size, input geometry, process group) -> `training(start_step)` and
# `validation()`, both tf.data.Dataset, and `readers`, which hold what a read refused.
BATCHES: dict[str, Callable[..., Any]] = {"semantic": BatchLoader}
