"""Each command's options: one frozen dataclass is parser, value and record.

A field's annotation gives its type, its metadata the help. Fields without a default
are positional.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NewType, Optional, Sequence, TypeVar

from edge import command
from edge.command import Parser
from edge.engines import ENGINES

MODEL_NAMES = ("fcn16s", "fcn32s", "fcn8s", "unet")
ENCODER_NAMES = ("mobilenetv2", "plain")
HEADS = ("labels", "logits", "probabilities")
SCHEMES = ("float32", "int8")

Size = tuple[int, int]
Output = NewType("Output", str)  # a file to write, - for stdout, or empty for neither
Config = TypeVar("Config")

DATA_HELP = "a data folder, or shapes (procedural scenes that need no file)"


def option(default: Any, text: str, **extra: Any) -> Any:
    """A field that becomes --its-name."""
    return field(default=default, metadata={"help": text, **extra})


def positional(text: str, **extra: Any) -> Any:
    return field(metadata={"help": text, "positional": True, **extra})


@dataclass(frozen=True)
class TrainConfig:
    """Everything that one training run depends on."""

    data: str = option("shapes", DATA_HELP)
    model: str = option("unet", "architecture", choices=MODEL_NAMES)
    encoder: str = option("plain", "what the features come from", choices=ENCODER_NAMES)
    weights: str = option("none", "of the encoder: imagenet, none, or a file")
    width: int = option(16, "channels of the plain encoder's first stage")
    alpha: float = option(1.0, "width multiplier of MobileNetV2")
    epochs: int = option(30, "passes over the training images, whole batches of them")
    batch_size: int = option(8, "images per step")
    size: Optional[Size] = option(None, "training crop; default: to suit the images")
    max_side: int = option(1024, "larger images are shrunk to this longest side")
    learning_rate: float = option(1e-3, "peak, reached after the warm-up")
    weight_decay: float = option(1e-4, "of AdamW")
    warmup_steps: int = option(
        100, "steps of linear warm-up, at most a fifth of all", zero=True
    )
    scale: float = option(1.6, "images are scaled at random from 1/SCALE to SCALE")
    color: float = option(0.2, "strength of random brightness, contrast, saturation")
    flip: bool = option(True, "mirror images at random, left to right")
    seed: int = option(
        0, "of weights, shuffling, augmentation and splitting", zero=True
    )
    output: str = option("", "run folder; default saved_models/DATA-MODEL-ENCODER")
    overwrite: bool = option(False, "replace a run that is there")
    resume: bool = option(False, "go on after the last whole epoch of a run")
    json: Output = option("", "also write the metrics here; - is stdout")

    @property
    def run_folder(self) -> Path:
        data = "shapes" if self.data == "shapes" else Path(self.data).resolve().name
        default = f"saved_models/{data}-{self.model}-{self.encoder}"
        return Path(self.output or default)


@dataclass(frozen=True)
class EvaluateConfig:
    """Options of `python -m kseg.evaluate`."""

    model: str = positional("a run folder, .keras or .tflite")
    data: str = option("", f"{DATA_HELP}; default: what the run was trained on")
    split: str = option("val", "train, val or test")
    engine: str = option("auto", "what runs a .tflite", choices=ENGINES)
    threads: Optional[int] = option(None, "processors to use; default all")
    seed: Optional[int] = option(None, "of the split; default: the run's", zero=True)
    json: Output = option("", "also write the metrics here; - is stdout")
    output: str = option(
        "", "also write a sheet of samples and a confusion matrix here"
    )


@dataclass(frozen=True)
class PredictConfig:
    """Options of `python -m kseg.predict`."""

    model: str = positional("a run folder, .keras or .tflite")
    images: tuple[str, ...] = positional("pictures, or folders of them", nargs="+")
    output: str = option("predictions", "folder for masks/ and overlays/")
    engine: str = option("auto", "what runs a .tflite", choices=ENGINES)
    threads: Optional[int] = option(None, "processors to use; default all")
    json: Output = option("", "write the share of each class per picture; - is stdout")


@dataclass(frozen=True)
class ExportConfig:
    """Options of `python -m kseg.export`."""

    run: str = positional("a run folder")
    quantize: tuple[str, ...] = option(
        SCHEMES, "schemes, with commas between", choices=SCHEMES
    )
    size: Optional[Size] = option(None, "input; default: the data's own size")
    head: str = option("labels", "what the model gives", choices=HEADS)
    max_drop: float = option(0.02, "largest loss of mean IoU; more exits 3")
    calibration_images: int = option(100, "training images that set int8's ranges")
    data: str = option("", "where the run's data are now, if they have moved")
    threads: Optional[int] = option(None, "processors for the evaluation; default all")
    json: Output = option("", "also write parity.json's content here; - is stdout")


@dataclass(frozen=True)
class BenchmarkConfig:
    """Options of `python -m kseg.benchmark`."""

    what: str = positional("train: what the input pipeline costs", choices=("train",))
    data: str = option("shapes", DATA_HELP)
    model: str = option("unet", "architecture", choices=MODEL_NAMES)
    encoder: str = option("plain", "what the features come from", choices=ENCODER_NAMES)
    batch_size: int = option(8, "images per step")
    size: Optional[Size] = option(None, "training crop; default: to suit the images")
    steps: int = option(20, "timed steps of each kind in a round")
    rounds: int = option(5, "rounds; the two kinds alternate")
    json: Output = option("", "also write the figures here; - is stdout")


def parse(cls: type[Config], doc: str, argv: Optional[Sequence[str]]) -> Config:
    """The command line as a `cls`. Raises BadInput for what does not fit."""
    module = doc.strip().splitlines()[2].split()[2]
    parser = Parser(
        prog=f"python -m {module}",
        description=doc,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    hints = typing.get_type_hints(cls)
    for item in dataclasses.fields(cls):
        add_argument(parser, item, hints[item.name])
    values = vars(parser.parse_args(argv))
    return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})


def add_argument(parser: Parser, item: dataclasses.Field, hint: Any) -> None:
    meta = item.metadata
    text = meta["help"]
    if meta.get("positional"):
        names, extra = [item.name], {"metavar": item.name.upper()}
    else:
        names, extra = [f"--{item.name.replace('_', '-')}"], {"default": item.default}
        if item.default not in (None, "") and hint is not bool:
            text += f" (default {shown(item.default)})"
    if hint is bool:
        extra["action"] = (
            argparse.BooleanOptionalAction if item.default else "store_true"
        )
    elif hint == tuple[str, ...] and "choices" in meta:
        extra["type"] = choices_of(meta["choices"])
        extra["metavar"] = ",".join(meta["choices"])
    else:
        extra["type"] = converter(hint, meta.get("zero", False))
        if extra["type"] is command.size:
            extra["metavar"] = "HxW"
        extra.update({k: meta[k] for k in ("choices", "nargs") if k in meta})
    parser.add_argument(*names, help=text, **extra)


def shown(default: Any) -> str:
    return ",".join(default) if isinstance(default, tuple) else str(default)


def converter(hint: Any, zero: bool) -> Any:
    """An annotation -> the function that reads it; `zero` whether an int may be 0."""
    hint = next((h for h in typing.get_args(hint) if h is not type(None)), hint)
    if typing.get_origin(hint) is tuple or hint is Size:
        return command.size
    whole = command.whole if zero else command.positive
    return {int: whole, float: command.number, Output: output}.get(hint, str)


def output(text: str) -> str:
    return text if text in ("", "-") else str(command.writable(text))


def choices_of(choices: Sequence[str]) -> Any:
    """A reader of comma-separated names out of `choices`."""

    def read(text: str) -> tuple[str, ...]:
        names = tuple(dict.fromkeys(text.split(",")))
        for name in names:
            if name not in choices:
                raise argparse.ArgumentTypeError(
                    f"{name!r} is not one of {', '.join(choices)}"
                )
        return names

    return read


def to_record(config: Any) -> dict[str, Any]:
    """A config as plain JSON."""
    return json.loads(json.dumps(dataclasses.asdict(config)))


def from_record(cls: type[Config], record: dict[str, Any]) -> Config:
    """A `cls` from `to_record`; keys of other versions are left out."""
    known = {field.name for field in dataclasses.fields(cls)}
    values = {key: value for key, value in record.items() if key in known}
    return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})
