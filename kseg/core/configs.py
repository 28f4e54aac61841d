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

from edge.core.errors import InputError
from kseg.core.names import (
    FINETUNED_SCHEMES,
    HEADS,
    ONNX,
    OWN_LAYERS,
    PEAK_RATES,
    SCHEMES,
    USUAL_SCHEMES,
)
from kseg.core.options import (
    DATA_HELP,
    MODEL_HELP,
    MOVED_HELP,
    ArchitectureOptions,
    AugmentationOptions,
    CropOptions,
    DataOptions,
    DeviceOptions,
    EngineOptions,
    File,
    LossOptions,
    MovedDataOptions,
    NetworkOptions,
    Output,
    PassesOptions,
    RunOptions,
    SegmentsOptions,
    Share,
    Size,
    SplitOptions,
    TrainingOptions,
    Use,
    option,
    positional,
)

Config = TypeVar("Config")


@dataclass(frozen=True, kw_only=True)
class TrainConfig(
    DeviceOptions,
    RunOptions,
    AugmentationOptions,
    LossOptions,
    TrainingOptions,
    CropOptions,
    NetworkOptions,
    DataOptions,
):
    """Everything that one training run depends on."""

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
class EvaluateConfig(EngineOptions, SegmentsOptions, SplitOptions, PassesOptions):
    """Options of `python -m kseg.evaluate`."""

    model: str = positional(MODEL_HELP)
    data: str = option("", f"{DATA_HELP}; default: what the run was trained on")
    seed: Optional[int] = option(None, "of the split; default: the run's", zero=True)
    json: Output = option("", "also write the metrics here; - is stdout")
    output: str = option(
        "", "also write a sheet of samples and a confusion matrix here"
    )
    name_by_truth: bool = option(
        False, "of a grouping: a segment's class is what the truth has most of there"
    )


@dataclass(frozen=True)
class ReportConfig(SplitOptions, MovedDataOptions):
    """Options of `python -m kseg.report`."""

    run: str = positional("a run folder")
    output: File = option("", "the page; default RUN/report.html")
    json: Output = option("", "also write its figures here; - is stdout")


@dataclass(frozen=True)
class PredictConfig(EngineOptions, SegmentsOptions, PassesOptions):
    """Options of `python -m kseg.predict`."""

    model: str = positional(MODEL_HELP)
    images: tuple[str, ...] = positional("pictures, or folders of them", nargs="+")
    output: str = option("predictions", "folder for masks/ and overlays/")
    json: Output = option("", "write the share of each class per picture; - is stdout")
    truth: str = option(
        "", "of a grouping: folder of masks, strokes in void, that name its segments"
    )


EXPORTING = Use(lambda config: not config.check, "beside --check")
INT8 = Use(
    lambda config: "int8" in config.quantize, "without int8; add int8 to --quantize"
)


def finetuned(part: str = "") -> Use:
    """Of options that only fine-tuned schemes read: those whose name holds `part`."""
    readers = [scheme for scheme in FINETUNED_SCHEMES if part in scheme]
    return Use(
        lambda config: bool({*readers} & {*config.quantize}),
        "without a scheme that is fine-tuned so; --quantize "
        f"{', '.join(readers[:3])} and others read it",
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
        EXPORTING,
        choices=(*SCHEMES, *FINETUNED_SCHEMES, ONNX),
    )
    size: Optional[Size] = option(
        None, "input; default: the data's own size", EXPORTING
    )
    head: str = option(
        "", "what the model gives; default labels", EXPORTING, choices=HEADS
    )
    low_resolution: bool = option(
        False,
        "leave the last enlargement to the program that runs the model",
        EXPORTING,
    )
    max_drop: float = option(0.02, "largest loss of mean IoU; more exits 3", EXPORTING)
    calibration_images: int = option(
        100,
        "training images that set int8's ranges, chosen to show all classes",
        EXPORTING,
    )
    explain: bool = option(
        False,
        "show what int8 costs in each layer alone: a table and explain.png",
        EXPORTING,
        INT8,
    )
    mend: bool = option(
        False,
        "where int8 loses over --max-drop: mended.tflite, its worst layers float",
        EXPORTING,
        INT8,
    )
    fine_tune_epochs: int = option(
        3, "of each step of pruned, clustered and qat", EXPORTING, finetuned()
    )
    fine_tune_rate: Optional[float] = option(
        None,
        "learning rate there, falling to 0; default 1e-4, of qat 1e-5",
        EXPORTING,
        finetuned(),
    )
    sparsity: Share = option(
        0.5,
        "pruned: share of all weights that becomes zero",
        EXPORTING,
        finetuned("pruned"),
    )
    clusters: int = option(
        32,
        "clustered: values that a kernel has at most",
        EXPORTING,
        finetuned("clustered"),
    )
    seed: int = option(0, "of fine-tuning", EXPORTING, finetuned(), zero=True)
    data: str = option("", MOVED_HELP, EXPORTING)
    threads: Optional[int] = option(
        None, "processors for the evaluation; default all", EXPORTING
    )
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
class SummaryConfig(ArchitectureOptions):
    """Options of `python -m kseg.summary`."""

    model: str = positional(
        "an architecture, a run folder or .keras; default: all architectures", ""
    )
    size: Optional[Size] = option(
        None, "of the image; default 224x224 or the nearest that fits; a run's own"
    )
    num_classes: int = option(21, "channels of the logits")
    channels: int = option(3, "of the image: 1 is grey, 3 is RGB", choices=(1, 3))
    json: Output = option("", "also write the figures here; - is stdout")


@dataclass(frozen=True)
class DoctorOptions:
    """What the doctor looks at, and what it writes."""

    data: str = positional(DATA_HELP)
    output: str = option("", "folder for doctor.png, and augmentation.png if asked for")
    json: Output = option("", "write all that was found here; - is stdout")
    seed: int = option(0, "of the split and of the augmentation", zero=True)
    show_augmentation: bool = option(
        False,
        "draw augmentation.png: pictures as training would see them, by the options "
        "that follow",
    )


@dataclass(frozen=True)
class DoctorConfig(AugmentationOptions, CropOptions, DoctorOptions):
    """Options of `python -m kseg.doctor`: its own, and training's of augmentation."""


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
