"""Each command's options: one frozen dataclass is parser, value and record.

It is composed of the groups of options.py. Of several bases dataclasses take the fields
of the last one first: so does --help.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional, TypeVar

from edge.core.constants import MOST_THREADS
from edge.core.errors import InputError
from kseg.core.augmentation_options import AugmentationOptions
from kseg.core.batch_norm_options import BatchNormOptions
from kseg.core.doctor_options import DoctorOptions
from kseg.core.fold_options import FoldOptions
from kseg.core.hard_options import HardPixelOptions
from kseg.core.merge_options import NEW_FOLDER, MergeOptions
from kseg.core.model_options import (
    EngineOptions,
    MovedDataOptions,
    ObjectOptions,
    PassesOptions,
    ReadingOptions,
    SegmentsOptions,
    SplitOptions,
)
from kseg.core.names import (
    FINETUNED_SCHEMES,
    FLOAT_ONLY,
    FLOAT_SCHEMES,
    HEADS,
    ONNX,
    OWN_LAYERS,
    PEAK_RATES,
    SCHEMES,
    TASKS,
    USUAL_SCHEMES,
)
from kseg.core.options import (
    DATA_HELP,
    JSON_HELP,
    MODEL_HELP,
    MOVED_HELP,
    ArchitectureOptions,
    CropOptions,
    DataOptions,
    DeviceOptions,
    File,
    LossOptions,
    Names,
    NetworkOptions,
    Output,
    RunOptions,
    Size,
    TrainingOptions,
    Use,
    option,
    positional,
)
from kseg.core.part_options import HeadOptions, PartOptions
from kseg.core.quantization_options import EXPORTING, FineTuningOptions, Int8Options
from kseg.core.teacher_options import TeacherOptions
from kseg.core.time_options import TimeOptions
from kseg.core.validation_options import ValidationOptions

Config = TypeVar("Config")


@dataclass(frozen=True, kw_only=True)
class TrainConfig(
    DeviceOptions,
    FoldOptions,
    RunOptions,
    AugmentationOptions,
    HardPixelOptions,
    TeacherOptions,
    HeadOptions,
    LossOptions,
    CropOptions,
    BatchNormOptions,
    ValidationOptions,
    TrainingOptions,
    TimeOptions,
    PartOptions,
    NetworkOptions,
    DataOptions,
):
    """Everything that one training run depends on."""

    @property
    def peak_rate(self) -> float:
        """The highest learning rate."""
        if self.learning_rate is None:
            return PEAK_RATES[self.optimizer]
        return self.learning_rate

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

    def steps_of_epoch(self, images: int) -> int:
        """The number of steps of an epoch of so many training images."""
        return max(1, images // self.images_per_step)

    @property
    def run_folder(self) -> Path:
        data = "shapes" if self.data == "shapes" else Path(self.data).resolve().name
        default = f"saved_models/{data}-{self.model}"
        if self.model not in OWN_LAYERS:
            default += f"-{self.encoder}"
        if self.folds:
            default += f"-folds{self.folds}"
        folder = Path(self.output or default)
        return folder if self.fold is None else fold_folder(folder, self.fold)


@dataclass(frozen=True)
class EvaluateConfig(
    ReadingOptions, EngineOptions, SegmentsOptions, SplitOptions, PassesOptions
):
    """Options of `kseg evaluate`."""

    model: str = positional(MODEL_HELP)
    data: str = option("", f"{DATA_HELP}; default: the run's", basic=True, group="Data")
    task: str = option(
        "",
        "what is measured, by default the model's task; detection measures only the "
        "boxes of an instance model",
        group="Data",
        choices=TASKS,
    )
    seed: Optional[int] = option(
        None, "seed of the split; default: the run's", zero=True, group="Data"
    )
    output: str = option(
        "",
        "also write sample images and other figures to this folder",
        basic=True,
        group="Output",
    )
    json: Output = option("", JSON_HELP, basic=True, group="Output")
    name_by_truth: bool = option(
        False,
        "name each segment by its most frequent class in the ground truth",
        basic=True,
        group=SegmentsOptions.title,
    )


@dataclass(frozen=True)
class ReportConfig(SplitOptions, MovedDataOptions):
    """Options of `kseg report`."""

    run: str = positional("run folder")
    output: File = option(
        "", "file to write; default RUN/report.html", basic=True, group="Output"
    )
    json: Output = option("", JSON_HELP, basic=True, group="Output")


@dataclass(frozen=True)
class PredictConfig(
    ReadingOptions, EngineOptions, SegmentsOptions, ObjectOptions, PassesOptions
):
    """Options of `kseg predict`."""

    model: str = positional(MODEL_HELP)
    images: tuple[str, ...] = positional("image files, or folders of them", nargs="+")
    output: str = option(
        "predictions", "folder for masks/ and overlays/", basic=True, group="Output"
    )
    json: Output = option(
        "",
        "write class shares and confidence, or objects, to this JSON file; '-' is "
        "stdout",
        basic=True,
        group="Output",
    )
    truth: str = option(
        "",
        "folder of masks with a few labelled strokes that name the segments",
        basic=True,
        group=SegmentsOptions.title,
    )


@dataclass(frozen=True, kw_only=True)
class ExportFiles:
    """The files that an export writes."""

    title = "Files"

    quantize: tuple[str, ...] = option(
        (),
        f"schemes, separated by commas; default {','.join(USUAL_SCHEMES)}, for "
        f"{', '.join(FLOAT_ONLY)} {','.join(FLOAT_SCHEMES)}",
        EXPORTING,
        basic=True,
        choices=(*SCHEMES, *FINETUNED_SCHEMES, ONNX),
    )
    size: Optional[Size] = option(
        None,
        "input size in pixels; default: that of the data",
        EXPORTING,
        basic=True,
    )
    head: str = option(
        "",
        "output of the model; default labels, for objects raw; boxes is for "
        "MediaPipe's ObjectDetector",
        EXPORTING,
        basic=True,
        choices=HEADS,
    )
    low_resolution: bool = option(
        False, "leave out the last upsampling; the program resizes instead", EXPORTING
    )


@dataclass(frozen=True, kw_only=True)
class ExportChecks:
    """How the files are compared with the Keras model."""

    title = "Comparison with Keras"

    max_drop: Optional[float] = option(
        None,
        "largest allowed drop of the headline metric, also in other light, exit status "
        "3 beyond it; default 0.02, for objects 0.01",
        EXPORTING,
        basic=True,
    )
    shifts: bool = option(
        True,
        "also compare in other light, and with noise and blur; the limit holds there",
        EXPORTING,
    )
    data: str = option("", MOVED_HELP, EXPORTING, basic=True)
    threads: Optional[int] = option(
        None,
        "threads of the comparison; default: one per processor",
        EXPORTING,
        most=MOST_THREADS,
    )
    json: Output = option("", JSON_HELP, basic=True)


@dataclass(frozen=True)
class ExportConfig(FineTuningOptions, Int8Options, ExportChecks, ExportFiles):
    """Options of `kseg export`."""

    @property
    def schemes(self) -> tuple[str, ...]:
        """The schemes of --quantize, or those of most networks."""
        return self.quantize or USUAL_SCHEMES

    run: str = positional("run folder", "")
    check: tuple[str, ...] = option(
        (), "check any .tflite files instead, as `kseg check` does", nargs="+"
    )


@dataclass(frozen=True)
class CheckConfig(ReadingOptions):
    """Options of `kseg check`."""

    title = "Output"

    check: tuple[str, ...] = positional(
        ".tflite or .onnx files", nargs="+", metavar="FILE"
    )
    image: str = option(
        "",
        "image that is labelled; default: a generated scene",
        basic=True,
        group="Picture",
    )
    output: str = option(
        "",
        "folder for the labelled pictures; default: that of each file",
        basic=True,
        group="Picture",
    )
    json: Output = option("", JSON_HELP, basic=True)


OF_SCENES = Use(lambda config: config.src == "shapes", "without the SRC shapes")


@dataclass(frozen=True)
class PrepareConfig(MergeOptions):
    """Options of `kseg prepare`."""

    src: str = positional(
        "folder with another tool's export, or 'shapes': generated scenes"
    )
    dir: str = positional("data folder to write: train/, val/ and classes.json", "")
    task: str = option("", "what to keep", basic=True, choices=TASKS)
    val_share: float = option(
        0.2,
        "share of the images for val, if SRC has no val split",
        NEW_FOLDER,
        basic=True,
    )
    seed: int = option(
        0, "random seed of that split", NEW_FOLDER, basic=True, zero=True
    )
    skip_missing: bool = option(
        False, "leave out labels whose image is missing", basic=True
    )
    licenses: Names = option(
        (),
        "licences by id, such as 4,7,8: keep only such images of COCO; write "
        "CREDITS.csv",
        NEW_FOLDER,
        basic=True,
    )
    proposals: bool = option(
        False,
        "also write boxes for rcnn and fast_rcnn; without DIR only these, for data SRC",
        NEW_FOLDER,
        basic=True,
    )
    count: int = option(
        100, "number of scenes in train", OF_SCENES, basic=True, most=100_000
    )
    json: Output = option("", JSON_HELP, basic=True)


@dataclass(frozen=True)
class SummaryConfig(PartOptions, ArchitectureOptions):
    """Options of `kseg summary`."""

    model: str = positional(
        "network name, run folder or .keras file; default: compare all networks", ""
    )
    size: Optional[Size] = option(
        None,
        "image size in pixels; default: the run's, or about 224x224",
        basic=True,
        group="Input and output",
    )
    num_classes: int = option(
        21, "number of classes", basic=True, group="Input and output", most=255
    )
    channels: int = option(
        3,
        "number of image channels, grey or RGB",
        basic=True,
        choices=(1, 3),
        group="Input and output",
    )
    json: Output = option("", JSON_HELP, basic=True, group="Input and output")


@dataclass(frozen=True)
class DoctorConfig(AugmentationOptions, CropOptions, DoctorOptions):
    """Options of `kseg doctor`: its own, and training's augmentation."""


def fold_folder(run: Path, fold: int) -> Path:
    """The run folder of one fold, from 0, inside that of all folds."""
    return run / f"fold{fold}"


def network_options(config: TrainConfig | SummaryConfig) -> dict[str, Any]:
    """The arguments of `build_model` for a network; None for options not given."""
    groups = (ArchitectureOptions, PartOptions)
    names = {field.name for group in groups for field in dataclasses.fields(group)}
    given = {name: getattr(config, name) for name in sorted(names)}
    unset = ("", (), "none")
    return {name: None if value in unset else value for name, value in given.items()}


def to_record(config: Any) -> dict[str, Any]:
    """A config as plain JSON."""
    return json.loads(json.dumps(dataclasses.asdict(config)))


def from_record(cls: type[Config], record: dict[str, Any]) -> Config:
    """A `cls` from `to_record`; keys of other versions are left out."""
    known = {field.name for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    values = {key: value for key, value in record.items() if key in known}
    return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})
