"""Measures a model on a split at the masks' own size.

    python -m kseg.evaluate saved_models/RUN --data DIR --split val
    python -m kseg.evaluate grouping:color --data DIR --name-by-truth

As papers do it: --full-size, --flip and --scales 0.75,1,1.25. Beside mean IoU stand
boundary IoU, the mean over images of their mean IoU, and AP50 of connected components.

A grouping (color, edges, intensity, texture) is the baseline that learns nothing: its
segments have no class names, so the truth names them: no other names fit more pixels.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Optional, Sequence

from edge.core.errors import InputError
from edge.core.files import make_folder
from edge.core.log import say
from kseg.cli.parser import parse
from kseg.cli.tables import metrics_table, write_result
from kseg.core import backend
from kseg.core.configs import EvaluateConfig
from kseg.evaluation import EVALUATORS
from kseg.evaluation.grouping import PREFIX, is_grouping
from kseg.evaluation.labelled_segments import match_ground_truth, with_labelled_segments
from kseg.evaluation.loop import evaluate
from kseg.evaluation.open import check_classes, data_of, locate, open_predictor
from kseg.evaluation.result_transforms import ResultTransform, unchanged


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


def main(argv: Optional[Sequence[str]] = None) -> None:
    config = parse(EvaluateConfig, "kseg.evaluate", __doc__, argv)
    check_naming(config)
    path, folder = locate(config.model)
    data = data_of(config.model, folder, config.data, config.seed)
    split = data.split(config.split)
    backend.start()
    predictor = open_predictor(
        path, config.engine, config.threads, config.segments, config.tta
    )
    shown: ResultTransform = unchanged
    evaluator = EVALUATORS[data.task](data)
    if config.name_by_truth:
        say(
            "segments bear the class that the truth has most of there: no naming of "
            "these segments has a higher pixel accuracy"
        )
        predictor, evaluator = match_ground_truth(predictor, data)
        shown = partial(with_labelled_segments, num_classes=data.num_classes)
    check_classes(predictor, data, config.model)
    metrics = evaluate(predictor, split, evaluator).metrics()
    if config.output:
        from kseg.reporting.tasks import FIGURES

        output = make_folder(Path(config.output))
        names = FIGURES[data.task](output, predictor, split, evaluator, shown)
        say(f"{' and '.join(names)} are in {output}")
    if config.json != "-":
        print(metrics_table(metrics))
    write_result(config.json, metrics)
