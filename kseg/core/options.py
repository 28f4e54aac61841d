"""Groups of options: dataclasses whose fields hold an option's type, default and help.

An option that several commands have is defined here once. `--help` shows those that are
`basic`, `--help-all` shows all.
"""

from __future__ import annotations

from dataclasses import MISSING, dataclass, field, fields
from typing import Any, Callable, Collection, NamedTuple, NewType, Optional

from edge.core.errors import InputError
from kseg.core.names import (
    CLASS_WEIGHTS,
    DECAYED,
    ENCODER_NAMES,
    GRID_HEADS,
    GROUPING_NAMES,
    LOSS_NAMES,
    MODEL_NAMES,
    PEAK_RATES,
    PRECISIONS,
    SCHEDULE_NAMES,
    TASKS,
    UPSAMPLINGS,
)

Size = tuple[int, int]
Output = NewType("Output", str)  # a file to write, - for stdout, or empty for neither
File = NewType("File", str)  # a file to write, or empty
Share = NewType("Share", float)  # from 0 to 1
Scales = NewType("Scales", tuple)  # of floats over 0
Strides = NewType("Strides", tuple)  # of powers of 2
Names = NewType("Names", tuple)  # of texts without commas


DATA_HELP = "data folder, or 'shapes': generated scenes without files"
MOVED_HELP = "data folder of the run, if it has moved"
MODEL_HELP = (
    "run folder, .keras, .tflite or .onnx file, several with commas, or grouping:KIND, "
    f"which needs no training; KIND is one of {', '.join(GROUPING_NAMES)}"
)
TASK_HELP = "what to predict; default: what the data are for"
JSON_HELP = "also write the result to this JSON file; '-' is stdout"


class Use(NamedTuple):
    """When an option is used: `when(config)`; else it "has no effect `otherwise`"."""

    when: Callable[[Any], bool]
    otherwise: str


def option(
    default: Any,
    text: str,
    *used_by: Use,
    basic: bool = False,
    aliases: tuple[str, ...] = (),
    **extra: Any,
) -> Any:
    """A field that becomes --its-name; it has an effect where all of `used_by` hold.

    `--help` shows it if it is `basic`. `aliases` are old names of the field, which are
    accepted and never shown.
    """
    metadata = {"help": text, "used_by": used_by, "basic": basic, "aliases": aliases}
    return field(default=default, metadata=metadata | extra)


def positional(text: str, default: Any = MISSING, **extra: Any) -> Any:
    """A field given by its position; one with a default is optional."""
    metadata = {"help": text, "positional": True, "basic": True, **extra}
    return field(default=default, metadata=metadata)


def flag(name: str, value: Any = None) -> str:
    """A field's name as it is typed; of a switch that is turned off with --no.

    >>> flag("batch_size"), flag("flip", False)
    ('--batch-size', '--no-flip')
    """
    return f"--{'no-' * (value is False)}{name.replace('_', '-')}"


def title_of(cls: type, name: str) -> str:
    """The title under which `--help` lists a field of a configuration."""
    item = cls.__dataclass_fields__[name]  # type: ignore[attr-defined]
    owner = next(
        base for base in cls.__mro__ if name in base.__dict__.get("__annotations__", ())
    )
    return item.metadata.get("group") or owner.__dict__.get("title", "Options")


def refuse_unused(config: Any, given: Optional[Collection[str]] = None) -> None:
    """Raises InputError for an option that was given and would have no effect.

    `given` are names of options; without it, those that differ from their default.
    """
    for item in fields(config):
        changed = getattr(config, item.name) != item.default
        if not (changed if given is None else item.name in given):
            continue
        for use in item.metadata.get("used_by", ()):
            if not use.when(config):
                name = flag(item.name, getattr(config, item.name))
                raise InputError(f"{name}: has no effect {use.otherwise}")


AUGMENTING = Use(
    lambda config: getattr(config, "show_augmentation", True),
    "without --show-augmentation",
)
OF_SHAPES = Use(
    lambda config: config.data == "shapes", "on labelled images; leave it out"
)
DISTRIBUTED = Use(lambda config: config.distribute, "without --distribute")
SEVERAL_PROCESSES = Use(lambda config: config.coordinator, "without --coordinator")


# --- groups ---


@dataclass(frozen=True, kw_only=True)
class DataOptions:
    """What a run is trained on."""

    title = "Data"

    data: str = option("shapes", DATA_HELP, basic=True)
    task: str = option("", TASK_HELP, basic=True, choices=TASKS)
    objects: int = option(
        0,
        "number of objects in each scene of shapes, such as 1 for `localize`; default: "
        "a random one from 4 to 10",
        OF_SHAPES,
        most=100,
        zero=True,
    )
    images: Optional[int] = option(
        None, "train on so many images, chosen by the seed; default: all", most=10**9
    )
    seed: int = option(
        0,
        "random seed of weights, shuffling, augmentation and split",
        basic=True,
        zero=True,
    )
    memory_share: Share = option(
        0.4, "share of free memory for decoded images; 0 decodes them in every epoch"
    )


@dataclass(frozen=True, kw_only=True)
class ArchitectureOptions:
    """The parts of a network."""

    title = "Network"

    encoder: str = option(
        "plain", "encoder (backbone)", basic=True, choices=ENCODER_NAMES
    )
    width: Optional[int] = option(
        None, "base number of channels; default 16, for unet_paper 64", most=4096
    )
    alpha: Optional[float] = option(
        None, "width multiplier of MobileNetV2 and V3; default 1"
    )
    upsampling: str = option(
        "", "upsampling in the decoder, else the network's own", choices=UPSAMPLINGS
    )
    fc_width: Optional[int] = option(
        None,
        "channels of fc6 and fc7 of FCN, R-CNN and Fast R-CNN; default 4096 on vgg16 "
        "and alexnet, else 256; units of the heads of rpn, faster_rcnn and mask_rcnn, "
        "whose levels have a quarter as many channels; default 1024, on plain 256",
    )
    strides: Strides = option(
        (),
        "strides of the levels of `instances`; default 8,16,32, for crops under 192 "
        "pixels 4,8,16; of rpn, faster_rcnn and mask_rcnn 4,8,16,32, for such crops "
        "4,8,16; of `fast_rcnn`, which pools the finest, 16, for such crops 2,4,8,16; "
        "the one stride of `yolo`, default 8, and of `detr`, default 32, for such "
        "crops 8",
    )
    grid_head: str = option(
        "",
        "end of yolo: conv, or dense as in its paper, for one input size; default conv",
        choices=GRID_HEADS,
    )
    layers: Optional[int] = option(
        None, "encoder and decoder layers of `detr`; default 6", most=64
    )
    queries: Optional[int] = option(
        None,
        "queries of `detr`, the most objects that it finds; default 100",
        most=1000,
    )
    attention_width: Optional[int] = option(
        None, "channels of the transformer of `detr`; default 256", most=4096
    )
    dropout: Optional[Share] = option(
        None, "dropout in the transformer of `detr`; default 0.1"
    )


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """The network by its name."""

    title = "Network"

    model: str = option(
        "unet",
        "network; the default is unet, and instances for objects",
        basic=True,
        choices=MODEL_NAMES,
    )


@dataclass(frozen=True, kw_only=True)
class NetworkOptions(ArchitectureOptions, ModelOptions):
    """The network of a run and its initial weights."""

    title = "Network"

    weights: str = option(
        "none", "encoder weights: imagenet, none, or a file", basic=True
    )
    encoder_rate: float = option(
        1.0,
        "factor of the learning rate in the encoder; 0 freezes it; with pretrained "
        "weights for unet and for objects 0.3",
    )
    init_from: str = option(
        "",
        "run that gives the initial weights, such as FCN-32s for FCN-16s",
        basic=True,
    )


@dataclass(frozen=True, kw_only=True)
class CropOptions:
    """The size at which training sees images."""

    size: Optional[Size] = option(
        None,
        "training crop in pixels; default: the images' size, at most 320x320",
        AUGMENTING,
        basic=True,
        group="Training",
    )
    max_side: int = option(
        1024,
        "shrink larger images to this longest side, in pixels",
        AUGMENTING,
        most=65_536,
        group="Data",
    )


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """The steps of a training."""

    title = "Training"

    epochs: int = option(
        30, "passes over the training images", basic=True, most=1_000_000
    )
    batch_size: int = option(
        8, "images per step; for objects 16", basic=True, most=65_536
    )
    optimizer: str = option("adamw", "optimizer", choices=tuple(PEAK_RATES))
    learning_rate: Optional[float] = option(
        None,
        "peak learning rate; default 1e-3, for unet with pretrained weights 4e-3, for "
        "objects from scratch 4e-3, for sgd 2e-2",
        basic=True,
        most=1e30,
    )
    weight_decay: float = option(
        1e-4,
        "weight decay, multiplied by the learning rate; for objects 0.05",
    )
    weight_decay_of: str = option(
        "all",
        "weights that decay: all, or kernels alone, without biases and batch norm; for "
        "objects kernels",
        choices=DECAYED,
    )
    clip_norm: float = option(
        0.0, "largest norm of the gradient of all weights; 0 is off; for objects 10"
    )
    warmup_steps: int = option(
        100,
        "steps of linear warm-up, at most a fifth of all steps; for objects 200",
        zero=True,
    )
    schedule: str = option(
        "cosine",
        "decay of the learning rate; for unet with pretrained weights polynomial",
        choices=SCHEDULE_NAMES,
    )
    final_rate: Share = option(
        0.0, "share of the peak learning rate at the last step; for objects 0.02"
    )
    ema: Share = option(
        0.0,
        "decay of a moving average of the weights, such as 0.99; 0 is off; for objects "
        "0.999",
    )
    patience: int = option(
        0,
        "stop after this many validated epochs without improvement; 0 never",
        zero=True,
    )
    precision: str = option(
        "float32",
        "of the arithmetic; weights stay float32",
        basic=True,
        choices=PRECISIONS,
    )
    deterministic: bool = option(
        False, "give identical numbers in every run; a little slower"
    )


@dataclass(frozen=True, kw_only=True)
class LossOptions:
    """The loss of a training."""

    title = "Loss"

    loss: str = option(
        "ce+dice",
        f"{', '.join(LOSS_NAMES)}, or a sum such as ce+0.5*dice",
        basic=True,
    )
    class_weights: str = option(
        "none",
        "more weight for rare classes in ce, focal and ohem",
        basic=True,
        choices=CLASS_WEIGHTS,
    )
    border_weight: float = option(
        0.0, "extra weight of pixels between touching objects; U-Net's paper has 10"
    )
    loss_share: float = option(
        1.0, "share of the pixels, chosen at random, that the loss uses; over 0"
    )


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """The folder of a run."""

    title = "Run"

    output: str = option(
        "", "run folder; default saved_models/DATA-MODEL-ENCODER", basic=True
    )
    overwrite: bool = option(False, "replace an existing run", basic=True)
    resume: bool = option(
        False, "continue from the last checkpoint of the run", basic=True
    )
    save_seconds: float = option(
        60.0, "seconds between checkpoints; 0 saves one after every step"
    )
    tensorboard: bool = option(
        False, "also write TensorBoard events to RUN/tensorboard"
    )
    json: Output = option("", JSON_HELP, basic=True)


@dataclass(frozen=True, kw_only=True)
class DeviceOptions:
    """Several devices and machines; see OF_MACHINES."""

    title = "Several devices, see docs/distributed.md"

    distribute: bool = option(False, "split each batch over all devices of the machine")
    devices: Optional[int] = option(
        None,
        "number of devices per machine; without GPUs, logical ones",
        DISTRIBUTED,
    )
    coordinator: str = option("", "HOST:PORT of process 0", DISTRIBUTED)
    processes: Optional[int] = option(None, "number of processes", SEVERAL_PROCESSES)
    process: Optional[int] = option(
        None, "number of this process, from 0", SEVERAL_PROCESSES, zero=True
    )
    join_seconds: int = option(
        300, "seconds to wait for the other processes", DISTRIBUTED
    )
