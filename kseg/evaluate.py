"""Measures a model on a split at the masks' own size.

    python -m kseg.evaluate saved_models/RUN --data DIR --split val
    python -m kseg.evaluate grouping:color --data DIR --name-by-truth

A grouping (color, edges, intensity, texture) is the baseline that learns nothing: its
segments have no class names, so the truth names them: no other names fit more pixels.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, Optional, Sequence

import numpy as np

from edge.command import BadInput, make_folder, run, say
from edge.metadata import unknown_model
from edge.segmenter import Segmenter
from kseg import backend
from kseg.config import EvaluateConfig, parse
from kseg.data import Data, Split, open_data
from kseg.grouping import PREFIX, Naming, is_grouping, name_by_majority
from kseg.progress import bar
from kseg.runs import locate, open_segmenter, run_config, write_result


def confusion_over(
    segmenter: Segmenter,
    split: Split,
    num_classes: int,
    name: Optional[Naming] = None,
) -> np.ndarray:
    """Predicts every image of a split -> counts (C, C) int64, truth in rows.

    `name` turns (labels, mask) into class ids where the labels are none yet. Raises
    BadInput for pictures that the network cannot take, and for predictions outside the
    classes.
    """
    from kseg.metrics import confusion_matrix

    total = np.zeros((num_classes, num_classes), np.int64)
    for index in bar(range(len(split.sizes)), "evaluating"):
        image, mask = split.read(index)
        try:
            labels = segmenter.predict(image)
        except BadInput as error:
            raise BadInput(f"{split.names[index]}: {error}") from None
        if name:
            labels = name(labels, mask)
        elif labels.max() >= num_classes:
            raise BadInput(
                f"{split.names[index]}: the model predicts class {labels.max()}, the "
                f"data have {num_classes} classes; give data of its own classes"
            )
        total += confusion_matrix(mask, labels, num_classes)
    return total


def iou_table(metrics: dict[str, Any]) -> str:
    """IoU per class and the summaries, for people."""
    from tabulate import tabulate

    rows = [
        (name, "absent" if value is None else f"{value:.4f}")
        for name, value in metrics["per_class_iou"].items()
    ]
    summary = ("mean_iou", "pixel_accuracy", "mean_accuracy", "frequency_weighted_iou")
    rows.append(("", ""))
    for name in summary:
        value = metrics[name]
        shown = "-" if value is None else f"{value:.4f}"
        rows.append((name.replace("_", " ").replace("iou", "IoU"), shown))
    align = ("left", "right")
    return tabulate(rows, ("class", "IoU"), colalign=align, disable_numparse=True)


def data_of(model: str, folder: Optional[Path], data: str, seed: Optional[int]) -> Data:
    """The data that a command names, or those that the run was trained on."""
    if not data and folder is None:
        raise BadInput(f"{model}: does not say what it was trained on; give --data")
    config = run_config(folder) if folder else None
    name = data or config.data
    if not data and name != "shapes" and not Path(name).is_dir():
        raise BadInput(f"{name}: the run's data are gone; say where with --data")
    default = config.seed if config else 0
    return open_data(name, default if seed is None else seed)


def check_naming(config: EvaluateConfig) -> None:
    """Raises BadInput where a grouping is not named by the truth, or a network is."""
    grouping = is_grouping(config.model, config.segments)
    if grouping and not config.name_by_truth:
        raise BadInput(
            f"{config.model}: segments have no class names that could be measured; add "
            "--name-by-truth to name each by the class that the truth has most of there"
        )
    if grouping and not config.data:
        raise BadInput(f"{config.model}: was trained on no data; say which with --data")
    if config.name_by_truth and not grouping:
        raise BadInput(
            f"--name-by-truth: {config.model} names its own classes; leave it out, or "
            f"give {PREFIX}:KIND as MODEL"
        )


def by_truth(segmenter: Segmenter, data: Data) -> tuple[Segmenter, Naming]:
    """A grouping with the data's classes, and what turns its segments into them."""
    say(
        "segments bear the class that the truth has most of there: no naming of these "
        "segments has a higher pixel accuracy"
    )
    name = partial(name_by_majority, num_classes=data.num_classes)
    return Segmenter(segmenter.engine, data.info), name


def check_classes(segmenter: Segmenter, data: Data, model: str) -> None:
    """Raises BadInput where the model's classes are not the data's."""
    known, given = segmenter.info.names, data.names
    if known != given and known != unknown_model().names:
        raise BadInput(
            f"{model}: knows the classes {', '.join(known)}; {data.name} has "
            f"{', '.join(given)}"
        )


def main(argv: Optional[Sequence[str]] = None) -> None:
    config = parse(EvaluateConfig, __doc__, argv)
    check_naming(config)
    path, folder = locate(config.model)
    data = data_of(config.model, folder, config.data, config.seed)
    split = data.split(config.split)
    backend.start()
    segmenter = open_segmenter(path, config.engine, config.threads, config.segments)
    name = None
    if config.name_by_truth:
        segmenter, name = by_truth(segmenter, data)
    check_classes(segmenter, data, config.model)
    from kseg.metrics import summarize

    matrix = confusion_over(segmenter, split, data.num_classes, name)
    metrics = summarize(matrix, data.names, len(split.sizes))
    if config.output:
        from kseg import pictures

        output = make_folder(Path(config.output))
        pictures.sample_sheet(output / "samples.png", segmenter, split, name)
        pictures.confusion(output / "confusion.png", matrix, data.names)
        say(f"samples.png and confusion.png are in {output}")
    if config.json != "-":
        print(iou_table(metrics))
    write_result(config.json, metrics)


if __name__ == "__main__":
    run("kseg.evaluate", main)
