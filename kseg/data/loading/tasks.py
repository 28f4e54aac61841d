"""The batch loader of each task; a task adds an entry."""

from __future__ import annotations

from typing import Any, Callable

from kseg.data.loading.batches import BatchLoader
from kseg.data.loading.objects import ObjectBatchLoader

# Task -> class with the arguments (config, data, crop size, input geometry, process
# group). Its `training(start_step)` and `validation()` return a tf.data.Dataset; its
# `readers` keep the error of a read that failed. With --hours, `epochs` is set to the
# number that is planned, several times.
BATCHES: dict[str, Callable[..., Any]] = {
    "semantic": BatchLoader,
    "instance": ObjectBatchLoader,
    "detection": ObjectBatchLoader,
}
