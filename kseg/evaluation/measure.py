"""Measures a model on a split."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import partial
from typing import Any

from edge.core.errors import InputError
from edge.model_file.info import ModelInfo
from edge.predict.base import Predictor
from kseg.core import backend
from kseg.core.configs import EvaluateConfig
from kseg.core.names import OBJECT_TASKS
from kseg.core.results import Evaluation
from kseg.data.open import SEMANTIC
from kseg.data.sample import Dataset, Split
from kseg.evaluation.grouped_objects import with_one_class
from kseg.evaluation.grouping import PREFIX, is_grouping
from kseg.evaluation.labelled_segments import match_ground_truth, with_labelled_segments
from kseg.evaluation.labels import LabelledClasses
from kseg.evaluation.loop import Evaluator, evaluate
from kseg.evaluation.open import (
    check_classes,
    check_task,
    data_of,
    locate,
    open_predictor,
    task_of_model,
)
from kseg.evaluation.result_transforms import ResultTransform, unchanged
from kseg.evaluation.tasks import EVALUATORS
from kseg.evaluation.temperature import TEMPERATURE, record_in

log = logging.getLogger(__name__)


@dataclass
class Measured:
    """A model that was measured, with the data of its figures."""

    evaluation: Evaluation
    data: Dataset
    split: Split
    predictor: Predictor
    evaluator: Evaluator
    shown: ResultTransform


def measure(config: EvaluateConfig) -> Measured:
    """Predicts every image of a split and counts.

    Raises InputError for a model, data or options that do not fit together.
    """
    grouping = check_naming(config)
    path, folder = locate(config.model)
    task = task_of_model(path, config.task)
    if task and config.task:
        check_task(config.model, task, config.task)
    task = config.task or task
    data = data_of(config.model, folder, config.data, config.seed, task)
    if grouping and task in OBJECT_TASKS:
        log.info(
            "each connected segment is an object with the contrast of its border as "
            "score; segments have no classes, so all objects count as one class"
        )
        data = with_one_class(data)
    split = data.split(config.split)
    log.info(f"{data.name}, split {config.split}: {len(split.sizes):,} images")
    backend.start()
    options = (config.engine, config.threads, config.segments, config.tta)
    predictor = open_predictor(path, *options, task or SEMANTIC, given=config.reading)
    check_task(config.model, predictor.info.task, data.task)
    shown: ResultTransform = unchanged
    evaluator = EVALUATORS[data.task](data)
    if config.name_by_truth:
        log.info(
            "each segment has the class that is most frequent there in the ground "
            "truth: no other naming of these segments has a higher pixel accuracy"
        )
        predictor, evaluator = match_ground_truth(predictor, data)
        shown = partial(with_labelled_segments, num_classes=data.num_classes)
    check_classes(predictor, data, config.model)
    labelled = LabelledClasses(data.class_names)
    evaluate(predictor, split, evaluator, [labelled])
    require_value(evaluator, data.name, config.split)
    labelled.report(data.name, config.split)
    metrics = evaluator.metrics()
    if metrics.get("expected_calibration_error") is not None:
        metrics |= calibration_of(predictor.info, config)
    result = Evaluation(
        config.model, data.name, config.split, evaluator.headline, metrics
    )
    return Measured(result, data, split, predictor, evaluator, shown)


def calibration_of(info: ModelInfo, config: EvaluateConfig) -> dict[str, Any]:
    """The temperature of a model's confidence by its name; {} without one.

    On the split that it was fitted on, also the errors that were measured then.
    """
    record = record_in(info)
    if config.split != "val" or config.data:
        return {k: v for k, v in record.items() if k == TEMPERATURE}
    return record


def require_value(evaluator: Evaluator, data: str, split: str) -> None:
    """Raises InputError if no label of a split can be measured on."""
    try:
        evaluator.value()
    except InputError as error:
        raise InputError(f"{data}, split {split}: {error}") from None


def check_naming(config: EvaluateConfig) -> bool:
    """Whether the model is a grouping.

    Raises InputError for one without --name-by-truth, unless it is measured as objects,
    which have no names, and for --name-by-truth otherwise.
    """
    grouping = is_grouping(config.model, config.segments)
    objects = config.task in OBJECT_TASKS
    if grouping and objects and config.name_by_truth:
        raise InputError(
            f"--name-by-truth: has no effect with --task {config.task}, which counts "
            "all segments as one class; leave it out"
        )
    if grouping and not objects and not config.name_by_truth:
        raise InputError(
            f"{config.model}: its segments have no class names; add --name-by-truth to "
            "give each the class that is most frequent there in the ground truth, or "
            f"measure them as objects with --task {' or '.join(OBJECT_TASKS)}"
        )
    if grouping and not config.data:
        raise InputError(f"{config.model}: was not trained on data; add --data DIR")
    if config.name_by_truth and not grouping:
        raise InputError(
            f"--name-by-truth: {config.model} predicts classes itself; leave it out, "
            f"or give {PREFIX}:KIND as MODEL"
        )
    return grouping
