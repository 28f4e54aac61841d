"""Training of a network for images with exactly one object: `localize`."""

from __future__ import annotations

from functools import partial
from typing import Any

from edge.core.errors import InputError
from kseg.core.configs import TrainConfig
from kseg.core.progress import in_parallel
from kseg.data.sample import Dataset, Split
from kseg.training.detection.system import ObjectSystem
from kseg.training.losses.joint import JointLoss

CHECKED = ("train", "val")  # splits


def loss(config: TrainConfig, data: Dataset) -> JointLoss:
    """Raises InputError for an image without exactly one object."""
    from kseg.data.loading.cell_targets import crop_of
    from kseg.training.losses.one_object import OneObjectLoss

    if not config.resume:  # the data of a resumed run are the same
        check_one_object(data)
    return OneObjectLoss(crop_of(config, data))


def check_one_object(data: Dataset) -> None:
    """Raises InputError for the first image that has not exactly one object.

    Crowds do not count. The images of train and val are read; of generated scenes only
    the first, as all have the same number of objects or a random one.
    """
    for name in CHECKED:
        split = data.split(name)
        indices = range(len(split.sizes) if split.files else 1)
        counts = in_parallel(partial(count_of, split), indices, f"{name}, objects")
        for index, count in enumerate(counts):
            if count != 1:
                generated = "" if split.files else ", or give --objects 1 for shapes"
                raise InputError(
                    f"{data.name}, split {name}: {split.names[index]} has {count} "
                    "objects, and localize needs exactly one in each image; use "
                    f"--model yolo or instances{generated}"
                )


def count_of(split: Split, index: int) -> int:
    """The number of objects of an image, without crowds."""
    return int((~split.read(index).target.crowd).sum())


def network_options(config: TrainConfig, data: Dataset) -> dict[str, Any]:
    return {}


def decoder(config: TrainConfig, data: Dataset) -> dict[str, Any]:
    """Every image has an object, so that no score is too low."""
    return {"kind": "boxes", "score": 0.0, "nms": 1.0, "max_detections": 1}


ONE_OBJECT = ObjectSystem(loss, network_options, decoder)
