"""Each command's options: one frozen dataclass is parser, value and record.

A field's annotation gives its type, its metadata the help. `positional` fields are
given by their place.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional, TypeVar

from edge.core.errors import InputError
from edge.engines.select import ENGINES
from kseg.core.names import (
    CLASS_WEIGHTS,
    ENCODER_NAMES,
    FINETUNED_SCHEMES,
    HEADS,
    LOSS_NAMES,
    MODEL_NAMES,
    ONNX,
    OWN_LAYERS,
    PEAK_RATES,
    PRECISIONS,
    SCHEDULE_NAMES,
    SCHEMES,
    UPSAMPLINGS,
    USUAL_SCHEMES,
)
from kseg.core.options import (
    DATA_HELP,
    MODEL_HELP,
    SEGMENTS_HELP,
    File,
    Output,
    PassesConfig,
    Share,
    Size,
    option,
    positional,
)

Config = TypeVar("Config")


@dataclass(frozen=True)
class TrainConfig:
    """Everything that one training run depends on."""

    data: str = option("shapes", DATA_HELP)
    model: str = option("unet", "architecture", choices=MODEL_NAMES)
    encoder: str = option("plain", "what the features come from", choices=ENCODER_NAMES)
    weights: str = option("none", "of the encoder: imagenet, none, or a file")
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
    encoder_rate: float = option(
        1.0, "share of each update that the encoder gets: 0 freezes it"
    )
    init_from: str = option(
        "", "run whose weights to start from; of FCN: 16s from 32s, 8s from 16s"
    )
    epochs: int = option(30, "passes over the training images, whole batches of them")
    batch_size: int = option(8, "images per step")
    size: Optional[Size] = option(None, "training crop; default: to suit the images")
    max_side: int = option(1024, "larger images are shrunk to this longest side")
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
    memory_share: Share = option(
        0.4, "of the free memory, to keep decoded images in; 0 reads them every time"
    )
    save_seconds: float = option(
        60.0, "at most so long between checkpoints; 0 makes one every step"
    )
    loss: str = option(
        "ce+dice", f"{', '.join(LOSS_NAMES)}, or a sum such as ce+0.5*dice"
    )
    class_weights: str = option(
        "none",
        "of ce, focal and ohem: rare classes weigh more, by median frequency or log",
        choices=CLASS_WEIGHTS,
    )
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
    border_weight: float = option(
        0.0, "extra weight of pixels between touching objects; U-Net's 10"
    )
    loss_share: float = option(
        1.0, "random share of the pixels in the loss; steps see 1/SHARE more images"
    )
    seed: int = option(
        0, "of weights, shuffling, augmentation and splitting", zero=True
    )
    output: str = option("", "run folder; default saved_models/DATA-MODEL-ENCODER")
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
    overwrite: bool = option(False, "replace a run that is there")
    resume: bool = option(False, "go on from the last checkpoint of a run")
    tensorboard: bool = option(False, "also write RUN/tensorboard, scalars by epoch")
    json: Output = option("", "also write the metrics here; - is stdout")

    @property
    def peak_rate(self) -> float:
        """The highest learning rate."""
        return self.learning_rate or PEAK_RATES[self.optimizer]

    @property
    def images_per_step(self) -> int:
        """As many as make the pixels in the loss those of `batch_size` whole images.

        Raises InputError for a `loss_share` outside (0, 1].
        """
        if not 0 < self.loss_share <= 1:
            raise InputError(
                f"--loss-share {self.loss_share}: is a share of the pixels, over 0 and "
                "at most 1"
            )
        return round(self.batch_size / self.loss_share)

    @property
    def run_folder(self) -> Path:
        data = "shapes" if self.data == "shapes" else Path(self.data).resolve().name
        default = f"saved_models/{data}-{self.model}"
        if self.model not in OWN_LAYERS:
            default += f"-{self.encoder}"
        return Path(self.output or default)


@dataclass(frozen=True)
class EvaluateConfig(PassesConfig):
    """Options of `python -m kseg.evaluate`."""

    model: str = positional(MODEL_HELP)
    data: str = option("", f"{DATA_HELP}; default: what the run was trained on")
    split: str = option("val", "train, val or test")
    engine: str = option("auto", "what runs a .tflite or .onnx", choices=ENGINES)
    threads: Optional[int] = option(None, "processors to use; default all")
    seed: Optional[int] = option(None, "of the split; default: the run's", zero=True)
    json: Output = option("", "also write the metrics here; - is stdout")
    output: str = option(
        "", "also write a sheet of samples and a confusion matrix here"
    )
    segments: Optional[int] = option(None, SEGMENTS_HELP)
    name_by_truth: bool = option(
        False, "of a grouping: a segment's class is what the truth has most of there"
    )


@dataclass(frozen=True)
class ReportConfig:
    """Options of `python -m kseg.report`."""

    run: str = positional("a run folder")
    data: str = option("", "where the run's data are now, if they have moved")
    split: str = option("val", "train, val or test")
    output: File = option("", "the page; default RUN/report.html")
    json: Output = option("", "also write its figures here; - is stdout")


@dataclass(frozen=True)
class PredictConfig(PassesConfig):
    """Options of `python -m kseg.predict`."""

    model: str = positional(MODEL_HELP)
    images: tuple[str, ...] = positional("pictures, or folders of them", nargs="+")
    output: str = option("predictions", "folder for masks/ and overlays/")
    engine: str = option("auto", "what runs a .tflite or .onnx", choices=ENGINES)
    threads: Optional[int] = option(None, "processors to use; default all")
    json: Output = option("", "write the share of each class per picture; - is stdout")
    segments: Optional[int] = option(None, SEGMENTS_HELP)
    truth: str = option(
        "", "of a grouping: folder of masks, strokes in void, that name its segments"
    )


@dataclass(frozen=True)
class ExportConfig:
    """Options of `python -m kseg.export`."""

    run: str = positional("a run folder", "")
    check: tuple[str, ...] = option(
        (), "instead: say what keeps any .tflite from devices; 3 if from all", nargs="+"
    )
    quantize: tuple[str, ...] = option(
        USUAL_SCHEMES,
        "schemes, with commas between",
        choices=(*SCHEMES, *FINETUNED_SCHEMES, ONNX),
    )
    size: Optional[Size] = option(None, "input; default: the data's own size")
    head: str = option("", "what the model gives; default labels", choices=HEADS)
    low_resolution: bool = option(
        False, "leave the last enlargement to the program that runs the model"
    )
    max_drop: float = option(0.02, "largest loss of mean IoU; more exits 3")
    calibration_images: int = option(
        100, "training images that set int8's ranges, chosen to show all classes"
    )
    explain: bool = option(
        False, "show what int8 costs in each layer alone: a table and explain.png"
    )
    mend: bool = option(
        False, "where int8 loses over --max-drop: mended.tflite, its worst layers float"
    )
    fine_tune_epochs: int = option(3, "of each step of pruned, clustered and qat")
    fine_tune_rate: Optional[float] = option(
        None, "learning rate there, falling to 0; default 1e-4, of qat 1e-5"
    )
    sparsity: Share = option(0.5, "pruned: share of all weights that becomes zero")
    clusters: int = option(32, "clustered: values that a kernel has at most")
    seed: int = option(0, "of fine-tuning", zero=True)
    data: str = option("", "where the run's data are now, if they have moved")
    threads: Optional[int] = option(None, "processors for the evaluation; default all")
    json: Output = option("", "also write parity.json's content here; - is stdout")


@dataclass(frozen=True)
class PrepareConfig:
    """Options of `python -m kseg.prepare`."""

    src: str = positional("folder of another tool's export")
    dir: str = positional("data folder to make: train/, val/ and classes.json")
    val_share: float = option(0.2, "share of the pictures for val, where SRC has none")
    seed: int = option(0, "of that split", zero=True)
    skip_missing: bool = option(False, "leave out labels whose picture is missing")
    json: Output = option("", "also write what was found here; - is stdout")


@dataclass(frozen=True)
class SummaryConfig:
    """Options of `python -m kseg.summary`."""

    model: str = positional(
        "an architecture, a run folder or .keras; default: all architectures", ""
    )
    encoder: str = option("plain", "what the features come from", choices=ENCODER_NAMES)
    size: Optional[Size] = option(
        None, "of the image; default 224x224 or the nearest that fits; a run's own"
    )
    num_classes: int = option(21, "channels of the logits")
    channels: int = option(3, "of the image: 1 is grey, 3 is RGB", choices=(1, 3))
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
    json: Output = option("", "also write the figures here; - is stdout")


@dataclass(frozen=True)
class DoctorConfig:
    """Options of `python -m kseg.doctor`; those of augmentation are TrainConfig's."""

    data: str = positional(DATA_HELP)
    output: str = option("", "folder for doctor.png, and augmentation.png if asked for")
    json: Output = option("", "write all that was found here; - is stdout")
    seed: int = option(0, "of the split and of the augmentation", zero=True)
    show_augmentation: bool = option(
        False, "draw augmentation.png: pictures as training would see them"
    )
    size: Optional[Size] = option(
        None, "shown augmentation: crop; default: to suit the images"
    )
    max_side: int = option(1024, "shown augmentation: longest side of larger images")
    scale: float = option(1.6, "shown augmentation: scaled from 1/SCALE to SCALE")
    color: float = option(0.2, "shown augmentation: strength of random colour")
    flip: bool = option(True, "shown augmentation: mirror at random")
    elastic: float = option(0.0, "shown augmentation: deform at random, in pixels")
    rotate: float = option(0.0, "shown augmentation: turn by up to so many degrees")
    flip_vertical: bool = option(False, "shown augmentation: mirror top to bottom too")
    blur: float = option(0.0, "shown augmentation: blur half, by a sigma up to this")
    noise: Share = option(0.0, "shown augmentation: deviation, as a share of 255")
    cutout: Share = option(0.0, "shown augmentation: hide up to this share of the crop")
    rare_crops: Share = option(0.0, "shown augmentation: share put on a random class")


def network_options(config: TrainConfig | SummaryConfig) -> dict[str, Any]:
    """What `build_model` is told of a network; None where nothing was asked for."""
    names = ("encoder", "width", "alpha", "upsampling", "fc_width")
    given = {name: getattr(config, name) for name in names}
    return {name: None if value == "" else value for name, value in given.items()}


def to_record(config: Any) -> dict[str, Any]:
    """A config as plain JSON."""
    return json.loads(json.dumps(dataclasses.asdict(config)))


def from_record(cls: type[Config], record: dict[str, Any]) -> Config:
    """A `cls` from `to_record`; keys of other versions are left out."""
    known = {field.name for field in dataclasses.fields(cls)}
    values = {key: value for key, value in record.items() if key in known}
    return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})
