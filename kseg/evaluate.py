"""Measures a model on a split at the masks' own size.

    python -m kseg.evaluate saved_models/RUN --data DIR --split val
    python -m kseg.evaluate grouping:color --data DIR --name-by-truth

As papers do it: --full-size, --flip and --scales 0.75,1,1.25. Beside mean IoU stand
boundary IoU, the mean over images of their mean IoU, and AP50 of connected components.

A grouping (color, edges, intensity, texture) is the baseline that learns nothing: its
segments have no class names, so the truth names them: no other names fit more pixels.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Optional, Sequence

import numpy as np

from edge.core.arguments import run
from edge.core.errors import InputError
from edge.core.files import make_folder
from edge.core.log import say
from edge.model_file.info import unknown_model
from edge.predict.semantic import Segmenter
from kseg import backend
from kseg.components import Components
from kseg.config import EvaluateConfig, parse
from kseg.data import Data, Split, open_data
from kseg.grouping import PREFIX, Naming, is_grouping, name_by_majority
from kseg.outlines import OF_DIAGONAL, boundary_counts, boundary_iou, distance_in
from kseg.progress import bar
from kseg.runs import locate, open_segmenter, run_config, write_result


@dataclass
class Evaluation:
    """What one pass over a split has counted of it.

    `matrix` (C, C) is the confusion matrix, `boundary` (C, 2) as `boundary_counts`,
    `per_image_iou` (C,) of each picture, nan where a class is absent.
    """

    names: tuple[str, ...]
    matrix: np.ndarray = field(init=False)
    boundary: np.ndarray = field(init=False)
    components: Components = field(init=False)
    per_image_iou: list[np.ndarray] = field(default_factory=list)

    def __post_init__(self) -> None:
        count = len(self.names)
        self.matrix = np.zeros((count, count), np.int64)
        self.boundary = np.zeros((count, 2), np.int64)
        self.components = Components(count)

    def add(
        self,
        mask: np.ndarray,
        labels: np.ndarray,
        confidence: Optional[np.ndarray] = None,
    ) -> None:
        """Counts one picture: ids (H, W) twice, confidence (H, W) float32 if known."""
        from kseg.metrics import confusion_matrix, iou_per_class

        count = len(self.names)
        matrix = confusion_matrix(mask, labels, count)
        self.matrix += matrix
        self.per_image_iou.append(iou_per_class(matrix))
        self.boundary += boundary_counts(mask, labels, count, distance_in(mask.shape))
        self.components.add(mask, labels, confidence)

    def figures(self) -> dict[str, Any]:
        """The content of metrics.json: the accumulated ones of `summarize`, and beside
        them what only resembles them, each under its own name.

        boundary_iou is the mean over classes of boundary IoU, its distance a share of
        the diagonal. mean_iou_per_image is the mean over pictures of a picture's mean
        IoU over the classes that it or its prediction has: a small picture counts like
        a large one, and a class counts by the pictures that have it. It is not mean IoU
        (Csurka, Larlus and Perronnin, BMVC 2013, compare the two). component_ap50 is
        null where the network gives labels without scores.
        """
        from kseg.metrics import mean_of_present, named, summarize

        boundary = boundary_iou(self.boundary)
        precision = self.components.average_precision()
        per_image = [mean_of_present(iou) for iou in self.per_image_iou]
        seen = [value for value in per_image if value is not None]
        return {
            **summarize(self.matrix, self.names, len(self.per_image_iou)),
            "boundary_iou": mean_of_present(boundary),
            "boundary_distance_of_diagonal": OF_DIAGONAL,
            "per_class_boundary_iou": named(self.names, boundary),
            "mean_iou_per_image": float(np.mean(seen)) if seen else None,
            "component_ap50": mean_of_present(precision),
            "per_class_component_ap50": named(self.names, precision),
        }


def evaluate_split(
    segmenter: Segmenter,
    split: Split,
    names: tuple[str, ...],
    name: Optional[Naming] = None,
    into: Optional[Evaluation] = None,
) -> Evaluation:
    """Predicts every image of a split and counts it against its mask, `into` or anew.

    `name` turns (labels, mask) into class ids where the labels are none yet. Raises
    InputError for pictures that the network cannot take, and for predictions outside
    the classes.
    """
    evaluation = into or Evaluation(names)
    for index in bar(range(len(split.sizes)), "evaluating"):
        image, mask = split.read(index)
        try:
            labels, confidence = segmenter.predict_with_confidence(image)
        except InputError as error:
            raise InputError(f"{split.names[index]}: {error}") from None
        if name:
            labels = name(labels, mask)
        elif labels.max() >= len(names):
            raise InputError(
                f"{split.names[index]}: the model predicts class {labels.max()}, the "
                f"data have {len(names)} classes; give data of its own classes"
            )
        evaluation.add(mask, labels, confidence)
    return evaluation


PER_CLASS = {
    "per_class_iou": "IoU",
    "per_class_boundary_iou": "boundary IoU",
    "per_class_component_ap50": "component AP50",
}
SUMMARY = {
    "mean_iou": "mean IoU",
    "pixel_accuracy": "pixel accuracy",
    "mean_accuracy": "mean accuracy",
    "frequency_weighted_iou": "frequency weighted IoU",
    "boundary_iou": "mean boundary IoU",
    "mean_iou_per_image": "mean over images of their mean IoU",
    "component_ap50": "mean component AP50",
}


def iou_table(metrics: dict[str, Any]) -> str:
    """The figures per class and the summaries, for people."""
    from tabulate import tabulate

    def shown(value: Optional[float]) -> str:
        return "-" if value is None else f"{value:.4f}"

    rows: list[tuple[str, ...]] = [
        (name, *(shown(metrics[key][name]) for key in PER_CLASS))
        for name in metrics["per_class_iou"]
    ]
    rows.append(("", "", "", ""))
    rows += [(text, shown(metrics[key]), "", "") for key, text in SUMMARY.items()]
    align = ("left", *["right"] * len(PER_CLASS))
    header = ("class", *PER_CLASS.values())
    return tabulate(rows, header, colalign=align, disable_numparse=True)


def data_of(model: str, folder: Optional[Path], data: str, seed: Optional[int]) -> Data:
    """The data that a command names, or those that the run was trained on."""
    if not data and folder is None:
        raise InputError(f"{model}: does not say what it was trained on; give --data")
    config = run_config(folder) if folder else None
    name = data or config.data
    if not data and name != "shapes" and not Path(name).is_dir():
        raise InputError(f"{name}: the run's data are gone; say where with --data")
    default = config.seed if config else 0
    return open_data(name, default if seed is None else seed)


def check_naming(config: EvaluateConfig) -> None:
    """Raises InputError where a grouping is not named by the truth, or a network is."""
    grouping = is_grouping(config.model, config.segments)
    if grouping and not config.name_by_truth:
        raise InputError(
            f"{config.model}: segments have no class names that could be measured; add "
            "--name-by-truth to name each by the class that the truth has most of there"
        )
    if grouping and not config.data:
        raise InputError(
            f"{config.model}: was trained on no data; say which with --data"
        )
    if config.name_by_truth and not grouping:
        raise InputError(
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
    """Raises InputError where the model's classes are not the data's."""
    known, given = segmenter.info.names, data.names
    of_others = unknown_model().names, unknown_model(given).names
    if known != given and known not in of_others:
        raise InputError(
            f"{model}: knows the classes {', '.join(known[:32])}; {data.name} has "
            f"{', '.join(given)}"
        )


def main(argv: Optional[Sequence[str]] = None) -> None:
    config = parse(EvaluateConfig, __doc__, argv)
    check_naming(config)
    path, folder = locate(config.model)
    data = data_of(config.model, folder, config.data, config.seed)
    split = data.split(config.split)
    backend.start()
    segmenter = open_segmenter(
        path, config.engine, config.threads, config.segments, config.passes
    )
    name = None
    if config.name_by_truth:
        segmenter, name = by_truth(segmenter, data)
    check_classes(segmenter, data, config.model)
    evaluation = evaluate_split(segmenter, split, data.names, name)
    metrics = evaluation.figures()
    if config.output:
        from kseg import pictures

        output = make_folder(Path(config.output))
        pictures.sample_sheet(output / "samples.png", segmenter, split, name)
        pictures.confusion(output / "confusion.png", evaluation.matrix, data.names)
        say(f"samples.png and confusion.png are in {output}")
    if config.json != "-":
        print(iou_table(metrics))
    write_result(config.json, metrics)


if __name__ == "__main__":
    run("kseg.evaluate", main)
