"""The GPUs of one machine under a MirroredStrategy."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Iterator

from kseg.core.configs import TrainConfig
from kseg.core.process_group import ProcessGroup
from kseg.training.distribution.devices import chosen, with_devices


@contextmanager
def on_tensorflow(config: TrainConfig, group: ProcessGroup) -> Iterator[ProcessGroup]:
    """One machine's GPUs under a MirroredStrategy, or --devices logical processors."""
    import tensorflow as tf

    kind = "GPU" if tf.config.list_physical_devices("GPU") else "CPU"
    if kind == "CPU" and config.devices:
        (processor,) = tf.config.list_physical_devices("CPU")
        logical = [tf.config.LogicalDeviceConfiguration()] * config.devices
        tf.config.set_logical_device_configuration(processor, logical)
    devices = chosen(tf.config.list_logical_devices(kind), config)
    group = with_devices(config, group, len(devices))
    if len(devices) == 1:
        yield group
        return
    strategy = tf.distribute.MirroredStrategy([device.name for device in devices])
    with strategy.scope():
        yield group
