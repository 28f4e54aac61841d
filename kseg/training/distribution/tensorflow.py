"""Training on the GPUs of one machine with a MirroredStrategy of TensorFlow."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Iterator

from kseg.core.configs import TrainConfig
from kseg.core.process_group import ProcessGroup
from kseg.training.distribution.devices import count_devices, select_devices


@contextmanager
def on_tensorflow(config: TrainConfig, group: ProcessGroup) -> Iterator[ProcessGroup]:
    """Runs the block on all GPUs, or on --devices logical CPUs if there is no GPU."""
    import tensorflow as tf

    kind = "GPU" if tf.config.list_physical_devices("GPU") else "CPU"
    if kind == "CPU" and config.devices:
        (processor,) = tf.config.list_physical_devices("CPU")
        logical = [tf.config.LogicalDeviceConfiguration()] * config.devices
        tf.config.set_logical_device_configuration(processor, logical)
    devices = select_devices(tf.config.list_logical_devices(kind), config)
    group = count_devices(config, group, len(devices))
    if len(devices) == 1:
        yield group
        return
    strategy = tf.distribute.MirroredStrategy([device.name for device in devices])
    with strategy.scope():
        yield group
