"""The Python API: each command as a function.

Functions return objects of kseg.core.results, log by `logging`, print nothing and do
not exit. Keywords are the options of the command, with _ for -; `config` takes a whole
configuration instead. Bad input raises InputError with one line.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import fields, replace
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional, Union

from edge.core.errors import GateFailed, InputError
from edge.core.files import check_writable, make_folder
from kseg.core.checks import check_doctor, check_summary, check_train
from kseg.core.configs import (
    DoctorConfig,
    EvaluateConfig,
    ExportConfig,
    PredictConfig,
    PrepareConfig,
    ReportConfig,
    SummaryConfig,
    TrainConfig,
)
from kseg.core.progress import ProgressCallback, reported_to
from kseg.core.results import (
    Diagnosis,
    Evaluation,
    Exported,
    Predictions,
    Prepared,
    Report,
    Run,
    Summary,
)
from kseg.core.signatures import AnyPath, configured, takes_options, text_of_path

if TYPE_CHECKING:
    from kseg.core.process_group import ProcessGroup
    from kseg.deploy.lint.rules import LintIssue

log = logging.getLogger(__name__)


@takes_options(TrainConfig)
def train(
    data: Optional[AnyPath] = None,
    *,
    config: Optional[TrainConfig] = None,
    progress: Optional[ProgressCallback] = None,
    **options: Any,
) -> Run:
    """Trains a network, evaluates the best weights and writes the run folder.

    `data` is a data folder, or "shapes" (the default) for generated scenes. `options`
    are the fields of TrainConfig, such as `model`, `encoder`, `weights`, `epochs`,
    `size` (height, width), `output`, `resume`, `overwrite`. `progress` is called with a
    Progress about ten times a second; without it a bar is drawn in a terminal or a
    notebook. Ctrl-C, or interrupting the kernel, ends after the current step: the run
    is kept and `Run.stopped` is True.

    Raises InputError for data and options that do not fit, GateFailed if the loss or
    the weights are no longer finite.
    """
    config = configured(TrainConfig, config, {"data": text_of_path(data), **options})
    check_train(config)
    from kseg.training.distribution.environment import process_group

    group = process_group(config)
    if group.processes > 1:
        raise InputError(
            "several processes are started from a shell: kseg train --distribute; see "
            "docs/distributed.md"
        )
    named = {"data": data, **options}
    given = {name for name, value in named.items() if value is not None}
    if not given:
        given = {f.name for f in fields(config) if getattr(config, f.name) != f.default}
    with reported_to(progress):
        return run_training(config, given, group)


def run_training(config: TrainConfig, given: set[str], group: ProcessGroup) -> Run:
    """One training in this process, or those of all folds; see `train_once`."""
    from kseg.training.folds import is_k_fold, train_folds

    if not is_k_fold(config):
        return train_once(config, given, group)
    from kseg.reporting.folds import write_folds_page

    return train_folds(config, given, group, train_once, write_folds_page)


def train_once(config: TrainConfig, given: set[str], group: ProcessGroup) -> Run:
    """One training in this process; the main process also writes the report.

    `config` has passed `check_train`. --resume refuses options of `given` that differ.
    """
    from kseg.core import backend
    from kseg.core.run_lock import claimed, reserve_unlocked
    from kseg.core.task_defaults import for_task
    from kseg.data.checks.quick import check_before_training
    from kseg.data.fold_data import open_training_data
    from kseg.data.one_class import data_for
    from kseg.data.open import task_of_data
    from kseg.reporting.rehearsal import rehearse_report
    from kseg.reporting.run_report import write_run_report
    from kseg.training.distribution.group import distributed
    from kseg.training.fit import fit, merge_resumed, read_recorded_config
    from kseg.training.objects import finish

    task = config.task or task_of_data(config.data, config.model)
    config = for_task(config, given, task)
    asked, folder = config, reserve_unlocked(config, group)
    if config.resume:
        config = merge_resumed(config, given, read_recorded_config(folder))
    dataset = data_for(config.model, open_training_data(config, folder))
    check_before_training(dataset, report=group.is_main)
    backend.start()
    with ExitStack() as held:
        with distributed(config, group, dataset, folder) as group, ExitStack() as claim:
            claim.enter_context(claimed(asked, group))
            stopped = fit(config, dataset, folder, group, rehearse=rehearse_report)
            held.enter_context(claim.pop_all())  # an error ends it before `distributed`
        if not group.is_main:
            return Run(folder, {}, [], config, stopped)
        if not stopped:
            finish(config, dataset, folder)
        write_run_report(dataset, folder)
    return replace(Run.open(folder), stopped=stopped)


@takes_options(EvaluateConfig)
def evaluate(
    model: Optional[AnyPath] = None,
    data: Optional[AnyPath] = None,
    *,
    config: Optional[EvaluateConfig] = None,
    progress: Optional[ProgressCallback] = None,
    **options: Any,
) -> Evaluation:
    """Measures a model on a split, at the size of the masks.

    `model` is a Run, a run folder, a .keras, .tflite or .onnx file, or "grouping:KIND";
    `data` a data folder, by default that of the run. `options` are the fields of
    EvaluateConfig: `split`, `full_size`, `tile`, `flip`, `scales`, `engine`, `threads`,
    `output`. The result maps names of metrics to values in [0, 1]. Mean IoU is the
    mean over classes of TP / (TP + FP + FN), void pixels left out (Everingham et al.,
    IJCV 2010); the average precision of objects is COCO's (Lin et al., ECCV 2014).

    Raises InputError for a model, data and options that do not fit.
    """
    values = {"model": text_of_path(model), "data": text_of_path(data), **options}
    config = configured(EvaluateConfig, config, values)
    from kseg.evaluation.several import measure_any

    output = make_folder(Path(config.output)) if config.output else None
    with reported_to(progress):
        found = measure_any(config)
        if output:
            from kseg.reporting.tasks import FIGURES

            parts = (found.predictor, found.split, found.evaluator, found.shown)
            names = FIGURES[found.data.task](output, *parts)
            log.info(f"{', '.join(names)} are in {output}")
    return found.evaluation


@takes_options(PredictConfig)
def predict(
    model: Optional[AnyPath] = None,
    images: Union[AnyPath, Iterable[AnyPath], None] = None,
    *,
    output: Optional[AnyPath] = None,
    config: Optional[PredictConfig] = None,
    progress: Optional[ProgressCallback] = None,
    **options: Any,
) -> Predictions:
    """Predicts image files, or those in folders.

    With `output`, a folder, each image gets masks/NAME.png and overlays/NAME.jpg there.
    `options` are the fields of PredictConfig: `full_size`, `tile`, `flip`, `scales`,
    `score`, `nms`, `max_objects`, `engine`, `threads`, `segments`, `truth`. The result
    of every image is kept in memory; for very many images use
    `kseg.load(model).predict(image)` in a loop.

    Raises InputError for a model, images and options that do not fit.
    """
    if images is not None:
        if isinstance(images, (str, PathLike)):
            images = [images]
        options["images"] = [fspath(image) for image in images]
    values = {"model": text_of_path(model), "output": text_of_path(output), **options}
    write = config is not None or output is not None
    config = configured(PredictConfig, config, values)
    from kseg.evaluation.predict_images import predict_images

    with reported_to(progress):
        return Predictions(predict_images(config, write))


@takes_options(ExportConfig)
def export(
    run: Optional[AnyPath] = None,
    *,
    config: Optional[ExportConfig] = None,
    progress: Optional[ProgressCallback] = None,
    **options: Any,
) -> Exported:
    """Converts a run to files for devices and compares each with the Keras model.

    `options` are the fields of ExportConfig: `quantize` (a list of schemes), `size`,
    `head`, `max_drop`, `calibration_images`, `mixed_precision` and others. The result
    maps schemes to files; its `parity` has the accuracy, size and latency of each.

    Raises InputError for a run and options that do not fit, and GateFailed if a file
    loses more than `max_drop` of the headline metric; its `result` is what was
    exported.
    """
    config = configured(ExportConfig, config, {"run": text_of_path(run), **options})
    if config.check:
        raise InputError("check: use kseg.check(files)")
    if not config.run:
        raise InputError("give a run folder")
    from kseg.deploy.export import export as export_run
    from kseg.deploy.parity import check_gate

    with reported_to(progress):
        done = export_run(config)
    try:
        check_gate(done.parity, done.max_drop)
    except GateFailed as failure:
        failure.result = done
        raise
    return done


def check(files: Union[AnyPath, Iterable[AnyPath]]) -> dict[str, list[LintIssue]]:
    """Lists what keeps .tflite files from running on devices, or from running fast.

    Issues have `severity` ("error", "warning", "note"), `device`, `operator`, `tensor`,
    `problem` and `count`. Raises InputError for a file that cannot be read.
    """
    from kseg.deploy.lint import rules

    several = [files] if isinstance(files, (str, PathLike)) else list(files)
    if not several:
        raise InputError("files: is empty; give .tflite files")
    findings, refusals = rules.check([fspath(file) for file in several])
    if refusals:
        raise refusals[0]
    return findings


@takes_options(ReportConfig)
def report(
    run: Optional[AnyPath] = None,
    *,
    config: Optional[ReportConfig] = None,
    progress: Optional[ProgressCallback] = None,
    **options: Any,
) -> Report:
    """Writes report.html, one page that shows a run and needs no other file.

    `options` are the fields of ReportConfig: `data`, `split`, `output`. Raises
    InputError for a folder that is not a run, and if the page cannot be written.
    """
    config = configured(ReportConfig, config, {"run": text_of_path(run), **options})
    from kseg.core import backend
    from kseg.core.runs import REPORT
    from kseg.evaluation.open import check_classes, data_of, locate, open_predictor
    from kseg.reporting.page import evaluate_split, write_page

    folder = Path(config.run)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such run folder; kseg train writes one")
    path, _ = locate(config.run)
    data = data_of(config.run, folder, config.data, None)
    data.split(config.split)
    page = check_writable(Path(config.output or folder / REPORT))
    backend.start()
    predictor = open_predictor(path)
    check_classes(predictor, data, config.run)
    with reported_to(progress):
        section = evaluate_split(predictor, data, config.split)
    write_page(page, folder, section)
    return Report(page, section.all_metrics())


@takes_options(PrepareConfig)
def prepare(
    src: Optional[AnyPath] = None,
    dir: Optional[AnyPath] = None,
    *,
    config: Optional[PrepareConfig] = None,
    progress: Optional[ProgressCallback] = None,
    **options: Any,
) -> Prepared:
    """Converts the export `src` of another tool to the data folder `dir`.

    `src` may be "shapes", for generated scenes. `options` are the fields of
    PrepareConfig: `task`, `val_share`, `seed`, `skip_missing`, `licenses`, `count`,
    `proposals`, `merge`: a data folder that new images are added to, without `dir`.
    With `proposals` and without `dir`, `src` is a data folder, or "shapes", that only
    gets proposals. Raises InputError for an export of an unknown format, with errors,
    or without what the task needs.
    """
    values = {"src": text_of_path(src), "dir": text_of_path(dir), **options}
    config = configured(PrepareConfig, config, values)
    from kseg.data.formats.convert import convert_export
    from kseg.data.merging.merge import merge_export
    from kseg.data.proposals import add_proposals

    with reported_to(progress):
        if config.merge:
            return merge_export(config)
        if config.proposals and not config.dir:
            return add_proposals(config)
        done = convert_export(config)
        if config.proposals:
            added = add_proposals(replace(config, src=config.dir))
            done = replace(done, proposals=added.proposals)
        return done


@takes_options(DoctorConfig)
def doctor(
    data: Optional[AnyPath] = None,
    *,
    config: Optional[DoctorConfig] = None,
    progress: Optional[ProgressCallback] = None,
    **options: Any,
) -> Diagnosis:
    """Checks a data folder: files, labels, classes, sizes and duplicates.

    With `output`, a folder, doctor.png is drawn there, and augmentation.png with
    `show_augmentation`. Errors in the data are in the result; InputError is raised only
    if there is nothing to read.
    """
    config = configured(DoctorConfig, config, {"data": text_of_path(data), **options})
    from kseg.data.checks.doctor import examine
    from kseg.reporting.augmentation import draw_augmentation, training_of

    check_doctor(config)
    augmented = training_of(config) if config.show_augmentation else None
    if config.output:
        make_folder(Path(config.output))
    with reported_to(progress):
        found, diagnosis = examine(config.data, config.seed, config.task)
    if config.output:
        from kseg.reporting.doctor import draw_doctor

        draw_doctor(Path(config.output) / "doctor.png", found, diagnosis.issues)
        log.info(f"doctor.png is in {config.output}")
    if augmented:
        draw_augmentation(Path(config.output), augmented)
    return diagnosis


@takes_options(SummaryConfig)
def summary(
    model: Optional[AnyPath] = None,
    *,
    config: Optional[SummaryConfig] = None,
    progress: Optional[ProgressCallback] = None,
    **options: Any,
) -> Summary:
    """Computes parameters, multiply-adds, memory in bytes and receptive field.

    `model` is a network's name, a run folder or a .keras file; without it all networks
    are compared. `options` are the fields of SummaryConfig: `size`, `encoder`, `width`,
    `num_classes`, `channels`. Raises InputError for what cannot be built.
    """
    config = configured(
        SummaryConfig, config, {"model": text_of_path(model), **options}
    )
    from kseg.core import backend
    from kseg.core.runs import find_network

    check_summary(config)
    source = find_network(config.model)
    backend.start()
    from kseg.models.analysis.summary import compare, summarize

    with reported_to(progress):
        return Summary(summarize(config, source) if config.model else compare(config))


def info() -> dict[str, Any]:
    """Returns versions, processor, accelerators and cache, for a bug report."""
    from kseg.core.environment import environment

    return environment()
