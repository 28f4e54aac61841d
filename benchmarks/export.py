"""Speed and accuracy of exported files by head and resolution, and of Keras's export.

    kseg benchmark export --run saved_models/RUN

All variants of the network run on the same images, alternating. "inference" is the time
of the interpreter alone; "total" is the time of the predictor, from the image to labels
of the image's size. "Keras export" is `model.export` of Keras with its defaults, where
scaling, upsampling and argmax are left to the program; "total" includes them.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Iterator, Optional, Sequence

import numpy as np

from benchmarks.inference import time_on_images
from benchmarks.results import JSON_HELP, option, show
from edge.core.errors import InputError
from edge.core.log import say
from edge.engines.select import open_engine
from edge.predict.base import Predictor
from edge.predict.open import predictor_of
from kseg.cli.parser import parse
from kseg.core.configs import ExportConfig
from kseg.core.options import Output
from kseg.evaluation.loop import compare

MAX_IMAGES = 50  # of the validation split, at most
HEADS = (("labels", False), ("labels", True), ("logits", False), ("logits", True))
KERAS_EXPORT = "Keras export"
ONNX_VARIANT = "float32, labels, ONNX Runtime"


@dataclass(frozen=True)
class ExportBenchmarkConfig:
    """Options of `kseg benchmark export`."""

    run: str = option("", "run folder; required")
    data: str = option("", "data folder; default: the run's own")
    calibration_images: int = option(50, "training images that calibrate int8")
    json: Output = option("", JSON_HELP)


def main(argv: Optional[Sequence[str]] = None) -> None:
    config = parse(ExportBenchmarkConfig, "kseg benchmark export", __doc__, argv)
    show(export_speed(config), export_table, config.json)


@dataclass(frozen=True)
class Variant:
    """An exported file and its predictor."""

    name: str
    predictor: Predictor
    operators: int
    bytes: int


def export_speed(config: ExportBenchmarkConfig) -> dict[str, Any]:
    """Latency in milliseconds, mean IoU, operators and bytes of each variant."""
    if not config.run:
        raise InputError("benchmark export: --run is required; give a run folder")
    from kseg.deploy.export import calibration_set_for, open_run

    options = ExportConfig(
        config.run, data=config.data, calibration_images=config.calibration_images
    )
    source = open_run(options, Path(config.run))
    calibration = source.calibration(calibration_set_for(options, source.data))
    with tempfile.TemporaryDirectory() as folder:
        variants = list(all_variants(source, calibration, Path(folder)))
        rows, scores = timed_variants(variants, source), mean_ious(variants, source)
    return {
        "size": source.size,
        "pictures": min(MAX_IMAGES, len(source.data.split("val").sizes)),
        "ways": [row | {"mean_iou": scores[row["name"]]} for row in rows],
    }


def all_variants(source: Any, calibration: Any, folder: Path) -> Iterator[Variant]:
    """kseg's heads and Keras's export in float32 and int8, and ONNX if installed."""
    for scheme in ("float32", "int8"):
        for head, low in HEADS:
            name = f"{scheme}, {head}{', low resolution' if low else ''}"
            say(f"converting: {name}")
            try:
                content = converted(source, scheme, head, low, calibration)
            except InputError as error:
                say(f"skipped: {error}")
                continue
            yield variant(folder, name, content, replace(source.info, head=head))
        say(f"converting: {scheme}, {KERAS_EXPORT}")
        content = keras_export(source, scheme, calibration, folder)
        info = replace(source.info, head="logits")
        yield variant(folder, f"{scheme}, {KERAS_EXPORT}", content, info)
    say(f"converting: {ONNX_VARIANT}")
    try:
        yield onnx_variant(source, folder)
    except InputError as error:
        say(f"skipped: {error}")


def converted(
    source: Any, scheme: str, head: str, low_resolution: bool, calibration: Any
) -> bytes:
    """A file of kseg. Raises InputError if low resolution is not possible."""
    from kseg.deploy.heads import HEADS as FUNCTIONS
    from kseg.deploy.heads import at_low_resolution
    from kseg.deploy.int8.corrected_conversion import convert

    network = source.network
    if low_resolution:
        network = at_low_resolution(network, source.size)
    head_function = FUNCTIONS[source.info.task][head]
    return convert(network, scheme, source.size, head_function, calibration)


def onnx_variant(source: Any, folder: Path) -> Variant:
    """The network in ONNX Runtime. Raises InputError if a package is missing."""
    from kseg.deploy.conversion import onnx

    info = replace(source.info, head="labels")
    content = onnx.convert(source.network, source.size, info)
    path = folder / "model.onnx"
    path.write_bytes(content)
    predictor = predictor_of(open_engine(path, trial=False), info)
    return Variant(ONNX_VARIANT, predictor, onnx.operators_in(content), len(content))


def variant(folder: Path, name: str, content: bytes, info: Any) -> Variant:
    """Writes a file and opens it."""
    path = folder / f"{name}.tflite"
    path.write_bytes(content)
    engine = open_engine(path, trial=False)
    return Variant(
        name, predictor_of(engine, info), operators_in(content), len(content)
    )


def operators_in(content: bytes) -> int:
    """The number of operators in a .tflite file."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    plain = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = Interpreter(
        model_content=content, experimental_op_resolver_type=plain
    )
    return len(interpreter._get_ops_details())


def keras_export(source: Any, scheme: str, calibration: Any, folder: Path) -> bytes:
    """Keras's export to LiteRT with its defaults: float32 input and output."""
    import keras
    import tensorflow as tf

    from kseg.deploy.conversion.tflite import quiet

    shape = (1, *source.size, source.network.input_shape[-1])
    signature = [keras.InputSpec(shape=shape, dtype="float32", name="image")]
    options: dict[str, Any] = {}
    if scheme == "int8":
        options["optimizations"] = [tf.lite.Optimize.DEFAULT]
        options["representative_dataset"] = lambda: (
            [image[None].astype(np.float32)] for image in calibration()
        )
    path = folder / "keras.tflite"
    with quiet():
        source.network.export(
            path, format="litert", input_signature=signature, verbose=False, **options
        )
    content = path.read_bytes()
    path.unlink()
    return content


def timed_variants(variants: list[Variant], source: Any) -> list[dict[str, Any]]:
    """Median milliseconds of each variant on the same images, alternating."""
    predictors = {each.name: each.predictor for each in variants}
    millis = time_on_images(predictors, source.data.split("val"), MAX_IMAGES)
    return [
        {
            "name": each.name,
            "bare_millis": round(millis[each.name].engine, 2),
            "whole_millis": round(millis[each.name].total, 2),
            "operators": each.operators,
            "bytes": each.bytes,
        }
        for each in variants
    ]


def mean_ious(variants: list[Variant], source: Any) -> dict[str, Optional[float]]:
    """On the validation split; None for Keras's export, which needs float32 input."""
    kseg_files = {
        each.name: each.predictor for each in variants if KERAS_EXPORT not in each.name
    }
    split = source.data.split("val")
    found = compare(source.reference, kseg_files, split, source.new_evaluator)
    values = {name: each.evaluator.value() for name, each in found.items()}
    return {each.name: values.get(each.name) for each in variants}


def export_table(figures: dict[str, Any]) -> str:
    """The results as a table."""
    from tabulate import tabulate

    rows = [
        (
            row["name"],
            f"{row['bare_millis']:.1f}",
            f"{row['whole_millis']:.1f}",
            "" if row["mean_iou"] is None else f"{row['mean_iou']:.4f}",
            row["operators"],
            f"{row['bytes'] / 1024:,.0f}",
        )
        for row in figures["ways"]
    ]
    header = ("file", "inference ms", "total ms", "mean IoU", "operators", "KiB")
    align = ("left", *["right"] * 5)
    height, width = figures["size"]
    text = tabulate(rows, header, colalign=align, disable_numparse=True)
    return f"{text}\n{figures['pictures']} images at {height}x{width}, alternating"
