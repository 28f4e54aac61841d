"""Every architecture on the same data with the same budget: what each step brought.

    python -m kseg.benchmark architectures --data shapes --epochs 6

Each network is a run of its own in the output folder. A comparison that was broken off
goes on with the networks that are missing.
"""

from __future__ import annotations

import csv
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from edge.command import BadInput, make_folder, say
from edge.segmenter import Segmenter
from kseg import backend, runs
from kseg.config import OWN_LAYERS, BenchmarkConfig, ExportConfig, TrainConfig
from kseg.data import Data, Split, open_data
from kseg.progress import bar

# Coarse to fine, and for each what enlarges: the plain way before the learned one.
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
BOUNDARY = 0.02  # of the diagonal: how far from an outline boundary IoU looks


def compare(config: BenchmarkConfig) -> dict[str, Any]:
    """Trains and measures each network; leaves architectures.json and two pictures."""
    data = open_data(config.data)
    backend.start()
    import keras

    from kseg import pictures

    folder = make_folder(Path(config.output))
    chosen = [
        training_of(config, model, upsampling, folder)
        for model, upsampling in NETWORKS
        if model in config.models
    ]
    for training in chosen:
        check_budget(training)
    rows: list[dict[str, Any]] = []
    for index, training in enumerate(chosen, 1):
        name = training.run_folder.name
        say(f"{index} of {len(chosen)}: {name}")
        keras.utils.clear_session()
        train(training, data)
        rows.append(
            {"name": name, **measured(training, data, config.calibration_images)}
        )
        figures = {
            "data": data.name,
            "encoder": config.encoder,
            "epochs": config.epochs,
            "batch_size": config.batch_size,
            "networks": rows,
        }
        runs.write_json(folder / "architectures.json", figures)
        pictures.gains(folder / "architectures.png", rows)
    segmenters = {
        row["name"]: partial(runs.open_segmenter, folder / row["name"] / runs.BEST)
        for row in rows
    }
    pictures.gallery(folder / "predictions.png", segmenters, data.split("val"))
    say(f"architectures.json, architectures.png and predictions.png are in {folder}")
    return figures


def training_of(
    config: BenchmarkConfig, model: str, upsampling: str, folder: Path
) -> TrainConfig:
    """The run of one network. Procedural shapes need no augmentation."""
    name = f"{model}-{upsampling}" if upsampling else model
    still = {"scale": 1.0, "color": 0.0} if config.data == "shapes" else {}
    own = {"encoder": config.encoder, "weights": config.weights}
    return TrainConfig(
        data=config.data,
        model=model,
        upsampling=upsampling,
        width=16 if model == "unet_paper" else None,
        epochs=config.epochs,
        batch_size=config.batch_size,
        size=None if model in ("unet_paper", "patch") else config.size,
        output=str(folder / name),
        **({} if model in OWN_LAYERS else own),
        **still,
    )


def check_budget(config: TrainConfig) -> None:
    """Raises BadInput where a run with another budget is in the way."""
    if not (config.run_folder / runs.CONFIG).is_file():
        return
    there = runs.run_config(config.run_folder)
    for name in ("data", "epochs", "batch_size", "encoder", "weights", "size"):
        value, other = getattr(config, name), getattr(there, name)
        # Without --size the run's record has the default that it came to.
        if value != other and (name != "size" or value):
            if name == "size":
                other = "x".join(map(str, other))
            raise BadInput(
                f"{config.run_folder}: was trained with --{name.replace('_', '-')} "
                f"{other}; give --output another folder"
            )


def train(config: TrainConfig, data: Data) -> None:
    """Trains a run, as far as that is not done yet."""
    from kseg.callbacks import HISTORY, read_history
    from kseg.train import fit, report

    folder = config.run_folder
    if (folder / "metrics.json").is_file():
        say("trained already")
        return
    history = folder / HISTORY
    done = len(read_history(history)) if history.is_file() else 0
    if done < config.epochs:
        resume = done > 0 and (folder / runs.LAST).is_file()
        if fit(replace(config, resume=resume), data, folder):
            raise KeyboardInterrupt
    report(data, folder)


def measured(
    config: TrainConfig, data: Data, calibration_images: int
) -> dict[str, Any]:
    """One row: quality, size, cost and speed of a trained run."""
    from kseg.export import export
    from kseg.graph import multiply_adds, trace

    folder = config.run_folder
    segmenter = runs.open_segmenter(folder / runs.BEST)
    model = runs.load_model(folder / runs.BEST)
    done = export(ExportConfig(str(folder), calibration_images=calibration_images))
    float32, int8 = done.parity["float32"], done.parity["int8"]
    with (folder / "history.csv").open() as file:
        seconds = [float(line["seconds"]) for line in csv.DictReader(file)]
    return {
        "mean_iou": done.mean_iou,
        "boundary_iou": boundary_iou_over(segmenter, data.split("val"), data),
        "parameters": model.count_params(),
        "multiply_adds": sum(map(multiply_adds, trace(model, done.size).steps)),
        "epoch_seconds": round(median(seconds), 1),
        "float32_millis": float32["latency_millis"],
        "int8_millis": int8["latency_millis"],
        "int8_drop": int8["drop"],
    }


def boundary_iou_over(segmenter: Segmenter, split: Split, data: Data) -> float:
    """Mean boundary IoU over the classes, all pictures of a split together."""
    from kseg.metrics import boundary_counts

    total = np.zeros((data.num_classes, 2), np.int64)
    for index in bar(range(len(split.sizes)), "outlines"):
        image, mask = split.read(index)
        labels = segmenter.predict(image)
        distance = max(1, round(BOUNDARY * np.hypot(*mask.shape)))
        total += boundary_counts(mask, labels, data.num_classes, distance)
    both, either = total[total[:, 1] > 0].T
    return float((both / either).mean()) if len(both) else 0.0


def table(figures: dict[str, Any]) -> str:
    """architectures.json for people."""
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
