"""Trains every network that finds objects with the same budget and compares them.

    kseg benchmark objects --epochs 6

Each network is a run in the output folder, trained on as many scenes of `shapes` as the
others, with its own batch size and learning rate. An interrupted comparison continues
when it is started again. AP and AR are of boxes, on the val split. Times are of the
network in Keras, from an image to its objects.

`localize` has scenes with one object. `rpn` tells no classes apart.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Optional, Sequence

from benchmarks.proposals import costs_on_images
from benchmarks.results import JSON_HELP, option, show
from benchmarks.runs import completed
from edge.core.errors import InputError
from edge.core.files import make_folder
from edge.core.log import say
from edge.predict.base import Predictor
from kseg.cli.parser import parse
from kseg.core import backend
from kseg.core.names import ENCODER_NAMES, OBJECT_MODELS, OWN_LAYERS
from kseg.core.options import Output, Size
from kseg.core.results import Run
from kseg.core.runs import CONFIG, run_config, write_json
from kseg.data.sample import Split

# In the order in which they were published.
ORDER = ("localize", "rcnn", "fast_rcnn", "rpn", "faster_rcnn", "yolo")
ORDER += ("mask_rcnn", "instances", "detr")
KNOWN = tuple(name for name in ORDER if name in OBJECT_MODELS)
# Network -> options of its small form, where its defaults are those of a paper.
SMALL: dict[str, dict[str, Any]] = {
    "localize": {"objects": 1},
    "detr": {"layers": 2, "queries": 20, "attention_width": 64, "dropout": 0.0},
}
OF_BUDGET = ("epochs", "encoder", "size")  # options of all, if a network has them
COLUMNS = {
    "box_ap50": "box AP50",
    "box_ap": "box AP",
    "box_ar100": "box AR100",
    "mask_ap": "mask AP",
}
SHOWN = 3  # scenes of the figure of predictions


@dataclass(frozen=True)
class ObjectsConfig:
    """Options of `kseg benchmark objects`."""

    models: tuple[str, ...] = option(
        KNOWN, "networks, separated by commas", choices=KNOWN
    )
    encoder: str = option("plain", "encoder of the networks", choices=ENCODER_NAMES)
    epochs: int = option(6, "epochs of training for each network")
    size: Size = option((128, 128), "training crop in pixels")
    images: int = option(20, "images of the val split that are timed")
    output: str = option("saved_models/objects", "folder for the runs and results")
    json: Output = option("", JSON_HELP)


def main(argv: Optional[Sequence[str]] = None) -> None:
    config = parse(ObjectsConfig, "kseg benchmark objects", __doc__, argv)
    show(compare(config), table, config.json)


def compare(config: ObjectsConfig) -> dict[str, Any]:
    """Trains and measures each network; writes objects.json and two figures."""
    backend.start()
    import keras

    from kseg.evaluation.open import data_of, locate, open_predictor

    folder = make_folder(Path(config.output))
    for name in config.models:
        check_budget(config, folder / name)
    rows: list[dict[str, Any]] = []
    for index, name in enumerate(config.models, 1):
        say(f"{index} of {len(config.models)}: {name}")
        keras.utils.clear_session()
        rows.append(quality_of(name, trained(config, name, folder / name)))
    runs = {row["name"]: str(folder / row["name"]) for row in rows}
    predictors = {name: open_predictor(locate(run)[0]) for name, run in runs.items()}
    for row in rows:
        name = row["name"]
        split = data_of(str(folder / name), folder / name, "", None).split("val")
        only = {name: predictors[name]}
        row["cost"] = asdict(costs_on_images(only, split, config.images)[name])
    figures = {
        "encoder": config.encoder,
        "epochs": config.epochs,
        "size": list(config.size),
        "networks": rows,
    }
    write_json(folder / "objects.json", figures)
    chart(folder / "objects.png", rows)
    draw_predictions(folder / "predictions.png", predictors, folder)
    say(f"{folder}: wrote objects.json, objects.png and predictions.png")
    return figures


def budget_of(config: ObjectsConfig, model: str) -> dict[str, Any]:
    """The options that are the same for all networks that have them."""
    names = (name for name in OF_BUDGET if name != "encoder" or model not in OWN_LAYERS)
    return {name: getattr(config, name) for name in names}


def check_budget(config: ObjectsConfig, folder: Path) -> None:
    """Raises InputError if a folder holds a run with another budget."""
    if not (folder / CONFIG).is_file():
        return
    previous = run_config(folder)
    for name, value in budget_of(config, folder.name).items():
        other = getattr(previous, name)
        if value != other:
            raise InputError(
                f"{folder}: was trained with --{name.replace('_', '-')} {other}; use "
                "another folder for --output"
            )


def trained(config: ObjectsConfig, name: str, folder: Path) -> Run:
    """The run of a network; trains it, or the rest of it, if it is not complete."""
    import kseg

    options = {**budget_of(config, name), **SMALL.get(name, {})}
    train = partial(kseg.train, "shapes", model=name, output=folder, **options)
    return completed(folder, lambda resume: train(resume=resume))


def quality_of(name: str, run: Run) -> dict[str, Any]:
    """The accuracy of a run, its parameters, and the time of its epochs."""
    from kseg.models.saving import load_model

    return {
        "name": name,
        **{key: run.metrics.get(key) for key in COLUMNS},
        "parameters": load_model(run.model).count_params(),
        "train_seconds": round(sum(line["seconds"] for line in run.history), 1),
    }


def chart(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Draws the AP of each network, and what an image costs."""
    from kseg.reporting.figures import new_figure, save_figure

    figure, (left, right) = new_figure(11, 1.4 + 0.42 * len(rows), columns=2)
    positions = [-index for index in range(len(rows))]
    for key, label, shift in (("box_ap50", "AP50", 0.2), ("box_ap", "AP", -0.2)):
        values = [row[key] or 0.0 for row in rows]
        places = [position + shift for position in positions]
        bars = left.barh(places, values, 0.38, label=label)
        left.bar_label(bars, fmt="%.3f", fontsize=8, padding=2)
    left.set(xlim=(0, 1.12), title="average precision of boxes")
    left.legend(loc="lower right")
    bars = right.barh(positions, [row["cost"]["total"] for row in rows], color="C2")
    right.bar_label(bars, fmt="%.0f", fontsize=8, padding=2)
    most = max(row["cost"]["total"] for row in rows)
    right.set(xscale="log", title="milliseconds an image, in Keras")
    right.set_xlim(right=3 * most)  # room for the number
    left.set_yticks(positions, [row["name"] for row in rows])
    right.set_yticks(positions, [""] * len(rows))
    for axes in (left, right):
        axes.grid(axis="x", alpha=0.3)
    save_figure(figure, path)


def draw_predictions(
    path: Path, predictors: dict[str, Predictor], folder: Path
) -> None:
    """Draws the labelled and the found objects of some scenes, a row for each network.

    The first column of each pair is what is labelled.
    """
    import numpy as np

    from edge.core.images import write_image
    from kseg.evaluation.open import data_of
    from kseg.reporting.figures import title, to_cell
    from kseg.reporting.object_pictures import picture, result_of_objects

    cell, rows = (240, 240), []
    for name, predictor in predictors.items():
        split: Split = data_of(str(folder / name), folder / name, "", None).split("val")
        draw = partial(picture, info=predictor.info, box=cell)
        parts = []
        for index in range(SHOWN):
            image, objects = split.read(index)
            labelled = result_of_objects(objects, image.shape[:2])
            both = (
                draw(image, labelled, scores=False),
                draw(image, predictor.predict(image)),
            )
            parts += [
                np.concatenate([title(text, cell), to_cell(view, cell)])
                for text, view in zip(("labelled", name), both, strict=True)
            ]
        rows.append(np.concatenate(parts, axis=1))
    write_image(path, np.concatenate(rows))


def table(figures: dict[str, Any]) -> str:
    """The results as a table."""
    from tabulate import tabulate

    rows = [
        (
            row["name"],
            *("-" if row[key] is None else f"{row[key]:.3f}" for key in COLUMNS),
            f"{row['cost']['total']:.1f}",
            f"{row['cost']['passes']:.0f}",
            f"{row['parameters'] / 1e6:.2f}",
            f"{row['train_seconds'] / 60:.1f}",
        )
        for row in figures["networks"]
    ]
    header = (
        "network",
        *COLUMNS.values(),
        "ms an image",
        "passes",
        "M parameters",
        "minutes of training",
    )
    align = ("left", *["right"] * (len(header) - 1))
    return tabulate(rows, header, colalign=align, disable_numparse=True)
