"""Options of commands: a field of a dataclass with its help and type, in groups.

An option that several commands have is defined here once.
"""

from __future__ import annotations

from dataclasses import MISSING, dataclass, field, fields
from typing import Any, Callable, Collection, NamedTuple, NewType, Optional

from edge.core.errors import InputError
from edge.engines.select import ENGINES
from edge.predict.tta import FULL_SIZE_TILE, TTA
from kseg.core.names import (
    CLASS_WEIGHTS,
    ENCODER_NAMES,
    GROUPING_NAMES,
    LOSS_NAMES,
    MODEL_NAMES,
    PEAK_RATES,
    PRECISIONS,
    SCHEDULE_NAMES,
    UPSAMPLINGS,
)

Size = tuple[int, int]
Output = NewType("Output", str)  # a file to write, - for stdout, or empty for neither
File = NewType("File", str)  # a file to write, or empty
Share = NewType("Share", float)  # from 0 to 1
Scales = NewType("Scales", tuple)  # of floats over 0


DATA_HELP = "a data folder, or shapes (procedural scenes that need no file)"
MOVED_HELP = "where the run's data are now, if they have moved"
MODEL_HELP = (
    "a run folder, .keras, .tflite or .onnx; or grouping:KIND, which needs no "
    f"training, KIND being {', '.join(GROUPING_NAMES)}"
)


class Use(NamedTuple):
    """When an option is used: `when(config)`; else it "does nothing `otherwise`"."""

    when: Callable[[Any], bool]
    otherwise: str


def option(default: Any, text: str, *used_by: Use, **extra: Any) -> Any:
    """A field that becomes --its-name; used where all of `used_by` hold."""
    metadata = {"help": text, "used_by": used_by, **extra}
    return field(default=default, metadata=metadata)


def positional(text: str, default: Any = MISSING, **extra: Any) -> Any:
    """A field given by its place; one with a default may be left out."""
    return field(default=default, metadata={"help": text, "positional": True, **extra})


def flag(name: str) -> str:
    """A field's name as it is typed.

    >>> flag("batch_size")
    '--batch-size'
    """
    return f"--{name.replace('_', '-')}"


def refuse_unused(config: Any, given: Optional[Collection[str]] = None) -> None:
    """Raises InputError for an option that was given and would do nothing.

    `given` are names of options; without it, those that are not at their default.
    """
    for item in fields(config):
        changed = getattr(config, item.name) != item.default
        if not (changed if given is None else item.name in given):
            continue
        for use in item.metadata.get("used_by", ()):
            if not use.when(config):
                raise InputError(f"{flag(item.name)}: does nothing {use.otherwise}")


# --- groups ---


@dataclass(frozen=True, kw_only=True)
class DataOptions:
    """What a run is trained on."""

    data: str = option("shapes", DATA_HELP)
    seed: int = option(
        0, "of weights, shuffling, augmentation and splitting", zero=True
    )
    memory_share: Share = option(
        0.4, "of the free memory, to keep decoded images in; 0 reads them every time"
    )


@dataclass(frozen=True, kw_only=True)
class ArchitectureOptions:
    """What a network is built of."""

    encoder: str = option("plain", "what the features come from", choices=ENCODER_NAMES)
    width: Optional[int] = option(
        None, "scales all channels; default 16, 64 in unet_paper"
    )
    alpha: Optional[float] = option(
        None, "width multiplier of MobileNetV2 and V3; default 1"
    )
    upsampling: str = option(
        "", "how decoders enlarge; default: the network's own", choices=UPSAMPLINGS
    )
    fc_width: Optional[int] = option(
        None, "channels of FCN's fc6 and fc7; default 4096 on vgg16, alexnet; else 256"
    )


@dataclass(frozen=True, kw_only=True)
class NetworkOptions(ArchitectureOptions):
    """The network of a run, and where its weights start."""

    model: str = option("unet", "architecture", choices=MODEL_NAMES)
    weights: str = option("none", "of the encoder: imagenet, none, or a file")
    encoder_rate: float = option(
        1.0, "share of each update that the encoder gets: 0 freezes it"
    )
    init_from: str = option(
        "", "run whose weights to start from; of FCN: 16s from 32s, 8s from 16s"
    )


@dataclass(frozen=True, kw_only=True)
class CropOptions:
    """The size at which training sees images."""

    size: Optional[Size] = option(None, "training crop; default: to suit the images")
    max_side: int = option(1024, "larger images are shrunk to this longest side")


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """The steps of a training."""

    epochs: int = option(30, "passes over the training images, whole batches of them")
    batch_size: int = option(8, "images per step")
    optimizer: str = option("adamw", "what makes the steps", choices=tuple(PEAK_RATES))
    learning_rate: Optional[float] = option(
        None, "peak, reached after the warm-up; default 1e-3, of sgd 2e-2"
    )
    weight_decay: float = option(1e-4, "decoupled: times the learning rate")
    warmup_steps: int = option(
        100, "steps of linear warm-up, at most a fifth of all", zero=True
    )
    schedule: str = option(
        "cosine", "how the learning rate then falls to 0", choices=SCHEDULE_NAMES
    )
    ema: Share = option(
        0.0, "keep an average of the weights that forgets 1 - EMA a step: 0.99; 0 off"
    )
    patience: int = option(
        0, "end after so many epochs without a better validation; 0 never", zero=True
    )
    precision: str = option(
        "float32", "of the arithmetic; weights stay float32", choices=PRECISIONS
    )
    deterministic: bool = option(
        False, "the same numbers in every run and after --resume, a little slower"
    )


@dataclass(frozen=True, kw_only=True)
class LossOptions:
    """What a training makes smaller."""

    loss: str = option(
        "ce+dice", f"{', '.join(LOSS_NAMES)}, or a sum such as ce+0.5*dice"
    )
    class_weights: str = option(
        "none",
        "of ce, focal and ohem: rare classes weigh more, by median frequency or log",
        choices=CLASS_WEIGHTS,
    )
    border_weight: float = option(
        0.0, "extra weight of pixels between touching objects; U-Net's 10"
    )
    loss_share: float = option(
        1.0, "random share of the pixels in the loss; steps see 1/SHARE more images"
    )


@dataclass(frozen=True, kw_only=True)
class AugmentationOptions:
    """What is done to training images at random."""

    scale: float = option(1.6, "images are scaled at random from 1/SCALE to SCALE")
    color: float = option(0.2, "strength of random brightness, contrast, saturation")
    flip: bool = option(True, "mirror images at random, left to right")
    elastic: float = option(
        0.0, "deform at random: standard deviation in pixels on a 3x3 grid; U-Net's 10"
    )
    rotate: float = option(0.0, "turn at random, by up to so many degrees either way")
    flip_vertical: bool = option(
        False, "mirror at random, top to bottom: for pictures without an up"
    )
    blur: float = option(0.0, "blur half of the crops, by a random sigma up to this")
    noise: Share = option(
        0.0, "Gaussian noise of random deviation up to this share of 255"
    )
    cutout: Share = option(
        0.0, "hide a random rectangle of up to this share of the crop; void in the mask"
    )
    rare_crops: Share = option(
        0.0, "share of crops put on a class, each of the picture's as likely"
    )


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Where a run is written, and how it goes on."""

    output: str = option("", "run folder; default saved_models/DATA-MODEL-ENCODER")
    overwrite: bool = option(False, "replace a run that is there")
    resume: bool = option(False, "go on from the last checkpoint of a run")
    save_seconds: float = option(
        60.0, "at most so long between checkpoints; 0 makes one every step"
    )
    tensorboard: bool = option(False, "also write RUN/tensorboard, scalars by epoch")
    json: Output = option("", "also write the metrics here; - is stdout")


@dataclass(frozen=True, kw_only=True)
class DeviceOptions:
    """Several devices and machines; see OF_MACHINES."""

    distribute: bool = option(
        False, "split each step's images over all devices; see docs/distributed.md"
    )
    devices: Optional[int] = option(
        None, "with --distribute: so many of each machine; without GPUs, logical ones"
    )
    coordinator: str = option("", "with --distribute: HOST:PORT of process 0")
    processes: Optional[int] = option(None, "with --coordinator: how many there are")
    process: Optional[int] = option(
        None, "with --coordinator: which this is, from 0", zero=True
    )
    join_seconds: int = option(300, "how long to wait for the other processes")


@dataclass(frozen=True, kw_only=True)
class PassesOptions:
    """How an image is looked at by evaluate and predict."""

    full_size: bool = option(
        False,
        "at the pictures' own size, whatever the run's --max-side: large ones in tiles",
    )
    tile: Optional[Size] = option(
        None,
        "largest piece at once, overlapping the next; implies --full-size; default "
        f"{FULL_SIZE_TILE[0]}x{FULL_SIZE_TILE[1]}, or a .tflite's own size",
    )
    flip: bool = option(False, "average with the mirrored picture")
    scales: Scales = option(
        (1.0,), "average over these sizes, with commas between: 0.75,1,1.25"
    )

    @property
    def tta(self) -> TTA:
        return TTA(self.full_size, self.flip, self.scales, self.tile)


@dataclass(frozen=True, kw_only=True)
class EngineOptions:
    """What runs a model."""

    engine: str = option("auto", "what runs a .tflite or .onnx", choices=ENGINES)
    threads: Optional[int] = option(None, "processors to use; default all")


@dataclass(frozen=True, kw_only=True)
class SegmentsOptions:
    """How finely a grouping divides an image."""

    segments: Optional[int] = option(
        None, "of a grouping: at most how many, 2 to 254; default 100"
    )


@dataclass(frozen=True, kw_only=True)
class SplitOptions:
    """The part of the data that is looked at."""

    split: str = option("val", "train, val or test")


@dataclass(frozen=True, kw_only=True)
class MovedDataOptions:
    """Where the data of a run are."""

    data: str = option("", MOVED_HELP)
