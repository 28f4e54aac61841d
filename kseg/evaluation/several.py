"""Several runs as one model, and the measurement of a k-fold training.

On its own data each image is predicted by the fold that did not train on it
(out of fold); on other data, and on a test split, the folds are averaged.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Optional

from edge.core.errors import InputError
from edge.model_file.reading import NOTHING, Reading
from edge.predict.base import Predictor
from edge.predict.ensemble import average
from edge.predict.open import SINGLE_PASS
from edge.predict.tta import TTA
from kseg.core import backend
from kseg.core.configs import EvaluateConfig
from kseg.core.fold_runs import is_several, resolve_runs
from kseg.core.results import Evaluation
from kseg.core.runs import count_folds, find_model, read_record, run_config
from kseg.data.fold_data import is_data_of_fold
from kseg.data.folds import POOLED
from kseg.data.sample import Dataset
from kseg.evaluation.labels import LabelledClasses
from kseg.evaluation.loop import evaluate
from kseg.evaluation.measure import Measured, measure, require_value
from kseg.evaluation.open import (
    check_classes,
    check_task,
    data_of,
    locate,
    open_predictor,
    task_of_model,
)
from kseg.evaluation.result_transforms import unchanged
from kseg.evaluation.tasks import EVALUATORS

log = logging.getLogger(__name__)

OUT_OF_FOLD = "out-of-fold"  # in place of a split's name


def open_several(
    model: str,
    engine: str = "auto",
    threads: Optional[int] = None,
    tta: TTA = SINGLE_PASS,
    given: Reading = NOTHING,
) -> Predictor:
    """Opens "RUN1,RUN2" or a k-fold run as one predictor of their mean.

    Raises InputError for models that cannot be averaged.
    """
    runs = resolve_runs(model)
    paths = [find_model(str(run))[0] for run in runs]
    if any(path.suffix == ".keras" for path in paths):
        backend.start()
    members = [open_predictor(path, engine, threads, given=given) for path in paths]
    log.info(f"{model}: the mean of {len(members)} models")
    return average(members, [str(run) for run in runs], tta)


def measure_any(config: EvaluateConfig) -> Measured:
    """Measures one model (see `measure`), several, or the folds of a training."""
    if not is_several(config.model):
        return measure(config)
    refuse_options_of_groupings(config)
    runs = resolve_runs(config.model)
    if is_out_of_fold(config, runs[0]):
        return measure_out_of_fold(config, runs)
    return measure_mean(config, runs)


def refuse_options_of_groupings(config: EvaluateConfig) -> None:
    """Raises InputError for options that only groupings have."""
    for name in ("segments", "name_by_truth"):
        if getattr(config, name):
            raise InputError(
                f"--{name.replace('_', '-')}: has no effect on {config.model}; it is "
                "for grouping:KIND"
            )


def is_out_of_fold(config: EvaluateConfig, first: Path) -> bool:
    """Whether the folds of a training are measured on the images they are made of."""
    if not count_folds(Path(config.model)) or config.split not in POOLED:
        return False
    recorded = run_config(first)
    task = config.task or recorded.task
    return not config.data or is_data_of_fold(recorded, first, config.data, task)


def measure_out_of_fold(config: EvaluateConfig, runs: list[Path]) -> Measured:
    """Measures each image with the fold that was not trained on it.

    The counts of all folds are added up, as if one model had predicted all images.
    """
    backend.start()
    evaluator, labelled, images = None, None, 0
    for number, run in enumerate(runs):
        path, folder = locate(str(run))
        data = data_of(str(run), folder, config.data, config.seed, config.task)
        split = data.split("val")
        predictor = open_predictor(path, tta=config.tta)
        check_task(str(run), predictor.info.task, data.task)
        check_classes(predictor, data, str(run))
        evaluator = evaluator or EVALUATORS[data.task](data)
        labelled = labelled or LabelledClasses(data.class_names)
        log.info(f"{run}: {len(split.sizes)} images that it was not trained on")
        evaluate(predictor, split, evaluator, [labelled])
        images += len(split.sizes)
        if not number:  # figures show images of the first fold
            shown = data, split, predictor
    assert evaluator is not None and labelled is not None
    data, split, predictor = shown
    require_value(evaluator, data.name, OUT_OF_FOLD)
    labelled.report(data.name, OUT_OF_FOLD)
    log.info(
        f"{config.model}: {images} images of train and val, each predicted by the fold "
        "that was not trained on it (out of fold)"
    )
    found = Evaluation(
        *(config.model, data.name, OUT_OF_FOLD, evaluator.headline),
        evaluator.metrics(),
    )
    return Measured(found, data, split, predictor, evaluator, unchanged)


def measure_mean(config: EvaluateConfig, runs: list[Path]) -> Measured:
    """Measures the mean of several models on a split that none was trained on."""
    path, folder = locate(str(runs[0]))
    task = config.task or task_of_model(path)
    data = data_of(str(runs[0]), folder, config.data, config.seed, task)
    split = data.split(config.split)
    refuse_trained_on(config, runs, data)
    predictor = open_several(
        config.model, config.engine, config.threads, config.tta, config.reading
    )
    check_task(config.model, predictor.info.task, data.task)
    check_classes(predictor, data, config.model)
    evaluator, labelled = EVALUATORS[data.task](data), LabelledClasses(data.class_names)
    evaluate(predictor, split, evaluator, [labelled])
    require_value(evaluator, data.name, config.split)
    labelled.report(data.name, config.split)
    found = Evaluation(
        *(config.model, data.name, config.split, evaluator.headline),
        evaluator.metrics(),
    )
    return Measured(found, data, split, predictor, evaluator, unchanged)


def refuse_trained_on(config: EvaluateConfig, runs: list[Path], data: Dataset) -> None:
    """Raises InputError if a model was trained on val images of another one.

    Only runs that were trained on the same folder are compared: that other data have
    other images cannot be known.
    """
    if config.split not in POOLED:
        return
    known: dict[str, Path] = {}
    for run in runs:
        folder = find_model(str(run))[1]
        if folder is None:
            continue
        recorded, facts = run_config(folder), read_record(folder)["data"]
        same = Path(recorded.data).resolve() == Path(data.name).resolve()
        if (
            same
            or recorded.fold is not None
            and is_data_of_fold(recorded, folder, data.name)
        ):
            known.setdefault(str(facts.get("fingerprint")), run)
    if len(known) > 1:
        first, other = list(known.values())[:2]
        raise InputError(
            f"{first} and {other}: were trained on different images of {data.name}, so "
            f"the {config.split} images of one may be among those of the other; add "
            "--split test, or give other data with --data"
        )
