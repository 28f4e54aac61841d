"""Trains every architecture on the same data with the same budget and compares them.

    kseg benchmark architectures --data shapes --epochs 6

Each network is a run in the output folder. An interrupted comparison continues when it
is started again: finished runs are not repeated.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, Optional, Sequence

from benchmarks.inference import time_on_images
from benchmarks.results import JSON_HELP, option, show
from edge.core.errors import InputError
from edge.core.files import make_folder
from edge.core.log import say
from edge.engines.select import open_engine
from edge.model_file.metadata import info_of
from edge.predict.open import predictor_of
from kseg.cli.parser import parse
from kseg.core import backend
from kseg.core.configs import ExportConfig, TrainConfig
from kseg.core.names import (
    ENCODER_NAMES,
    MODEL_NAMES,
    OBJECT_MODELS,
    OWN_LAYERS,
    USUAL_SCHEMES,
)
from kseg.core.options import DATA_HELP, Output, Size
from kseg.core.runs import BEST, CHECKPOINT, CONFIG, run_config, write_json
from kseg.data.open import open_data
from kseg.data.sample import Dataset
from kseg.evaluation import EVALUATORS
from kseg.evaluation.loop import evaluate

# (model, upsampling), from coarse to fine; fixed upsampling before learned.
NETWORKS = (
    ("patch", "nearest"),
    ("fcn32s", "bilinear"),
    ("fcn32s", "transposed"),
    ("fcn16s", "transposed"),
    ("fcn8s", "bilinear"),
    ("fcn8s", "transposed"),
    ("segnet", "bilinear"),
    ("segnet", "unpool"),
    ("hypercolumn", "bilinear"),
    ("unet", "bilinear"),
    ("unet", "transposed"),
    ("unet_paper", "transposed"),
    ("dense", ""),
)
SEMANTIC = tuple(name for name in MODEL_NAMES if name not in OBJECT_MODELS)
TIMED_IMAGES = 50  # of the validation split


@dataclass(frozen=True)
class ArchitecturesConfig:
    """Options of `kseg benchmark architectures`."""

    data: str = option("shapes", DATA_HELP)
    models: tuple[str, ...] = option(
        SEMANTIC, "architectures, separated by commas", choices=SEMANTIC
    )
    encoder: str = option("plain", "encoder of the networks", choices=ENCODER_NAMES)
    weights: str = option("none", "weights of the encoder: imagenet, none, or a file")
    epochs: int = option(6, "epochs of training for each network")
    batch_size: int = option(8, "images per training step")
    size: Optional[Size] = option(
        None, "training crop in pixels; default: the images' size, at most 320x320"
    )
    calibration_images: int = option(50, "training images that calibrate int8")
    output: str = option(
        "saved_models/architectures", "folder for the runs and results"
    )
    json: Output = option("", JSON_HELP)


def main(argv: Optional[Sequence[str]] = None) -> None:
    config = parse(ArchitecturesConfig, "kseg benchmark architectures", __doc__, argv)
    show(compare(config), table, config.json)


def compare(config: ArchitecturesConfig) -> dict[str, Any]:
    """Trains and measures each network; writes architectures.json and two figures."""
    data = open_data(config.data)
    backend.start()
    import keras

    from kseg.evaluation.open import open_predictor
    from kseg.reporting.figures import gallery, iou_chart

    folder = make_folder(Path(config.output))
    candidates = [train_config(config, *pair, folder) for pair in NETWORKS]
    chosen = [x for x in candidates if x.model in config.models or is_finished(x)]
    for training in chosen:
        check_budget(training)
    rows: list[dict[str, Any]] = []
    for index, training in enumerate(chosen, 1):
        name = training.run_folder.name
        say(f"{index} of {len(chosen)}: {name}")
        keras.utils.clear_session()
        train(training, data)
        row = quality_of(training, data, config.calibration_images)
        rows.append({"name": name, **row})
        iou_chart(folder / "architectures.png", rows)
    names = [row["name"] for row in rows]
    for row, speed in zip(rows, time_runs(folder, names, data), strict=True):
        row.update(speed)
    figures = {
        "data": data.name,
        "encoder": config.encoder,
        "epochs": config.epochs,
        "batch_size": config.batch_size,
        "networks": rows,
    }
    write_json(folder / "architectures.json", figures)
    opened = {n: partial(open_predictor, folder / n / BEST) for n in names}
    gallery(folder / "predictions.png", opened, data.split("val"))
    say(f"{folder}: wrote architectures.json, architectures.png and predictions.png")
    return figures


def train_config(
    config: ArchitecturesConfig, model: str, upsampling: str, folder: Path
) -> TrainConfig:
    """The training options of one network.

    The loss is cross-entropy for all. Procedural shapes are not augmented.
    """
    name = f"{model}-{upsampling}" if upsampling else model
    augmentation = {"scale": 1.0, "color": 0.0} if config.data == "shapes" else {}
    own = {"encoder": config.encoder, "weights": config.weights}
    return TrainConfig(
        data=config.data,
        model=model,
        upsampling=upsampling,
        width=16 if model == "unet_paper" else None,
        epochs=config.epochs,
        batch_size=config.batch_size,
        loss="ce",
        size=None if model in ("unet_paper", "patch") else config.size,
        output=str(folder / name),
        **({} if model in OWN_LAYERS else own),
        **augmentation,
    )


def is_finished(config: TrainConfig) -> bool:
    """Whether the training of a run is complete."""
    return (config.run_folder / "metrics.json").is_file()


def check_budget(config: TrainConfig) -> None:
    """Raises InputError if the folder holds a run with another budget."""
    if not (config.run_folder / CONFIG).is_file():
        return
    previous = run_config(config.run_folder)
    for name in ("data", "epochs", "batch_size", "encoder", "weights", "size"):
        value, other = getattr(config, name), getattr(previous, name)
        # Without --size, the record has the size that was chosen.
        if value != other and (name != "size" or value):
            if name == "size":
                other = "x".join(map(str, other))
            raise InputError(
                f"{config.run_folder}: was trained with --{name.replace('_', '-')} "
                f"{other}; use another folder for --output"
            )


def train(config: TrainConfig, data: Dataset) -> None:
    """Trains a run, or the rest of it; does nothing if it is complete."""
    from kseg.core.runs import HISTORY, read_history
    from kseg.reporting.run_report import write_run_report
    from kseg.training.fit import fit

    folder = config.run_folder
    if is_finished(config):
        say("already trained")
        return
    history = folder / HISTORY
    done = len(read_history(history)) if history.is_file() else 0
    if done < config.epochs:
        resume = done > 0 and (folder / CHECKPOINT).is_file()
        if fit(replace(config, resume=resume), data, folder):
            raise KeyboardInterrupt
    write_run_report(data, folder)


def quality_of(config: TrainConfig, data: Dataset, calibration_images: int) -> dict:
    """The accuracy, size and complexity of a trained run, without its speed."""
    from kseg.core.runs import HISTORY, read_history
    from kseg.models.analysis.graph import multiply_adds, trace
    from kseg.models.keras_engine import KerasEngine
    from kseg.models.saving import load_model

    folder = config.run_folder
    parity = export_run(folder, calibration_images)
    size = open_engine(folder / "float32.tflite", trial=False).size
    model = load_model(folder / BEST)
    predictor = predictor_of(KerasEngine(model), info_of(folder / BEST))
    evaluator = EVALUATORS[data.task](data)
    evaluation = evaluate(predictor, data.split("val"), evaluator)
    seconds = [line["seconds"] for line in read_history(folder / HISTORY)]
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    return {
        "mean_iou": metrics["mean_iou"],
        "boundary_iou": evaluation.metrics()["boundary_iou"] or 0.0,
        "parameters": model.count_params(),
        "multiply_adds": sum(map(multiply_adds, trace(model, size).steps)),
        "epoch_seconds": round(median(seconds), 1),
        "int8_drop": parity["int8"]["drop"],
    }


def export_run(folder: Path, calibration_images: int) -> dict[str, Any]:
    """parity.json of a run; exports the run if the files are missing."""
    from kseg.deploy.export import export

    made = (*(f"{scheme}.tflite" for scheme in USUAL_SCHEMES), "parity.json")
    if all((folder / name).is_file() for name in made):
        return json.loads((folder / "parity.json").read_text(encoding="utf-8"))
    config = ExportConfig(str(folder), calibration_images=calibration_images)
    return export(config).parity


def time_runs(
    folder: Path, names: Sequence[str], data: Dataset
) -> list[dict[str, float]]:
    """Median inference time of each run's files, in milliseconds per image."""
    from kseg.evaluation.open import open_predictor

    predictors = {
        (name, scheme): open_predictor(folder / name / f"{scheme}.tflite")
        for name in names
        for scheme in USUAL_SCHEMES
    }
    millis = time_on_images(predictors, data.split("val"), TIMED_IMAGES)
    return [
        {
            f"{scheme}_millis": round(millis[name, scheme].engine, 3)
            for scheme in USUAL_SCHEMES
        }
        for name in names
    ]


def table(figures: dict[str, Any]) -> str:
    """The results as a table."""
    from tabulate import tabulate

    rows = [
        (
            row["name"],
            f"{row['mean_iou']:.3f}",
            f"{row['boundary_iou']:.3f}",
            f"{row['parameters'] / 1e6:.2f}",
            f"{row['multiply_adds'] / 1e9:.2f}",
            f"{row['epoch_seconds']:.0f}",
            f"{row['float32_millis']:.1f}",
            f"{row['int8_millis']:.1f}",
            f"{row['int8_drop']:+.3f}",
        )
        for row in figures["networks"]
    ]
    header = (
        "network",
        "mean IoU",
        "boundary IoU",
        "M parameters",
        "G multiply-adds",
        "s per epoch",
        "float32 ms",
        "int8 ms",
        "int8 drop",
    )
    align = ("left", *["right"] * 8)
    return tabulate(rows, header, colalign=align, disable_numparse=True)
