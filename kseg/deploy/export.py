"""Converts a trained run to files for devices, and measures what that cost."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from math import isfinite, nan
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Iterator, Optional

import numpy as np

from edge.core.errors import InputError
from edge.core.files import atomic_write
from edge.model_file.info import ModelInfo
from edge.model_file.metadata import info_of
from edge.predict.base import Predictor
from edge.predict.open import predictor_of
from kseg.core import backend
from kseg.core.configs import ExportConfig
from kseg.core.names import FINETUNED_SCHEMES, ONNX
from kseg.core.options import refuse_unused
from kseg.core.results import Exported
from kseg.core.runs import (
    BEST,
    HISTORY,
    METRICS,
    read_history,
    read_record,
    write_json,
)
from kseg.data.sample import Dataset
from kseg.deploy.int8.calibration import CalibrationSet, choose
from kseg.deploy.parity import (
    Parity,
    measure,
    rows,
    value_of,
    value_of_file,
    words,
)
from kseg.deploy.roles import roles_of
from kseg.evaluation import EVALUATORS
from kseg.evaluation.loop import MIXED, REFERENCE, Evaluator
from kseg.evaluation.open import check_classes, data_of
from kseg.training.setup import check_size

if TYPE_CHECKING:
    from kseg.deploy.heads import Head
    from kseg.deploy.int8.sensitivity import LayerSensitivity

log = logging.getLogger(__name__)


SENSITIVITY_FIGURE = "explain.png"
EXPLAINED_ON = 4  # pictures: rounding is in every pixel of each


@dataclass(frozen=True)
class TrainedRun:
    """What files are made from: a trained run and the input size.

    `model` is its network, `network` that ends where the files' head begins;
    `reference` predicts as it does in Keras, in full. `record` is its config.json.
    """

    record: dict[str, Any]
    model: Any
    network: Any
    info: ModelInfo
    data: Dataset
    size: tuple[int, int]
    reference: Predictor

    @property
    def head(self) -> Head:
        """What the files' outputs are of the network's."""
        from kseg.deploy.heads import HEADS

        return HEADS[self.info.task][self.info.head]

    @property
    def new_evaluator(self) -> Callable[[], Evaluator]:
        """What files are judged by: the headline alone."""
        return partial(EVALUATORS[self.info.task], self.data, fast=True)

    def value_of_file(self, content: bytes) -> float:
        """The headline that a .tflite file reaches on the validation images."""
        split = self.data.split("val")
        return value_of_file(content, self.info, split, self.new_evaluator)

    def calibration(
        self, coverage: Optional[CalibrationSet]
    ) -> Callable[[], Iterator[np.ndarray]]:
        """The chosen training images as the predictor would feed them."""
        train = self.data.split("train")

        def images() -> Iterator[np.ndarray]:
            for index in coverage.indices if coverage else ():
                for row in self.reference.prepare(train.read(index).image)[0]:
                    yield from row

        return images


def export(config: ExportConfig) -> Exported:
    """Converts, compares, and leaves the files and parity.json in the run folder.

    Raises InputError for what does not fit the run, or goes together.
    """
    check_options(config)
    folder = Path(config.run)
    source = open_run(config, folder)
    coverage = coverage_for(config, source.data)
    if "int8" in config.quantize:  # it was mended from the one that is now made anew
        (folder / f"{MIXED}.tflite").unlink(missing_ok=True)
    files = write_files(config, source, folder, coverage)
    findings = look_into_int8(config, source, folder, files, coverage)
    parity = measured(source, files, config.threads)
    for scheme in files:
        if coverage and has_ranges(scheme):
            parity[scheme]["calibration"] = coverage.record()
    if "int8" in files and findings:
        parity["int8"]["layers"] = [finding.record() for finding in findings]
    for row in rows(parity).values():
        row |= {"size": source.size, "head": source.info.head}
    write_json(folder / "parity.json", parity)
    headline = parity["headline"]
    trained = source.info.metrics.get(headline)
    here = parity[REFERENCE][headline]
    warn_of_size(headline, trained, here, source.size, config.max_drop)
    layers = layers_table(findings) if findings else ""
    return Exported(files, source.size, parity, trained, layers)


def measured(
    source: TrainedRun, files: dict[str, Path], threads: Optional[int]
) -> Parity:
    """The content of parity.json, on the validation images."""
    split = source.data.split("val")
    try:
        return measure(source.reference, files, split, source.new_evaluator, threads)
    except InputError as error:
        raise InputError(f"{source.data.name}, split val: {error}") from None


def check_options(config: ExportConfig) -> None:
    """Raises InputError for options that do nothing, or do not go together."""
    refuse_unused(config)
    finetuned = [scheme for scheme in config.quantize if scheme in FINETUNED_SCHEMES]
    if config.low_resolution and finetuned:
        raise InputError(
            f"--low-resolution: {finetuned[0]} is fine-tuned at full size; export it "
            "alone"
        )


def open_run(config: ExportConfig, folder: Path) -> TrainedRun:
    """The run as it is to be exported. Raises InputError for what does not fit."""
    from kseg.models.saving import load_model

    record = read_record(folder)
    data = data_of(config.run, folder, config.data, None)
    backend.start()
    check_backend()
    from kseg.deploy.heads import HEADS, at_low_resolution, head_of
    from kseg.models.keras_engine import KerasEngine

    model = load_model(folder / BEST)
    info = info_of(folder / BEST)
    if info.task not in HEADS:
        raise InputError(f"{folder}: no export is known for the task {info.task}")
    head = head_of(info.task, config.head)
    metrics = read_metrics(folder, EVALUATORS[info.task](data, fast=True).headline)
    info = replace(info, head=head, metrics=metrics)
    size = config.size or info.geometry.smallest_input(record["data"]["size"])
    check_size(size, info)
    network = at_low_resolution(model, size) if config.low_resolution else model
    engine = KerasEngine(model, size, HEADS[info.task][head])
    reference = predictor_of(engine, info, str(folder))
    check_classes(reference, data, config.run)
    return TrainedRun(record, model, network, info, data, size, reference)


def layers_table(findings: list[LayerSensitivity]) -> str:
    from kseg.deploy.int8.sensitivity import table

    return table(findings)


def warn_of_size(
    headline: str,
    trained: Optional[float],
    here: float,
    size: tuple[int, int],
    max_drop: float,
) -> None:
    """Says what the input's size alone costs: drops are against Keras at that size."""
    if trained is not None and trained - here > max_drop:
        log.info(
            f"at {size[0]}x{size[1]} the network has {words(headline)} {here:.4f}, at "
            f"its images' own size {trained:.4f}: drops are against the former; a "
            "larger --size keeps more"
        )


def check_backend() -> None:
    """Raises InputError where Keras does not run on TensorFlow, which converts."""
    import keras

    name = keras.backend.backend()
    if name != "tensorflow":
        raise InputError(
            f"KERAS_BACKEND={name}: TensorFlow converts to TFLite, whatever a run was "
            "trained on; export without that variable"
        )


def has_ranges(scheme: str) -> bool:
    """Whether calibration pictures set the ranges of a scheme's activations."""
    return scheme.endswith(("int8", "qat")) or scheme in ("int16x8", MIXED)


def coverage_for(config: ExportConfig, data: Dataset) -> Optional[CalibrationSet]:
    """The pictures that set ranges, where a scheme asks for any."""
    if not any(map(has_ranges, config.quantize)):
        return None
    return choose(data, config.calibration_images)


def write_files(
    config: ExportConfig,
    source: TrainedRun,
    folder: Path,
    coverage: Optional[CalibrationSet],
) -> dict[str, Path]:
    """Converts to each scheme asked for: scheme -> file. Each is whole or not there."""
    from kseg.deploy.conversion.tflite import convert

    files, tuner = {}, None
    if set(config.quantize) & set(FINETUNED_SCHEMES):
        from kseg.deploy.finetuning.tuner import FineTuner

        tuner = FineTuner(source.model, source.data, source.record, config)
    calibration = source.calibration(coverage)
    for scheme in config.quantize:
        log.info(f"converting to {describe_scheme(scheme, config, source, coverage)}")
        if scheme == ONNX:
            files[scheme] = write_onnx(config, source, folder)
            continue
        goal = (scheme, source.size, source.head, calibration)
        if tuner and scheme in FINETUNED_SCHEMES:
            content = tuner.convert(scheme, source.size, source.info.head, calibration)
        else:
            content = convert(source.network, *goal)
        files[scheme] = folder / f"{scheme}.tflite"
        write_file(files[scheme], content, source)
    return files


def write_onnx(config: ExportConfig, source: TrainedRun, folder: Path) -> Path:
    """model.onnx, which describes itself in its own way."""
    from kseg.deploy.conversion import onnx

    content = onnx.convert(source.network, source.size, source.info)
    with atomic_write(folder / "model.onnx") as part:
        part.write_bytes(content)
    return folder / "model.onnx"


def write_file(path: Path, content: bytes, source: TrainedRun) -> None:
    """The file with all that it says of itself, looked over for what devices refuse."""
    from kseg.deploy.lint.rules import warn
    from kseg.deploy.tflite_metadata import with_metadata

    with atomic_write(path) as part:
        part.write_bytes(with_metadata(content, source.info))
        roles = roles_of(part, source.reference)
        replace(source.info, outputs=roles).attach(part)
        warn(part, path.name)


def look_into_int8(
    config: ExportConfig,
    source: TrainedRun,
    folder: Path,
    files: dict[str, Path],
    coverage: Optional[CalibrationSet],
) -> list[LayerSensitivity]:
    """What --explain and --mend ask for; a mended file is written and joins `files`."""
    if not (config.explain or config.mixed_precision):
        return []
    from kseg.deploy.int8 import mixed_precision, sensitivity

    calibration = source.calibration(coverage)
    images = list(islice(calibration(), EXPLAINED_ON))
    findings = sensitivity.sensitivity(source.network, source.size, images)
    sensitivity.draw(folder / SENSITIVITY_FIGURE, findings)
    log.info(f"what int8 costs in each layer is drawn in {folder / SENSITIVITY_FIGURE}")
    if not config.mixed_precision:
        return findings
    split, new = source.data.split("val"), source.new_evaluator
    expected = value_of(source.reference, split, new)

    def drop(content: bytes) -> float:
        return expected - source.value_of_file(content)

    before = drop(files["int8"].read_bytes())
    if before <= config.max_drop:
        log.info(
            f"int8 loses {before:.4f}, within --max-drop: there is nothing to mend"
        )
        return findings
    log.info(f"int8 loses {before:.4f}: keeping its worst layers in float")
    worst = [finding.spot for finding in sensitivity.worst_first(findings)]
    selective = mixed_precision.SelectiveInt8(
        source.network, source.size, source.head, calibration
    )
    files[MIXED] = folder / f"{MIXED}.tflite"
    content, _, _ = mixed_precision.mixed_precision(
        selective, worst, drop, config.max_drop
    )
    write_file(files[MIXED], content, source)
    return findings


def describe_scheme(
    scheme: str,
    config: ExportConfig,
    source: TrainedRun,
    coverage: Optional[CalibrationSet],
) -> str:
    """A scheme and how it is made, in words."""
    size, head = source.size, source.info.head
    low = ", before the last enlargement" if config.low_resolution else ""
    text = f"{scheme} at {size[0]}x{size[1]}, {head}{low}"
    if coverage and has_ranges(scheme):
        text += f", ranges from {len(coverage.indices)} images"
    return text


def read_metrics(folder: Path, headline: str) -> dict[str, Any]:
    """What training reported, images at their own sizes; {} for one cut short.

    Raises InputError for a run that has no finite value of its headline, there or in
    the best epoch of its history.
    """
    path = folder / METRICS
    try:
        metrics = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        value = metrics.get(headline)
    except (ValueError, AttributeError) as error:
        raise InputError(f"{path}: is damaged ({error}); train again") from None
    if not metrics and (folder / HISTORY).is_file():
        column = f"val_{headline}"
        values = [line.get(column, nan) for line in read_history(folder / HISTORY)]
        value = max(filter(isfinite, values), default=None)
    if value is None or not isfinite(value):
        raise InputError(
            f"{folder}: the run has no finite {words(headline)}, so nothing says that "
            "it has learned; train until an epoch is validated, or look at the data "
            "with kseg.doctor"
        )
    return metrics
