"""The origin of a run: its command, versions, machine and data."""

from __future__ import annotations

import os
import platform
import shlex
from dataclasses import fields
from importlib import metadata
from typing import Any

from edge.core.system import processor_name, usable_cores
from kseg.core.configs import ExportConfig, TrainConfig
from kseg.core.names import OF_STARTING, __version__
from kseg.core.options import flag
from kseg.core.task_defaults import asked_options
from kseg.core.time_options import MOST_EPOCHS

BACKENDS = {"jax": ("jax",), "torch": ("torch",)}  # in addition to those always listed


def command_line(config: TrainConfig | ExportConfig, verb: str = "train") -> str:
    """The command that makes a run or its files: every option that would be another.

    >>> command_line(TrainConfig(data="my photos", size=(64, 96), flip=False))
    "kseg train --data 'my photos' --size 64x96 --no-flip"
    >>> command_line(TrainConfig(hours=2.0, epochs=MOST_EPOCHS))
    'kseg train --hours 2.0'
    >>> command_line(ExportConfig(run="a", quantize=("int8", "qat")), "export")
    'kseg export a --quantize int8,qat'
    """
    words, values = ["kseg", verb], changed_options(config)
    for field in fields(config):
        if field.name not in values or field.name in OF_STARTING:
            continue
        value = values[field.name]
        if field.name == "epochs" and value == MOST_EPOCHS:  # not given; see --hours
            continue
        if field.metadata.get("positional"):
            words.insert(2, str(value))
        elif isinstance(value, bool):
            words.append(flag(field.name, value))
        else:
            words += [flag(field.name), written(field.name, value)]
    return shlex.join(words)


def written(name: str, value: Any) -> str:
    """The value of an option as the command line takes it.

    >>> written("size", (64, 96)), written("quantize", ("int8", "qat"))
    ('64x96', 'int8,qat')
    """
    parts = value if isinstance(value, tuple) else (value,)
    return ("x" if name == "size" else ",").join(map(str, parts))


def changed_options(config: TrainConfig | ExportConfig) -> dict[str, Any]:
    """The options that have to be given, by name."""
    if isinstance(config, TrainConfig):
        return asked_options(config)
    values = ((field, getattr(config, field.name)) for field in fields(config))
    return {field.name: value for field, value in values if value != field.default}


def versions() -> dict[str, str]:
    """The versions of Python and of the packages that a result depends on."""
    import keras

    backend = keras.backend.backend()
    packages = ("keras", "tensorflow", "numpy", *BACKENDS.get(backend, ()))
    return {
        "kseg": __version__,
        **{name: metadata.version(name) for name in packages},
        "python": platform.python_version(),
        "backend": backend,
    }


def machine() -> dict[str, Any]:
    """The machine on which the run was timed."""
    return {
        "processor": processor_name(),
        "threads": usable_cores(),
        "devices": devices(),
        "system": platform.platform(terse=True),
    }


def describe_devices() -> str:
    """The devices of the backend in a few words."""
    import keras

    name = keras.backend.backend()
    cards = [device for device in devices() if not device.startswith("cpu:")]
    if cards:
        return f"{name}, {len(cards)} GPU"
    if name != "tensorflow":
        return f"{name}, CPU"
    onednn = "off" if os.environ.get("TF_ENABLE_ONEDNN_OPTS") == "0" else "on"
    return f"CPU, oneDNN {onednn}"


def devices() -> list[str]:
    """The devices of the backend, such as cpu:0 and gpu:0."""
    import keras

    if keras.backend.backend() != "torch":
        return keras.distribution.list_devices()
    import torch

    cards = range(torch.cuda.device_count())
    return ["cpu:0", *(torch.cuda.get_device_name(card) for card in cards)]
