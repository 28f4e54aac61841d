"""Converts a trained run to files for devices and compares them with the network."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Iterator, Optional

import numpy as np

from edge.core.errors import GateFailed, InputError
from edge.core.files import atomic_write, make_folder, write_text
from edge.model_file.info import ModelInfo
from edge.model_file.metadata import info_of
from edge.predict.base import Predictor
from edge.predict.open import predictor_of
from kseg.core import backend
from kseg.core.configs import ExportConfig
from kseg.core.names import (
    FINETUNED_SCHEMES,
    ONNX,
    corrects_biases,
    uses_calibration,
)
from kseg.core.options import refuse_unused
from kseg.core.progress import shown
from kseg.core.results import Exported
from kseg.core.runs import (
    BEST,
    CARD,
    read_record,
    write_json,
)
from kseg.core.task_defaults import max_drop_of
from kseg.data.sample import Dataset
from kseg.deploy.card import card_text
from kseg.deploy.int8.calibration import CalibrationSet, choose_images
from kseg.deploy.parity import (
    Parity,
    measure,
    metric_name,
    require_measurable,
    rows,
    value_of_file,
)
from kseg.deploy.roles import roles_of_content
from kseg.deploy.schemes import with_schemes
from kseg.deploy.trained_metrics import of_headline, read_metrics
from kseg.evaluation import EVALUATORS
from kseg.evaluation.labels import LabelledClasses
from kseg.evaluation.loop import MIXED, OLD_MIXED, REFERENCE, Evaluator
from kseg.evaluation.open import check_classes, data_of
from kseg.training.setup import check_size

if TYPE_CHECKING:
    from kseg.deploy.heads import Head
    from kseg.deploy.int8.sensitivity import Sensitivity

log = logging.getLogger(__name__)


SENSITIVITY_FIGURE = "explain.png"
SENSITIVITY_IMAGES = 4  # a few suffice: every pixel of an image is rounded


@dataclass(frozen=True)
class TrainedRun:
    """A trained run, opened for export at one input size.

    `model` is its network; `network` is the part of it that is converted, up to the
    head of the files. `reference` predicts with the complete network in Keras.
    `record` is the run's config.json.
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
        """The function from the network's outputs to those of the files."""
        from kseg.deploy.heads import heads_of

        return heads_of(self.info)[self.info.head]

    @property
    def new_evaluator(self) -> Callable[[], Evaluator]:
        """Creates evaluators that compute the headline metric only."""
        return partial(EVALUATORS[self.info.task], self.data, fast=True)

    def value_of_file(self, content: bytes) -> float:
        """The headline metric of a .tflite file on the validation images."""
        split = self.data.split("val")
        return value_of_file(content, self.reference, split, self.new_evaluator)

    def calibration(
        self, chosen: Optional[CalibrationSet]
    ) -> Callable[[], Iterator[np.ndarray]]:
        """A function that yields the chosen images as the predictor prepares them."""
        train = self.data.split("train")

        def images() -> Iterator[np.ndarray]:
            indices = chosen.indices if chosen else ()
            for index in shown(indices, "calibrating", len(indices)):
                for row in self.reference.prepare(train.read(index).image)[0]:
                    yield from row

        return images


def export(config: ExportConfig) -> Exported:
    """Converts a run, compares the files with it; writes them, parity.json and card.md.

    Raises InputError for options that do not fit the run or each other, GateFailed for
    validation images on which nothing can be measured.
    """
    folder = Path(config.run)
    config = with_schemes(config, read_record(folder)["config"].get("model", ""))
    check_options(config)
    make_folder(folder)  # raises if files cannot be written there
    source = open_run(config, folder)
    require_measurable(source.data)
    max_drop = max_drop_of(config, source.data.task)
    calibration_set = calibration_set_for(config, source.data)
    if "int8" in config.quantize:  # made from the int8 file that is replaced now
        for name in (MIXED, OLD_MIXED):
            (folder / f"{name}.tflite").unlink(missing_ok=True)
    files = write_files(config, source, folder, calibration_set)
    found = analyze_int8(config, source, folder, files, calibration_set)
    parity = measure_files(source, files, config)
    for scheme in files:
        if calibration_set and (scheme == MIXED or uses_calibration(scheme)):
            parity[scheme]["calibration"] = calibration_set.record()
        if scheme == MIXED or corrects_biases(scheme):
            parity[scheme]["bias_correction"] = config.bias_correction
    if "int8" in files and found:
        parity["int8"] |= found.record()
    for row in rows(parity).values():
        row |= {"size": source.size, "head": source.info.head}
    write_json(folder / "parity.json", parity)
    write_text(folder / CARD, card_text(config, source, files, parity))
    headline = parity["headline"]
    trained = source.info.metrics.get(headline)
    at_size = parity[REFERENCE][headline]
    log_effect_of_size(headline, trained, at_size, source.size, max_drop)
    table = found.table() if found else ""
    return Exported(files, source.size, parity, trained, table, max_drop)


def measure_files(
    source: TrainedRun, files: dict[str, Path], config: ExportConfig
) -> Parity:
    """The content of parity.json, on the validation images, also in other light.

    Raises GateFailed if nothing could be measured on them.
    """
    data, new = source.data, source.new_evaluator
    labelled = LabelledClasses(data.class_names)
    split, shifts = data.split("val"), config.shifts
    options = (config.threads, [labelled], shifts)
    try:
        found = measure(source.reference, files, split, new, *options)
    except (InputError, GateFailed) as error:
        raise type(error)(f"{data.name}, split val: {error}") from None
    labelled.report(data.name, "val")
    return found


def check_options(config: ExportConfig) -> None:
    """Raises InputError for options that have no effect or exclude each other."""
    refuse_unused(config)
    finetuned = [scheme for scheme in config.quantize if scheme in FINETUNED_SCHEMES]
    if config.low_resolution and finetuned:
        raise InputError(
            f"--low-resolution: not available for {finetuned[0]}, which is fine-tuned "
            "at full resolution; export that scheme without --low-resolution"
        )


def open_run(config: ExportConfig, folder: Path) -> TrainedRun:
    """Opens a run for export. Raises InputError for options that do not fit it."""
    record = read_record(folder)
    data = data_of(config.run, folder, config.data, None)
    backend.start()
    check_backend()
    from kseg.deploy.heads import (
        HEADS,
        NOT_EXPORTED,
        at_low_resolution,
        head_name,
        heads_of,
        info_with_head,
        part_for_head,
    )
    from kseg.models.keras_engine import KerasEngine
    from kseg.models.layers.sizes import fixed_size
    from kseg.models.saving import load_model

    model = load_model(folder / BEST)
    info = info_of(folder / BEST)
    if info.task not in HEADS:
        raise InputError(f"{folder}: runs of the task {info.task} cannot be exported")
    reason = NOT_EXPORTED.get(info.decoder.get("kind", ""))
    if reason:
        raise InputError(f"{folder}: {info.decoder['kind']} is not exported: {reason}")
    trained_for, info = info.task, info_with_head(info, head_name(info, config.head))
    evaluator = EVALUATORS[info.task](data, fast=True)
    metrics = read_metrics(folder, evaluator.headline)
    if info.task != trained_for:
        log.info(
            f"--head {info.head}: the files are of the task {info.task}: they have the "
            "boxes of the network, and no masks"
        )
        metrics = of_headline(metrics, evaluator.headline)
    info = replace(info, metrics=metrics)
    only = fixed_size(model)
    size = config.size or only or info.geometry.smallest_input(record["data"]["size"])
    check_size(size, info, only)
    network = at_low_resolution(model, size) if config.low_resolution else model
    network = part_for_head(network, info.head)
    engine = KerasEngine(model, size, heads_of(info)[info.head])
    reference = predictor_of(engine, info, str(folder))
    check_classes(reference, data, config.run)
    return TrainedRun(record, model, network, info, data, size, reference)


def log_effect_of_size(
    headline: str,
    trained: Optional[float],
    at_size: float,
    size: tuple[int, int],
    max_drop: float,
) -> None:
    """Logs the drop due to the input size alone, which is not part of a file's drop."""
    if trained is not None and trained - at_size > max_drop:
        log.info(
            f"Keras model at {size[0]}x{size[1]}: {metric_name(headline)} "
            f"{at_size:.4f}; at the images' own size: {trained:.4f}; drops are "
            "relative to the first, and a larger --size reduces the difference"
        )


def check_backend() -> None:
    """Raises InputError unless Keras runs on TensorFlow, whose converter is used."""
    import keras

    name = keras.backend.backend()
    if name != "tensorflow":
        raise InputError(
            f"KERAS_BACKEND={name}: export needs the TensorFlow backend, whichever "
            "backend the run was trained with; unset KERAS_BACKEND"
        )


def calibration_set_for(
    config: ExportConfig, data: Dataset
) -> Optional[CalibrationSet]:
    """The images for calibration, and correction of biases; None if none are needed."""
    corrected = config.bias_correction and any(map(corrects_biases, config.schemes))
    if not corrected and not any(map(uses_calibration, config.schemes)):
        return None
    return choose_images(data, config.calibration_images)


def write_files(
    config: ExportConfig,
    source: TrainedRun,
    folder: Path,
    calibration_set: Optional[CalibrationSet],
) -> dict[str, Path]:
    """Converts to each requested scheme; returns scheme -> file, written atomically."""
    from kseg.deploy.int8.corrected_conversion import converter_for
    from kseg.deploy.parts import PARTED, write_parts

    files, tuner = {}, None
    if set(config.quantize) & set(FINETUNED_SCHEMES):
        from kseg.deploy.finetuning.tuner import FineTuner

        tuner = FineTuner(source.model, source.data, source.record, config)
    calibration = source.calibration(calibration_set)
    convert = converter_for(config.bias_correction)
    for number, scheme in enumerate(config.quantize, start=1):
        described = describe_scheme(scheme, config, source, calibration_set)
        count = f" ({number} of {len(config.quantize)})"
        log.info(f"converting to {described}{count * (len(config.quantize) > 1)}")
        if scheme == ONNX:
            files[scheme] = write_onnx(config, source, folder)
            continue
        files[scheme] = folder / f"{scheme}.tflite"
        if source.info.decoder.get("kind") in PARTED:
            write_parts(files[scheme], scheme, source)
            continue
        arguments = (scheme, source.size, source.head, calibration)
        if tuner and scheme in FINETUNED_SCHEMES:
            content = tuner.convert(scheme, source.size, source.info.head, calibration)
        else:
            content = convert(source.network, *arguments)
        write_file(files[scheme], content, source)
    return files


def write_onnx(config: ExportConfig, source: TrainedRun, folder: Path) -> Path:
    """Writes model.onnx, whose description is in its own metadata properties."""
    from kseg.deploy.conversion import onnx

    content = onnx.convert(source.network, source.size, source.info)
    with atomic_write(folder / "model.onnx") as part:
        part.write_bytes(content)
    return folder / "model.onnx"


def write_file(path: Path, content: bytes, source: TrainedRun) -> None:
    """Writes a .tflite file with its metadata and logs what devices do not support."""
    from kseg.deploy.lint.rules import log_warnings
    from kseg.deploy.tflite_metadata import with_metadata

    info = replace(source.info, outputs=roles_of_content(content, source.reference))
    with atomic_write(path) as part:
        part.write_bytes(with_metadata(content, info))
        info.attach(part)
        log_warnings(part, path.name)


def analyze_int8(
    config: ExportConfig,
    source: TrainedRun,
    folder: Path,
    files: dict[str, Path],
    calibration_set: Optional[CalibrationSet],
) -> Optional[Sensitivity]:
    """Measures int8 by layer; with --mixed-precision, also writes that file if needed.

    The file is added to `files`. Returns None without --explain and --mixed-precision.
    """
    if not (config.explain or config.mixed_precision):
        return None
    from kseg.deploy.int8 import sensitivity
    from kseg.deploy.mixed import mixed_content

    calibration = source.calibration(calibration_set)
    images = list(islice(calibration(), SENSITIVITY_IMAGES))
    found = sensitivity.sensitivity(source.network, source.size, images)
    sensitivity.draw(folder / SENSITIVITY_FIGURE, found.layers)
    log.info(f"int8 error by layer: {folder / SENSITIVITY_FIGURE}")
    if config.mixed_precision:
        worst = [each.op for each in sensitivity.worst_first(found.layers)]
        content = mixed_content(config, source, files["int8"], calibration, worst)
        if content is not None:
            files[MIXED] = folder / f"{MIXED}.tflite"
            write_file(files[MIXED], content, source)
    return found


def describe_scheme(
    scheme: str,
    config: ExportConfig,
    source: TrainedRun,
    calibration_set: Optional[CalibrationSet],
) -> str:
    """A scheme and its settings, for the log."""
    size, head = source.size, source.info.head
    low = ", without the last upsampling" if config.low_resolution else ""
    text = f"{scheme} at {size[0]}x{size[1]}, {head}{low}"
    if calibration_set and uses_calibration(scheme):
        text += f", calibrated on {len(calibration_set.indices)} images"
    return text
