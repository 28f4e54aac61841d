"""Trains `localize` by the loss of the class, of the box, and by both, and compares.

    kseg benchmark localize

The data are `shapes` of one object a scene. Each network has the same first weights,
images and steps. The table has the shares of the validation scenes whose class is
right, whose box overlaps the true one by at least 0.5 (intersection over union), and
with both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from benchmarks.results import JSON_HELP, option, show
from edge.core.log import say
from edge.predict.base import Predictor
from edge.predict.boxes import iou_matrix
from kseg.cli.parser import parse
from kseg.core import backend
from kseg.core.configs import TrainConfig
from kseg.core.names import ENCODER_NAMES
from kseg.core.options import Output, Size
from kseg.core.process_group import ALONE
from kseg.core.task_defaults import for_task
from kseg.data.open import open_data
from kseg.data.sample import Dataset, Split

IOU = 0.5


@dataclass(frozen=True)
class LocalizeConfig:
    """Options of `kseg benchmark localize`."""

    encoder: str = option("plain", "encoder of the network", choices=ENCODER_NAMES)
    size: Size = option((128, 128), "training crop in pixels")
    epochs: int = option(10, "epochs of each training")
    batch_size: int = option(16, "images per training step")
    seed: int = option(0, "random seed of weights and images", zero=True)
    json: Output = option("", JSON_HELP)


def main(argv: Sequence[str] | None = None) -> None:
    config = parse(LocalizeConfig, "kseg benchmark localize", __doc__, argv)
    show(compare(config), table, config.json)


def compare(config: LocalizeConfig) -> dict[str, Any]:
    """The shares of right scenes by loss, and what was trained."""
    data = open_data("shapes", task="detection", objects=1)
    backend.start()
    losses = {}
    for name, weights in weights_of_losses().items():
        say(f"training with the loss {name}")
        predictor = trained(training_config(config), data, weights)
        losses[name] = shares(predictor, data.split("val"))
    return {
        "encoder": config.encoder,
        "size": config.size,
        "epochs": config.epochs,
        "scenes": {name: len(split.sizes) for name, split in data.splits.items()},
        "losses": losses,
    }


def weights_of_losses() -> dict[str, tuple[float, float]]:
    """Loss -> the weights of the class and of the box."""
    from kseg.training.losses.one_object import BOX_WEIGHT, CLASS_WEIGHT

    return {
        "class": (CLASS_WEIGHT, 0.0),
        "box": (0.0, BOX_WEIGHT),
        f"class + {BOX_WEIGHT:g} box": (CLASS_WEIGHT, BOX_WEIGHT),
    }


def training_config(config: LocalizeConfig) -> TrainConfig:
    """The configuration of `kseg train`, but for averaged weights."""
    named = {
        "model": "localize",
        "objects": 1,
        "encoder": config.encoder,
        "size": config.size,
        "epochs": config.epochs,
        "batch_size": config.batch_size,
        "seed": config.seed,
        "ema": 0.0,
    }
    return for_task(TrainConfig(**named), named, "detection")


def trained(
    config: TrainConfig, data: Dataset, weights: tuple[float, float]
) -> Predictor:
    """The predictor of a network trained with weights of the class and of the box."""
    from edge.predict.open import predictor_of
    from kseg.data.loading import BATCHES
    from kseg.models import geometry
    from kseg.models.keras_engine import KerasEngine
    from kseg.training.detection import SYSTEMS
    from kseg.training.fit import compiled_network
    from kseg.training.losses.one_object import OneObjectLoss

    assert config.size is not None
    steps = max(1, len(data.split("train").sizes) // config.batch_size)
    loss = OneObjectLoss(config.size, *weights)
    model = compiled_network(config, data, steps, loss)
    shape = geometry(model)
    loader = BATCHES[data.task](config, data, config.size, shape, ALONE)
    model.fit(
        loader.training(),
        epochs=config.epochs,
        steps_per_epoch=steps,
        shuffle=False,
        verbose=0,
    )
    decoder = SYSTEMS[config.model].decoder(config, data)
    info = replace(data.info, decoder=decoder, geometry=shape)
    return predictor_of(KerasEngine(model), info)


def shares(predictor: Predictor, split: Split) -> dict[str, float]:
    """The shares of the images with the right class, the right box, and both."""
    classes = boxes = both = 0
    count = len(split.sizes)
    for index in range(count):
        image, objects = split.read(index)
        found = predictor.predict(image)
        label = found.class_ids[:1].tolist() == objects.class_ids.tolist()
        place = bool((iou_matrix(found.boxes[:1], objects.boxes) >= IOU).any())
        classes, boxes, both = classes + label, boxes + place, both + (label and place)
    named = {"class": classes, "box": boxes, "both": both}
    return {name: round(number / count, 4) for name, number in named.items()}


def table(figures: dict[str, Any]) -> str:
    """The results as text."""
    from tabulate import tabulate

    rows = [(name, *found.values()) for name, found in figures["losses"].items()]
    size = "x".join(str(side) for side in figures["size"])
    heads = ("loss", "class right", f"IoU >= {IOU}", "both")
    return (
        f"localize on {figures['encoder']}, {size}, {figures['epochs']} epochs of "
        f"{figures['scenes']['train']} scenes, {figures['scenes']['val']} val scenes"
        f"\n\n{tabulate(rows, heads, floatfmt=('', '.3f', '.3f', '.3f'))}"
    )
